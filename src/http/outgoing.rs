//! A request of any method as the bytes that go out.
//!
//! What is the same for each attempt is written once, in one piece of memory; an attempt adds its own fields in the
//! buffer of its connection.

use super::fields::{Fields, is_token};
use super::head::Asked;
use super::per_attempt::{add_field, end_head};
use super::request::{Request, Sending};
use super::trace::TraceContext;
use crate::error::Error;
use crate::race::Attempt;
use std::sync::Arc;
use std::time::Duration;

/// How a request's body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    Absent,
    Known(u64),
    Chunked,
}

/// A request, checked and ready to be sent by any attempt.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The request line and the fields that are the same for all attempts.
    head: Vec<u8>,
    /// Where a `Host` belongs, if the request has none.
    host_at: Option<usize>,
    framing: Framing,
    pub(super) body: Option<Arc<[u8]>>,
    trace: TraceContext,
    pub(super) sending: Sending,
    pub(super) asked: Asked,
    /// Whether 101 may be the answer.
    pub(super) may_switch: bool,
    /// Whether the body waits for 100 (RFC 9110, section 10.1.1).
    pub(super) expects: bool,
    /// How long the head may take once a body that is sent as it comes was sent.
    pub(super) response_timeout: Option<Duration>,
    /// Whether an event stream is welcome.
    pub(super) wants_events: bool,
    /// Whether the request is a hedge already, of who sent it here.
    pub(super) is_chained: bool,
}

impl Outgoing {
    /// What `request` says, with a body delimited as `framing` says in place of its own, if any. The client has its
    /// `timeout_header` for itself.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the part that cannot be sent.
    pub(super) fn new(request: &Request, framing: Option<Framing>, timeout_header: &str) -> Result<Outgoing, Error> {
        request.check()?;
        let (method, fields) = (request.method(), request.fields());
        let body = request.bytes().cloned().filter(|_| framing.is_none());
        let own = body.as_ref().map_or(Framing::Absent, |body| Framing::Known(body.len() as u64));
        let mut outgoing = Outgoing {
            head: Vec::with_capacity(method.len() + request.target().len() + fields.as_bytes().len() + 80),
            host_at: None,
            framing: framing.unwrap_or(own),
            body,
            trace: request.trace_context(),
            sending: request.how_often(),
            asked: if method == "HEAD" { Asked::Head } else { Asked::Whole },
            may_switch: false,
            expects: false,
            response_timeout: request.timeout(),
            wants_events: false,
            is_chained: false,
        };
        for part in [method, " ", request.target(), " HTTP/1.1\r\n"] {
            outgoing.head.extend_from_slice(part.as_bytes());
        }
        outgoing.host_at = Some(outgoing.head.len());
        outgoing.add_fields(fields, timeout_header);
        Ok(outgoing)
    }

    /// The fields but those that the client says itself, and what they mean to it. In one pass, as each call makes it.
    fn add_fields(&mut self, fields: &Fields, timeout_header: &str) {
        for (name, line) in fields.lines() {
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            let value = || &line[name.len() + 2..line.len() - 2];
            match name.len() {
                4 if is("host") => self.host_at = None,
                6 if is("accept") => self.wants_events |= is_for_events(value()),
                6 if is("expect") => self.expects |= lists(value(), b"100-continue"),
                7 if is("upgrade") => self.may_switch = true,
                9 if is("x-attempt") => {
                    self.is_chained |= !matches!(value().trim_ascii(), b"" | b"0");
                    continue;
                }
                11 if is("traceparent") => continue,
                14 if is("content-length") => continue,
                17 if is("transfer-encoding") => continue,
                _ if is(timeout_header) => continue,
                _ => {}
            }
            self.head.extend_from_slice(line);
        }
        match self.framing {
            Framing::Absent => {}
            Framing::Known(length) => {
                add_field(&mut self.head, "content-length", itoa::Buffer::new().format(length).as_bytes());
            }
            Framing::Chunked => add_field(&mut self.head, "transfer-encoding", b"chunked"),
        }
    }

    /// How its body is delimited.
    pub(super) fn framing(&self) -> Framing {
        self.framing
    }

    /// Writes the head of `attempt`, to `host`, to `out`.
    pub(super) fn write_head(&self, out: &mut Vec<u8>, host: &str, attempt: &Attempt, timeout_header: &str) {
        match self.host_at {
            Some(at) => {
                out.extend_from_slice(&self.head[..at]);
                add_field(out, "host", host.as_bytes());
                out.extend_from_slice(&self.head[at..]);
            }
            None => out.extend_from_slice(&self.head),
        }
        let left = attempt.deadline().remaining().or(self.response_timeout);
        end_head(out, attempt, &self.trace, (timeout_header, left));
    }
}

