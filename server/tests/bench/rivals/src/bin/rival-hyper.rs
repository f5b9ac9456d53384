//! hyper on tokio, without a framework: the least cost in async Rust.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rivals::{answer, arguments, race, success, timeout};
use std::convert::Infallible;
use std::sync::Arc;

struct Upstream {
    client: Client<HttpConnector, Empty<Bytes>>,
    uri: Uri,
}

impl Upstream {
    async fn attempt(&self) -> Option<Bytes> {
        let response = self.client.get(self.uri.clone()).await.ok()?;
        let status = response.status().as_u16();
        let content_type = response.headers().get(CONTENT_TYPE).cloned();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        success(status, content_type.as_ref().map(HeaderValue::as_bytes), body)
    }
}

async fn serve(upstream: Arc<Upstream>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let _host = request.headers().get(HOST);
    let (status, body) = match (request.uri().path(), timeout(request.uri().query())) {
        ("/api/smart", Some(timeout)) => answer(race(timeout, || upstream.attempt()).await),
        ("/api/smart", None) => (400, Bytes::from_static(b"{}")),
        _ => (404, Bytes::from_static(b"{}")),
    };
    let response = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    Ok(response.body(Full::new(body)).expect("a response of constants"))
}

fn main() {
    let (listen, upstream, threads) = arguments();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
    runtime.block_on(async move {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(usize::MAX).build(connector);
        let upstream = Arc::new(Upstream { client, uri: upstream.parse().unwrap() });
        let listener = rivals::listen(listen);
        loop {
            let Ok((socket, _)) = listener.accept().await else { continue };
            let _ = socket.set_nodelay(true);
            let upstream = upstream.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| serve(upstream.clone(), request));
                // A broken connection is the client's problem.
                let _ = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            });
        }
    });
}
