//! A server on a free port, with a crew of its own.

use super::client::Client;
use headstart::{Crew, CrewSettings};
use headstart_server::front::{Handler, Request, Response};
use headstart_server::{Conversation, Server, ServerSettings};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use headstart_testing::eventually;

/// A running server.
pub(crate) struct Fixture {
    pub(crate) crew: Crew,
    pub(crate) server: Server,
}

/// Default settings on a free port.
pub(crate) fn settings() -> ServerSettings {
    ServerSettings::new("127.0.0.1:0")
}

/// A server with these settings and this handler.
pub(crate) fn start(settings: ServerSettings, handler: impl Handler) -> Fixture {
    let crew = Crew::new(CrewSettings::default().idle_timeout(Duration::from_millis(200))).unwrap();
    let server = Server::start(&crew, settings, Arc::new(handler)).unwrap();
    Fixture { crew, server }
}

/// A server that answers with the method and the target's path and query.
pub(crate) fn start_echo(settings: ServerSettings) -> Fixture {
    start(settings, echo)
}

pub(crate) fn echo(request: &Request<'_>) -> Response {
    let query = request.query().map(|query| format!("?{query}")).unwrap_or_default();
    Response::new(200, "text/plain", format!("{} {}{query}", request.method(), request.path()).into_bytes())
}

/// A handler that takes every body.
pub(crate) fn taking<F: Fn(&Request<'_>) -> Response + Send + Sync + 'static>(handle: F) -> impl Handler {
    struct Takes<F>(F);
    impl<F: Fn(&Request<'_>) -> Response + Send + Sync + 'static> Handler for Takes<F> {
        fn handle(&self, request: &Request<'_>) -> Response {
            (self.0)(request)
        }

        fn takes_body(&self, _: &Request<'_>) -> bool {
            true
        }
    }
    Takes(handle)
}

impl Fixture {
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.server.local_addr())
    }

    /// Waits until `is_so` holds of the server. Panics when it does not in time.
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn(&Fixture) -> bool) {
        eventually(what, || is_so(self));
    }

    /// Checks that a new client gets its answer.
    pub(crate) fn assert_serves(&self) {
        let answer = self.connect().get("/healthy").answer();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// Sends back what comes, as it comes, after the handler has returned.
pub(crate) fn send_back(conversation: &mut Conversation<'_>) -> io::Result<()> {
    let mut room = [0; 1_000];
    loop {
        match conversation.read(&mut room)? {
            0 => return Ok(()),
            read => conversation.write_all(&room[..read])?,
        }
    }
}
