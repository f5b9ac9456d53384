//! One request on tiny_http, from its head to its answer.

use super::exchange::{PlainBody, PlainReading, collect};
use super::words::{Asked, in_their_words};
use super::{Shared, Taken};
use crate::front::access::Access;
use crate::front::framing::{self, Body, HeadLimits, Refusal};
use crate::front::message::{Caller, Request, is_taken, respond};
use crate::front::outgoing::Payload;
use crate::front::render;
use crate::front::request_body::{NoBody, RequestBody};
use crate::front::response::{Note, Response};
use headstart::cancel::CancelToken;
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

impl Shared {
    /// One request, from its head to its answer.
    pub(super) fn answer(&self, Taken { mut request, at }: Taken) {
        let client = request.remote_addr().copied().unwrap_or_else(|| ([0, 0, 0, 0], 0).into());
        let asked = Asked::of(&request);
        let payload = if asked.method == "HEAD" { Payload::Announced } else { Payload::Sent };
        let Some(response) = self.respond_to(&asked, &mut request, client, at) else {
            log::warn!(
                "a request is not answered: its body is larger than max_body, and tiny_http would allocate all of it"
            );
            self.counters.refused();
            // Dropping it is what allocates. The connection is lost with it, and its thread.
            std::mem::forget(request);
            return;
        };
        let bytes = if payload == Payload::Announced { 0 } else { response.body().len() as u64 };
        // Before it is sent: tiny_http does not say when an answer is out.
        let (status, notes) = (response.status, response.notes.as_slice());
        Access {
            client,
            method: &asked.method,
            path: &asked.target.escape_debug().to_string(),
            status,
            bytes,
            elapsed: at.elapsed(),
            notes,
        }
        .log();
        self.counters.answered();
        let frame = render::frame(&response, asked.version, payload);
        if let Err(error) = request.respond(in_their_words(response, frame)) {
            log::debug!("client {client} lost: {error}");
        }
    }

    /// The answer, with its body here. `None` when there can be none, because of the request's body.
    fn respond_to(
        &self,
        asked: &Asked,
        request: &mut tiny_http::Request,
        client: SocketAddr,
        received_at: Instant,
    ) -> Option<Response> {
        let length = request.body_length().map_or(0, |length| length as u64);
        let is_large = length > self.settings.max_body;
        let fields = asked.fields();
        let caller = PlainCaller { shared: self, address: client, body: None };
        let checked = self.check(asked, &fields).and_then(|head| {
            let is_taken = head.body != Body::None
                && is_taken(&*self.handler, &Request { head: &head, caller: &caller, received_at });
            match head.body {
                Body::Chunked if is_taken => Err(Refusal { status: 411, why: "a body has to say its length here" }),
                _ => Ok((head, is_taken)),
            }
        });
        match checked {
            Ok((head, true)) => {
                let body = RefCell::new(PlainBody::new(request, length));
                let caller = PlainCaller { body: Some(&body), ..caller };
                let response = respond(&*self.handler, &Request { head: &head, caller: &caller, received_at });
                let response = self.collect(head.method, response, Some(&mut body.borrow_mut()));
                body.borrow_mut().drain();
                Some(response)
            }
            _ if is_large => None,
            Ok((head, false)) => {
                let response = respond(&*self.handler, &Request { head: &head, caller: &caller, received_at });
                Some(self.collect(head.method, response, None))
            }
            Err(refusal) => {
                self.counters.refused();
                Some(Response::refusal(refusal).with_note("refused", Note::Word(refusal.why)))
            }
        }
    }

    fn collect(&self, method: &str, response: Response, body: Option<&mut PlainBody<'_>>) -> Response {
        if method == "HEAD" { response } else { collect(response, body, &self.cut) }
    }

    /// What [`Server`](super::Server) would say of this head, as far as tiny_http passes it on.
    fn check<'a>(&self, asked: &'a Asked, fields: &'a [httparse::Header<'a>]) -> Result<framing::Head<'a>, Refusal> {
        let limits = HeadLimits { head: self.settings.max_head, target: self.settings.max_target };
        let is_visible = |text: &[u8]| text.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
        if fields.len() > self.settings.max_fields {
            return Err(Refusal { status: 431, why: "too many header fields" });
        }
        if !is_visible(asked.target.as_bytes()) || !fields.iter().all(|field| is_visible(field.value)) {
            return Err(Refusal { status: 400, why: "control character in the head" });
        }
        framing::assemble(&asked.method, &asked.target, asked.version, fields, limits)
    }
}

struct PlainCaller<'a, 'b> {
    shared: &'a Shared,
    address: SocketAddr,
    /// The body, if the handler takes it.
    body: Option<&'a RefCell<PlainBody<'b>>>,
}

impl Caller for PlainCaller<'_, '_> {
    fn peer(&self) -> SocketAddr {
        self.address
    }

    fn is_secure(&self) -> bool {
        false
    }

    fn body(&self) -> RequestBody<'_> {
        match self.body {
            Some(body) => RequestBody::new(PlainReading(body.borrow_mut())),
            None => RequestBody::new(NoBody),
        }
    }

    /// Not sent: an interim response says nothing that its client cannot do without.
    fn send_interim(&self, _: u16, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn token(&self) -> &CancelToken {
        &self.shared.cut
    }

    fn is_draining(&self) -> bool {
        self.shared.lifecycle.is_draining()
    }
}
