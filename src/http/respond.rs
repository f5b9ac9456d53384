//! One attempt to get a response: an upstream, a connection, a request, a head, and as much of the body as it takes to
//! win.
//!
//! A connection that cannot be made costs the attempt nothing but time: nothing was sent, so it moves on to the next
//! upstream, to each at most once.

use super::body::Body;
use super::course::{Course, tell_failure};
use super::decode::Decoder;
use super::flow::{Flow, Home};
use super::head::Length;
use super::heads::{Heads, Heard};
use super::link::{Failure, Link};
use super::outflow::Outflow;
use super::outgoing::{Framing, Outgoing};
use super::pump::{Times, pump};
use super::request::Sending;
use super::response::Response;
use super::settings::{Commit, Rules};
use super::targets::Target;
use super::upload::Upload;
use super::upstreams::{Upstream, Upstreams};
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
use crate::net::lease::{Resend, Talk, lease};
use crate::policy::Visit;
use crate::race::Attempt;
use crate::ready;
use rustix::event::{PollFd, PollFlags};
use std::cell::Cell;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, SystemTime};

/// What all attempts of one call share.
pub(super) struct Asking {
    pub(super) outgoing: Outgoing,
    pub(super) rules: Rules,
    pub(super) course: Course,
}

/// Why an attempt did not win.
pub(super) enum Miss {
    /// An answer came that is no success. It may still be the best there is.
    Answer(Response),
    Failed(Error),
}

impl From<Error> for Miss {
    fn from(error: Error) -> Miss {
        Miss::Failed(error)
    }
}

impl Upstreams {
    /// An attempt that may win with an acceptable answer only. It waits for as much of the body as the rules say, while
    /// it has rivals.
    pub(super) fn compete(&self, asking: &Asking, attempt: &Attempt) -> Result<Response, Miss> {
        let (mut response, visit) = self.respond(asking, attempt, None)?;
        let is_acceptable = asking.rules.accept(response.status());
        let has_come = match is_acceptable && !(asking.outgoing.wants_events || response.has_events()) {
            true => wait_to_win(response.body_mut(), &asking.rules, attempt),
            false => Ok(()),
        };
        if let Err(error) = has_come.and_then(|()| response.body_mut().release()) {
            tell_failure(visit, attempt, &error);
            return Err(error.into());
        }
        tell_answer(visit, asking, &response, is_acceptable);
        if is_acceptable { Ok(response) } else { Err(Miss::Answer(response)) }
    }

    /// The only attempt there is: whatever the answer is, it counts.
    pub(super) fn ask_once(
        &self,
        asking: &Asking,
        attempt: &Attempt,
        upload: Option<&mut dyn Upload>,
    ) -> Result<Response, Error> {
        let (mut response, visit) = self.respond(asking, attempt, upload)?;
        response.body_mut().release()?;
        let is_acceptable = asking.rules.accept(response.status());
        tell_answer(visit, asking, &response, is_acceptable);
        Ok(response)
    }

    /// The status of the answer of `target`, over a connection made for it.
    pub(super) fn status_of(&self, target: &Target, outgoing: &Outgoing, attempt: &Attempt) -> Result<u16, Error> {
        let (upstream, _) = self.of(target);
        let link = self.connect(upstream, &target.address, attempt.token())?;
        let talked = ask(link, (outgoing, Duration::MAX), (upstream, self.timeout_header()), attempt, &mut None);
        talked.result.map(|(_, _, heard)| heard.head.status)
    }

    /// The response to a request, by the target that the course of the call has for it or, if that cannot be reached,
    /// another one.
    fn respond(
        &self,
        asking: &Asking,
        attempt: &Attempt,
        mut upload: Option<&mut dyn Upload>,
    ) -> Result<(Response, Visit), Error> {
        if attempt.deadline().has_passed() {
            return Err(Error::TimedOut { during: Phase::Wait });
        }
        let resend = match asking.outgoing.sending {
            Sending::Hedged => Resend::IfUnanswered,
            Sending::Once => Resend::Never,
        };
        let mut tried = Vec::new();
        loop {
            let (at, visit) = asking.course.next(attempt, &tried);
            let target = asking.course.target(at);
            let (upstream, links) = self.of(target);
            let is_unconnected = Cell::new(false);
            let connect = || {
                let connected = self.connect(upstream, &target.address, attempt.token());
                connected.inspect_err(|_| is_unconnected.set(true))
            };
            let heard = lease((links, target.shelf), (attempt.token(), &upstream.to), resend, connect, |link| {
                let how = (&asking.outgoing, asking.rules.body_idle_timeout);
                ask(link, how, (upstream, self.timeout_header()), attempt, &mut upload)
            });
            match heard {
                Ok((link, outflow, heard)) => {
                    let home = Home {
                        pool: links.clone(),
                        origin: target.shelf,
                        to: upstream.to.clone(),
                        keep: heard.head.keep,
                    };
                    let response = respond_with((link, outflow, heard), home, attempt, asking.rules.body_idle_timeout);
                    return response.map(|response| (response, visit));
                }
                Err(error) => {
                    tell_failure(visit, attempt, &error);
                    tried.push(at);
                    let is_last = tried.len() == asking.course.count() || attempt.token().is_canceled();
                    if is_last || !is_unconnected.get() {
                        return Err(error);
                    }
                    log::debug!("race {} attempt {}: {error}: on to another", attempt.race(), attempt.number());
                }
            }
        }
    }
}

