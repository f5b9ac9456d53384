//! axum with reqwest, the common choice.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use rivals::{answer, arguments, race, success, timeout};

#[derive(Clone)]
struct Upstream {
    client: reqwest::Client,
    url: reqwest::Url,
}

impl Upstream {
    async fn attempt(&self) -> Option<Bytes> {
        let response = self.client.get(self.url.clone()).send().await.ok()?;
        let status = response.status().as_u16();
        let content_type = response.headers().get(CONTENT_TYPE).cloned();
        success(status, content_type.as_ref().map(|value| value.as_bytes()), response.bytes().await.ok()?)
    }
}

async fn smart(State(upstream): State<Upstream>, RawQuery(query): RawQuery) -> Response {
    let (status, body) = match timeout(query.as_deref()) {
        Some(timeout) => answer(race(timeout, || upstream.attempt()).await),
        None => (400, Bytes::from_static(b"{}")),
    };
    let status = StatusCode::from_u16(status).expect("a status of ours");
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

fn main() {
    let (listen, upstream, threads) = arguments();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
    runtime.block_on(async move {
        let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().unwrap();
        let app = Router::new()
            .route("/api/smart", get(smart))
            .with_state(Upstream { client, url: upstream.parse().unwrap() });
        let listener = rivals::listen(listen);
        axum::serve(listener, app).await.unwrap();
    });
}
