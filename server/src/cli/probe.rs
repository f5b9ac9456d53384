//! Whether the upstreams can be reached, asked once at start.
//!
//! An unreachable upstream is a warning and no reason to stop: it may come up later, and one of several may do. Nor
//! does the start wait for it: each probe is a job of the crew, whose thread comes back after [`PATIENCE`] or, should
//! the name lookup hang in the system's library, whenever that returns.

use crate::cli::shown::without_secrets;
use headstart::{Claim, Crew, Job};
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;
use ureq::http::Uri;

/// For each address. Less than any connect timeout worth having: this only decides over a warning.
const PATIENCE: Duration = Duration::from_secs(3);

/// Tries to connect to each of `upstreams` and logs a warning for those that cannot be reached.
pub(super) fn begin(crew: &Crew, upstreams: &[String]) {
    for upstream in upstreams {
        let (url, shown) = (upstream.clone(), without_secrets(upstream));
        let job = Job {
            label: format!("probe of {shown}").into(),
            token: None,
            run: Box::new({
                let shown = shown.clone();
                move || match reach(&url) {
                    Ok(()) => log::debug!("upstream {shown} can be reached"),
                    Err(error) => log::warn!("upstream {shown} cannot be reached: {error}; {}", advice(&url)),
                }
            }),
        };
        if let Err(error) = crew.spawn(Claim::Hedge, job) {
            log::warn!("upstream {shown} not probed: {error}");
        }
    }
}

/// What to do about it.
fn advice(url: &str) -> String {
    let uri: Uri = url.parse().unwrap_or_default();
    let port = uri.port_u16().unwrap_or(80);
    match uri.host() {
        Some("127.0.0.1" | "localhost") => {
            format!(
                "requests fail until it can; 'headstart sample --listen 127.0.0.1:{port}' starts an upstream to try"
            )
        }
        _ => "requests fail until it can".to_owned(),
    }
}

fn reach(url: &str) -> io::Result<()> {
    let uri: Uri = url.parse().map_err(io::Error::other)?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}
