//! A server inside a program that has threads and a main loop of its own.
//!
//! `cargo run --example embedded_server`, then `curl -i 'http://127.0.0.1:8081/hello?to=you'`; Enter stops it.

use headstart::server::{Request, Response};
use headstart::{Crew, CrewSettings, Server, ServerSettings};
use std::sync::Arc;
use std::time::Duration;

fn main() -> Result<(), headstart::Error> {
    let crew = Crew::new(CrewSettings::default())?;
    let handler = |request: &Request<'_>| match request.path() {
        "/hello" => {
            let text = format!("hello, {}\n", request.query().unwrap_or("world"));
            Response::new(200, "text/plain", text.into_bytes())
        }
        "/slow" => {
            // Ends early when the client leaves.
            let deadline = headstart::Deadline::after(Duration::from_secs(3));
            match request.token().wait(deadline) {
                None => Response::new(200, "text/plain", "done\n".as_bytes()),
                Some(reason) => Response::problem(503, reason.as_str()),
            }
        }
        _ => Response::problem(404, "there is /hello and /slow"),
    };
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8081".to_owned());
    let server = Server::start(&crew, ServerSettings { listen, ..ServerSettings::default() }, Arc::new(handler))?;

    println!("listening on http://{}; Enter stops", server.local_addr());
    let _ = std::io::stdin().read_line(&mut String::new());

    let drained = server.shutdown(Duration::from_secs(5));
    println!("{drained:?}; the crew had {} threads", crew.stats().peak);
    crew.shutdown(Duration::from_secs(1));
    Ok(())
}
