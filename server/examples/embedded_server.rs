//! The hedging API inside a program that has threads, a main loop and endpoints of its own.
//!
//! `cargo run --example embedded_server http://127.0.0.1:9000/api/work`, then `curl -i http://127.0.0.1:8081/api/smart`
//! and `curl -i 'http://127.0.0.1:8081/hello?to=you'`; Enter stops it.

use headstart::{Crew, CrewSettings};
use headstart_server::api::{Api, ApiSettings};
use headstart_server::front::{Handler, Request, Response};
use headstart_server::metrics::Metrics;
use headstart_server::{Server, ServerSettings};
use std::sync::Arc;
use std::time::Duration;

fn main() -> Result<(), headstart_server::Error> {
    let upstream = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:9000/api/work".to_owned());
    let crew = Crew::new(CrewSettings::default())?;
    let metrics = Metrics::new();

    let api = Api::new(&crew, ApiSettings::new([upstream]), metrics.clone())?;

    // The program's own paths first, everything else is the API's.
    let handler = move |request: &Request<'_>| match request.path() {
        "/hello" => {
            let text = format!("hello, {}\n", request.query().unwrap_or("world"));
            Response::new(200, "text/plain", text.into_bytes())
        }
        _ => api.handle(request),
    };
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8081".to_owned());
    let server = Arc::new(Server::start(&crew, ServerSettings::new(listen), Arc::new(handler))?);
    metrics.watch(&server);

    // Here the program goes on with what it is there for.
    println!("listening on http://{}; Enter stops", server.local_addr());
    let _ = std::io::stdin().read_line(&mut String::new());

    let drained = server.shutdown(Duration::from_secs(5));
    println!("{drained:?}; the crew had {} threads", crew.stats().peak);
    crew.shutdown(Duration::from_secs(1));
    Ok(())
}