/// Whether `member` is in a comma-separated list, in whatever case.
fn lists(list: &[u8], member: &[u8]) -> bool {
    list.split(|byte| *byte == b',').any(|other| other.trim_ascii().eq_ignore_ascii_case(member))
}

/// Whether a value of `Accept` or `Content-Type` names an event stream.
pub(super) fn is_for_events(value: &[u8]) -> bool {
    let mut types = value.split(|byte| *byte == b',').map(|one| one.split(|byte| *byte == b';').next());
    types.any(|essence| essence.is_some_and(|it| it.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")))
}

impl Request {
    /// Whether it can be sent.
    fn check(&self) -> Result<(), Error> {
        if let Some((name, value)) = self.wrong_field() {
            return Err(Error::setting(
                "header field",
                &format!("{name}: {value}"),
                "a name that is a token and a value in one line",
            ));
        }
        if !is_token(self.method().as_bytes()) || self.method() == "CONNECT" {
            return Err(Error::setting("method", self.method(), "a token other than CONNECT"));
        }
        let target = self.target();
        let is_form = target.starts_with('/') || (target == "*" && self.method() == "OPTIONS");
        if !is_form || !target.bytes().all(|byte| byte.is_ascii_graphic() || byte >= 0x80) {
            return Err(Error::setting("target", target, "a path with a query, or * for OPTIONS"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::CancelToken;
    use crate::deadline::Deadline;

    fn sent(request: &Request) -> String {
        let outgoing = Outgoing::new(request, None, "x-left").unwrap();
        let mut out = Vec::new();
        outgoing.write_head(&mut out, "host:1", &Attempt::alone(Deadline::Never, &CancelToken::new()), "x-left");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_request_says_what_it_was_given_and_what_the_client_knows() {
        let head = sent(&Request::get("/a%2f//b?c").field("X-A", "1").field("x-a", "2"));
        let (given, own) = head.split_once("x-attempt").unwrap();
        assert_eq!(given, "GET /a%2f//b?c HTTP/1.1\r\nhost: host:1\r\nX-A: 1\r\nx-a: 2\r\n");
        assert!(own.starts_with(": 0\r\ntraceparent: 00-") && own.ends_with("\r\n\r\n"), "{own}");
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let request =
            Request::new("POST", "/").field("Host", "other").field("Content-Length", "9").field("X-Left", "7");
        let head = sent(&request.field("Traceparent", trace).field("X-Attempt", "5").body(*b"ab"));
        let (given, own) = head.split_once("x-attempt").unwrap();
        assert_eq!(given, "POST / HTTP/1.1\r\nHost: other\r\ncontent-length: 2\r\n");
        assert!(own.contains(&trace[..36]) && !own.contains(trace), "{own}");
    }

    #[test]
    fn a_list_is_asked_for_a_member_in_any_case() {
        assert!(lists(b"x, 100-Continue", b"100-continue") && !lists(b"100-continued", b"100-continue"));
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_name() {
        for (request, part) in [
            (Request::new("", "/"), "method"),
            (Request::new("A B", "/"), "method"),
            (Request::new("CONNECT", "a:1"), "method"),
            (Request::get(""), "target"),
            (Request::get("a"), "target"),
            (Request::get("*"), "target"),
            (Request::get("/a b"), "target"),
            (Request::get("/a\r\nx: y"), "target"),
            (Request::get("/").field("a b", "c"), "header field"),
        ] {
            let result = Outgoing::new(&request, None, "x-left");
            assert!(matches!(&result, Err(Error::Setting { key, .. }) if key == part), "{request:?}: {result:?}");
        }
        assert!(Outgoing::new(&Request::new("OPTIONS", "*"), None, "x-left").is_ok());
    }

    #[test]
    fn what_is_expected_is_found_in_each_list_of_it() {
        let expects = |values: &[&str]| {
            let request =
                values.iter().fold(Request::new("POST", "/"), |request, value| request.field("Expect", value));
            Outgoing::new(&request, None, "x").unwrap().expects
        };
        assert!(expects(&["100-Continue"]) && expects(&["x, 100-continue"]) && expects(&["x", "100-continue ,y"]));
        assert!(!expects(&[]) && !expects(&["100-continu"]) && !expects(&["x100-continue"]));
    }

    #[test]
    fn reads_may_be_hedged_and_nothing_else() {
        let sending = |request: Request| Outgoing::new(&request, None, "x").unwrap().sending;
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert_eq!(sending(Request::new(method, "/")), Sending::Hedged);
            assert_eq!(sending(Request::new(method, "/").body(*b"")), Sending::Once);
            assert_eq!(sending(Request::new(method, "/").field("Upgrade", "x")), Sending::Once);
        }
        for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "get", "X"] {
            assert_eq!(sending(Request::new(method, "/")), Sending::Once);
        }
        assert_eq!(sending(Request::new("PUT", "/").body(*b"").sending(Sending::Hedged)), Sending::Hedged);
    }
}
