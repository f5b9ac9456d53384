//! One request of a connection, from its head to the end of its answer.
//!
//! Three ways lead through here. As a rule there is no body, or it is read and dropped, and the answer is here when the
//! handler returns: head and body go out in one piece. A handler may take the body instead, which then stays in the
//! connection until it is asked for. And an answer may be a stream: its head is decided, and from then on its sender
//! has the connection ([`exchange`](super::exchange)).
//!
//! Who has gone and who has stopped is told apart: a client that leaves before the head gets none, and its line says
//! 499; a stream that was cut says so in its line, by whom.

use super::access::{self, Access};
use super::body::{self, BodyError};
use super::connection::{ClientConnection, State};
use super::current::{Announced, CurrentRequest, Handled};
use super::exchange::Connected;
use super::framing::{self, Body, Head, Version, Wish};
use super::input::Rest;
use super::intake::Intake;
use super::link::Link;
use super::message::{Request, is_taken, respond};
use super::outgoing::{Frame, Outgoing};
use super::remaining::Remaining;
use super::render::{self, Payload, Persistence};
use super::response::{Ending, Note, Response};
use super::settings::MAX_FIELDS;
use super::shared::Shared;
use headstart::cancel::CancelReason;
use httparse::Header;
use socket2::SockRef;
use std::cell::OnceCell;
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::ops::Range;
use std::time::{Duration, Instant};

/// The status an access line has when nobody was left to answer (nginx's).
const CLIENT_GONE: u16 = 499;

impl ClientConnection<'_> {
    /// From `Complete`.
    pub(super) fn answer(&mut self, place: Range<usize>) -> State {
        let received_at = Instant::now();
        let end_of_head = place.end;
        let (shared, link) = (self.shared, self.link);
        let settings = &shared.settings;
        let mut room = [const { MaybeUninit::<Header<'_>>::uninit() }; MAX_FIELDS];
        let room = &mut room[..settings.max_fields.min(MAX_FIELDS)];
        let head = match framing::parse(&self.input.bytes()[place], room, self.limits) {
            Ok(head) => head,
            Err(refusal) => return State::Refused(refusal, received_at),
        };
        let after_head = &self.input.bytes()[end_of_head..];
        let taken = shared.taken_body(link, &head, after_head, received_at);
        let is_taken = taken.is_some();
        let skipped = match is_taken {
            true => Ok(Rest::FromBuffer(0)),
            false => body::skip(self.stream.get_mut(), settings, &head, after_head),
        };
        let mut rest = match skipped {
            Ok(rest) => rest,
            Err(BodyError::Refused(refusal)) => return State::Refused(refusal, received_at),
            Err(BodyError::Lost) => return State::Closed,
        };

        let _in_flight = shared.counters.enter();
        let mut current = CurrentRequest::new(shared, link, &self.stream, received_at);
        if let Some(intake) = taken {
            current = current.with_body(intake, head.expects_continue && after_head.is_empty());
        }
        let mut response = respond(&*shared.handler, &Request { head: &head, caller: &current, received_at });
        if response.is_tunnel() && !current.is_body_over() {
            response = Response::problem(501, "no tunnel begins before the end of its request's body");
        }
        let payload = if head.method == "HEAD" { Payload::Announced } else { Payload::Sent };
        let frame = render::frame(&response, head.version, payload);
        let run = response.take_run().filter(|_| frame.is_sent(payload));
        let (Handled { canceled, early, mut intake }, run) = match run {
            Some(run) => {
                let (handled, token) = current.go_on();
                (handled, Some((run, token)))
            }
            None => (current.end(), None),
        };
        let mut line = Access {
            client: link.peer,
            method: head.method,
            path: head.target,
            status: response.status,
            bytes: 0,
            elapsed: Duration::ZERO,
            notes: &[],
        };
        if canceled == Some(CancelReason::ClientGone) {
            link.end_request();
            (line.status, line.elapsed, line.notes) = (CLIENT_GONE, received_at.elapsed(), &response.notes);
            line.log();
            return State::Closed;
        }
        self.answered += 1;
        if run.is_none() {
            intake.drop_received();
        }
        let is_last = !intake.is_over() || matches!(frame, Frame::UntilClose | Frame::Tunnel);
        let persistence = shared.persistence(&head, &response, self.answered, is_last);
        self.output.render(&response, frame, persistence, payload);
        shared.counters.answered();

        let mut sent = Ok(());
        let mut cut = None;
        match run {
            None => {
                line.bytes = self.output.body_len();
                sent = self.output.send(self.stream.get_mut(), early, settings.write_timeout);
            }
            Some((run, token)) => {
                if frame == Frame::Tunnel {
                    intake = Intake::raw(match rest {
                        _ if is_taken => intake.into_rest(),
                        Rest::FromBuffer(skipped) => after_head[skipped..].to_vec(),
                        Rest::Instead(bytes) => bytes,
                    });
                    rest = Rest::FromBuffer(0);
                }
                let outgoing = Outgoing::new(frame, self.output.take(), early);
                let stream = self.stream.get_mut();
                let mut exchange = Connected { stream, link, settings, token, intake, outgoing, failure: None };
                cut = exchange.send(run);
                link.end_request();
                line.bytes = exchange.outgoing.sent_body();
                intake = exchange.intake;
                self.output.give_back(exchange.outgoing.into_buffer());
                response.notes.extend(cut.map(|whose| ("cut", Note::Word(whose))));
            }
        }
        if access::is_on() {
            (line.elapsed, line.notes) = (received_at.elapsed(), &response.notes);
            line.log();
        }
        if let Err(error) = sent {
            return self.lost(&error);
        }
        if cut.is_some() || response.ending != Ending::Whole {
            link.cut(frame);
            return State::Closed;
        }
        if persistence == Persistence::Closed || !intake.is_over() {
            return State::Lingering;
        }
        let rest = if is_taken { Rest::Instead(intake.into_rest()) } else { rest };
        self.input.consume(end_of_head, rest);
        State::Idle
    }
}

impl Shared {
    /// The body, if the handler takes it.
    fn taken_body(&self, link: &Link, head: &Head<'_>, received: &[u8], received_at: Instant) -> Option<Intake> {
        if head.body == Body::None {
            return None;
        }
        let announced = Announced { shared: self, link, token: OnceCell::new() };
        let request = Request { head, caller: &announced, received_at };
        is_taken(&*self.handler, &request).then(|| Intake::body(Remaining::of_any_size(head.body), received))
    }

    fn persistence(&self, head: &Head<'_>, response: &Response, answered: u64, is_last: bool) -> Persistence {
        let is_last = is_last || self.settings.max_requests_per_connection.is_some_and(|most| answered >= most);
        if head.wish == Wish::Close || is_last || response.ending != Ending::Whole || self.lifecycle.is_draining() {
            return Persistence::Closed;
        }
        match head.version {
            Version::Http10 => Persistence::KeptAlive,
            Version::Http11 => Persistence::Kept,
        }
    }
}

impl Link {
    /// Ends the connection so that the client does not take what it has for the whole. Where an answer ends with the
    /// connection, only a reset tells.
    fn cut(&self, frame: Frame) {
        match frame {
            Frame::UntilClose | Frame::Tunnel => {
                let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
            }
            _ => drop(self.stream.shutdown(Shutdown::Both)),
        }
    }
}
