//! The same fast race for each request, with its client under watch and without.
//!
//! All are an embedded server whose handler races the upstream as the product does. `watched` passes the request's
//! token on, which has the client watched once the race lasts, and the race ended when the client leaves. `unwatched`
//! passes a token of its own that is never canceled, so the difference between the two is the watch. `endless` has no
//! token at all.

use crate::harness::Result;
use crate::harness::contender::{Contender, Launch, Site};
use headstart::http::Call;
use headstart::{CancelToken, Client, ClientSettings, Crew, CrewSettings, Deadline, TimeLimit};
use headstart_server::front::{Handler, Request, Response};
use headstart_server::{Server, ServerSettings};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

pub(crate) const UNWATCHED: Contender = Contender::new(
    "unwatched",
    "an embedded server whose handler gives each race a token that nobody cancels",
    Launch::Function(|site| serve(site, |client, _| answer(client, Some(&CancelToken::new())))),
);

pub(crate) const WATCHED: Contender = Contender::new(
    "watched",
    "the same with the request's token, so that a client that leaves ends its race",
    Launch::Function(|site| serve(site, |client, request| answer(client, Some(request.token())))),
);

pub(crate) const ENDLESS: Contender = Contender::new(
    "endless",
    "the same without a token",
    Launch::Function(|site| serve(site, |client, _| answer(client, None))),
);

/// The load's timeout, without reading it from each request.
const TIMEOUT: Duration = Duration::from_secs(10);

fn serve(site: &Site, answer: fn(&Client, &Request<'_>) -> Response) -> Result<()> {
    let crew = Crew::new(CrewSettings::default())?;
    let client = Client::new(&crew, ClientSettings::new([site.upstream_url()]))?;
    let handler: Arc<dyn Handler> = Arc::new(move |request: &Request<'_>| answer(&client, request));
    let settings = ServerSettings::new(site.listen.to_string());
    let _server = Server::start(&crew, settings, handler)?;
    loop {
        thread::park(); // until the process is ended
    }
}

fn answer(client: &Client, token: Option<&CancelToken>) -> Response {
    let call = match token {
        Some(token) => Call::new(TimeLimit::new(Deadline::after(TIMEOUT), token)),
        None => Call::new(TIMEOUT),
    };
    match client.first(&call).winner() {
        Some(winner) => {
            let body = [br#"{"success":true,"response":"#, winner.value.as_bytes(), b"}"].concat();
            Response::new(200, "application/json", body)
        }
        None => Response::new(502, "text/plain", b"no success".as_slice()),
    }
}
