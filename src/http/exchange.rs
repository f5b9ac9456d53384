//! A request of any method and its whole answer, whatever that is made of.
//!
//! The problem: a race ends its attempts, but a single call on the caller's own thread has nobody beside it to watch
//! the clock. The answer: the call gets a token of its own, which the crew's alarm cancels at the deadline and the
//! limit's token when that is canceled. From there everything is as with the hedged GET: whatever the connection is
//! doing, it is shut down.
//!
//! A request other than a GET is never sent twice, and gets a fresh connection: see [`lease`](crate::net::lease).
//!
//! What this does not do: know what an answer means.

use super::upstreams::{TRACEPARENT, Upstreams, X_ATTEMPT};
use super::{answer, failure};
use crate::cancel::CancelToken;
use crate::error::{Error, Phase};
use crate::limit::TimeLimit;
use crate::net::lease::Resend;
use std::ops::RangeInclusive;
use ureq::Agent;
use ureq::http::header::{ACCEPT, CONTENT_TYPE};
use ureq::http::{HeaderValue, Method, Request};

/// What is asked of an upstream.
#[derive(Clone, Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) method: Method,
    /// A body with its media type.
    pub(crate) body: Option<(&'static str, &'a [u8])>,
    /// The media types that are welcome, as the field `accept` has them.
    pub(crate) accept: &'static str,
    /// The statuses of which the body is wanted. Another one is [`Error::Status`].
    pub(crate) statuses: RangeInclusive<u16>,
    /// The largest body taken, in bytes.
    pub(crate) max_body: u64,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Received {
    /// The value of the field `content-type`.
    pub(crate) content_type: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Upstreams {
    /// Calls the upstream whose turn it is, on this thread, and returns its whole answer. Ends within `limit`, whatever
    /// it is doing.
    pub(crate) fn exchange(&self, turn: usize, exchange: &Exchange<'_>, limit: &TimeLimit) -> Result<Received, Error> {
        limit.check(Phase::Wait)?;
        let token = CancelToken::new();
        let _canceled = token.follow(limit.token());
        let _over = self.crew().alarm().cancel_at(limit.deadline(), &token);
        let upstream = self.at_turn(turn);
        let resend = if exchange.method == Method::GET { Resend::IfUnanswered } else { Resend::Never };
        self.lease_agent(upstream, &token, resend, |agent| {
            let mut request = upstream.request.clone();
            let headers = request.headers_mut();
            headers.remove(X_ATTEMPT);
            headers.remove(TRACEPARENT);
            headers.insert(ACCEPT, HeaderValue::from_static(exchange.accept));
            self.tell_time_left(headers, limit.deadline());
            exchange.run(agent, request, &upstream.to)
        })
    }
}

impl Exchange<'_> {
    fn run(&self, agent: &Agent, mut request: Request<()>, to: &str) -> Result<Received, Error> {
        *request.method_mut() = self.method.clone();
        let response = match self.body {
            None => agent.run(request),
            Some((media_type, body)) => {
                request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
                agent.run(request.map(|()| body))
            }
        };
        let response = response.map_err(|error| failure::unpack(error, to))?;
        let status = response.status().as_u16();
        if !self.statuses.contains(&status) {
            answer::drain(response);
            return Err(Error::Status(status));
        }
        let content_type = response.headers().get(CONTENT_TYPE);
        let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Ok(Received { content_type, body: answer::read(response, to, self.max_body)? })
    }
}