/// What an answer says of its place, and whether that asks to be left alone (RFC 9110, section 10.2.3).
fn tell_answer(visit: Visit, asking: &Asking, response: &Response, is_acceptable: bool) {
    let status = response.status();
    if matches!(status, 429 | 503)
        && let Some(length) = response.fields().get("retry-after").and_then(retry_after)
    {
        asking.course.plan().push_back(visit.place(), length);
    }
    match status {
        _ if is_acceptable => visit.succeeded(),
        500.. => visit.failed(&format_args!("status {status}")),
        // It works, and has too much to do: that is no failure, and no reason to send it more.
        429 => drop(visit),
        _ => visit.succeeded(),
    }
}

/// How long a server asks to wait: in seconds, or until a date.
fn retry_after(value: &[u8]) -> Option<Duration> {
    let value = str::from_utf8(value).ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::now()).ok(),
    }
}

type Asked = (Box<Link>, Option<Box<Outflow>>, Heard);

/// Sends the request of `attempt` on `link` and waits for the head.
fn ask(
    mut link: Box<Link>,
    (outgoing, idle): (&Outgoing, Duration),
    (upstream, timeout_header): (&Upstream, &str),
    attempt: &Attempt,
    upload: &mut Option<&mut dyn Upload>,
) -> Talk<Box<Link>, Asked> {
    let mut head = link.take_output();
    outgoing.write_head(&mut head, &upstream.to, attempt, timeout_header);
    let heard = match (upload, &outgoing.body) {
        (None, None) => ask_without_body(&mut link, outgoing, head).map(|heard| (heard, None)),
        (Some(upload), _) => ask_with_body(&mut link, outgoing, head, *upload, idle),
        (None, Some(body)) => ask_with_body(&mut link, outgoing, head, &mut Bytes(body), idle),
    };
    let reached = link.reached;
    // What failed after the call was ended did so because of that.
    let result = match heard {
        Ok((heard, outflow)) => Ok((link, outflow, heard)),
        Err(failure) => Err(link.ended().unwrap_or_else(|| failure.into_error(&upstream.to))),
    };
    Talk { result, reached, keep: None }
}

fn ask_without_body(link: &mut Link, outgoing: &Outgoing, head: Vec<u8>) -> Result<Heard, Failure> {
    link.send(&head)?;
    link.return_output(head);
    Heads::new(outgoing).wait(link, &mut None)
}

fn ask_with_body(
    link: &mut Link,
    outgoing: &Outgoing,
    head: Vec<u8>,
    upload: &mut dyn Upload,
    idle: Duration,
) -> Result<(Heard, Option<Box<Outflow>>), Failure> {
    let mut outflow = Outflow::new(head, outgoing.framing());
    let mut heads = Heads::new(outgoing);
    let times = Times { expects: outgoing.expects, idle, respond: outgoing.response_timeout };
    let mut heard = pump(link, &mut outflow, upload, &mut heads, &times)?;
    if !outflow.is_sent(link.stream()) {
        return Ok((heard, Some(Box::new(outflow))));
    }
    heard.head.keep &= !outflow.was_abandoned();
    link.return_output(outflow.into_buffer());
    Ok((heard, None))
}

/// The response with this head.
fn respond_with(
    (mut link, outflow, heard): Asked,
    home: Home,
    attempt: &Attempt,
    idle_timeout: Duration,
) -> Result<Response, Error> {
    link.phase = Phase::Body;
    let length = heard.head.body;
    let declared = if let Length::Known(length) = length { Some(length) } else { None };
    let flow = Flow::new(link, Decoder::new(length), outflow, home, heard.head.status == 101);
    Ok(Response::new(heard, attempt.number(), Body::new(flow, declared, idle_timeout)?))
}

/// Waits until so much of a body has come that its response may win, or the attempt has no rival any more.
fn wait_to_win(body: &mut Body, rules: &Rules, attempt: &Attempt) -> Result<(), Error> {
    let mut bell = None;
    loop {
        let is_enough = match rules.commit {
            Commit::Head => true,
            Commit::FirstByte => body.has_all() || !body.buffered().is_empty(),
            Commit::Full => body.gather()? >= rules.hedge_max_body || body.has_all(),
        };
        if is_enough || !attempt.has_rival() {
            return Ok(());
        }
        if body.receive()? {
            continue;
        }
        // Rings when the last rival is over. Without it, which takes two files, the body alone is waited for.
        let bell = bell.get_or_insert_with(|| {
            let (near, far) = UnixStream::pair().ok()?;
            attempt.without_rival(far);
            Some(near)
        });
        let socket = PollFd::from_borrowed_fd(body.socket(), PollFlags::IN);
        match bell {
            Some(bell) => ready::wait(&mut [socket, PollFd::new(bell, PollFlags::IN)], Deadline::Never)?,
            None => ready::wait(&mut [socket], Deadline::Never)?,
        };
    }
}

/// A body that is there as a whole.
struct Bytes<'a>(&'a [u8]);

impl Upload for Bytes<'_> {
    fn length(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }

    fn peek_now(&mut self) -> io::Result<Option<&[u8]>> {
        Ok(Some(self.0))
    }

    fn consume(&mut self, bytes: usize) {
        self.0 = &self.0[bytes..];
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// How a body of `upload` is delimited.
pub(super) fn framing_of(upload: &dyn Upload) -> Framing {
    upload.length().map_or(Framing::Chunked, Framing::Known)
}
