//! The answer to a request: a value, or the promise of one.

use super::conversation::Conversation;
use super::framing::Refusal;
use super::status::phrase;
use std::borrow::Cow;
use std::fmt;
use std::io;

/// What sends the body of a streamed response, or serves a tunnel: on the connection's thread, until it returns.
pub type Run = Box<dyn FnOnce(&mut Conversation<'_>) -> io::Result<()> + Send>;

/// The answer to a request.
pub struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) content: Content,
    pub(super) notes: Vec<(&'static str, Note)>,
    pub(super) ending: Ending,
}

/// What a response holds beside its status, its notes and what a handler has added.
pub(super) enum Content {
    /// A body of this type that is here.
    Own(&'static str, Cow<'static, [u8]>),
    /// A body of this type that is sent as it comes.
    Streamed { content_type: &'static str, length: Option<u64>, run: Option<Run> },
    /// All as somebody else made it: the reason phrase, header fields as lines, and the body.
    Passed { reason: Vec<u8>, fields: Vec<u8>, body: Passed },
}

/// The body of a response [passed on](Response::passed).
pub enum Passed {
    /// There is none, as in the answer to `HEAD`, of 204 and of 304: the fields go out as they are, a `Content-Length`
    /// among them included. Anywhere else it is an empty one.
    None,
    /// It is here.
    Bytes(Vec<u8>),
    /// It is sent as it comes.
    Stream {
        /// Its bytes, where that is known.
        length: Option<u64>,
        /// Sends it, as the function given to [`Response::streaming`] does.
        run: Run,
    },
    /// After a status of 101: from here on the connection carries something else than HTTP, in both directions, until
    /// the function returns.
    Tunnel(Run),
}

/// What the access line says about a request beyond what the server itself knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// A number.
    Number(u64),
    /// A word.
    Word(&'static str),
}

/// How a response ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    #[default]
    Whole,
    /// With the connection cut after so many bytes of the body: for servers that test their clients.
    CutAfter(usize),
}

/// The field names that belong to the server: they say how the response is framed.
const FRAMING_FIELDS: [&str; 5] = ["connection", "content-length", "content-type", "date", "transfer-encoding"];

impl Response {
    /// A response with a body. The server adds `Date`, `Content-Length` and, where needed, `Connection`.
    ///
    /// # Panics
    ///
    /// When the status is not a final one (200 to 599), or the content type holds anything but visible ASCII and space.
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Cow<'static, [u8]>>) -> Response {
        check_own(status, content_type);
        Response::of(status, Content::Own(content_type, body.into()))
    }

    /// A response whose body is sent as it comes, by `send`, on the connection's thread and after the handler has
    /// returned. With a `length` it has exactly so many bytes. Without one it is sent in chunks, and to a client of
    /// HTTP/1.0 until the connection's end. `HEAD` is answered without calling `send`.
    ///
    /// When `send` fails or panics, or ends before `length`, the connection is cut, so that the client does not take
    /// what it has for the whole.
    ///
    /// ```
    /// use headstart::{Crew, CrewSettings, Deadline};
    /// use headstart_server::{Request, Response, Server, ServerSettings};
    /// use std::io::{Read, Write};
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// let crew = Crew::new(CrewSettings::default())?;
    /// let handler = |_: &Request<'_>| {
    ///     Response::streaming(200, "text/event-stream", None, |conversation| {
    ///         for number in 0..3 {
    ///             // Each event leaves at once. A client that has left is an error, which ends the stream.
    ///             conversation.write_all(format!("data: {number}\n\n").as_bytes())?;
    ///             if conversation.token().wait(Deadline::after(Duration::from_millis(10))).is_some() {
    ///                 break; // the server stops
    ///             }
    ///         }
    ///         Ok(())
    ///     })
    /// };
    /// let server = Server::start(&crew, ServerSettings::new("127.0.0.1:0"), Arc::new(handler))?;
    /// let mut client = std::net::TcpStream::connect(server.local_addr())?;
    /// client.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    /// let mut answer = String::new();
    /// client.read_to_string(&mut answer)?;
    /// assert!(answer.ends_with("data: 0\n\ndata: 1\n\ndata: 2\n\n"));
    /// # server.shutdown(Duration::from_secs(5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// As [`Response::new`].
    pub fn streaming(
        status: u16,
        content_type: &'static str,
        length: Option<u64>,
        send: impl FnOnce(&mut Conversation<'_>) -> io::Result<()> + Send + 'static,
    ) -> Response {
        check_own(status, content_type);
        Response::of(status, Content::Streamed { content_type, length, run: Some(Box::new(send)) })
    }

    /// A response as somebody else made it: nothing is added but what frames the body (`Content-Length`,
    /// `Transfer-Encoding`) and `Connection`. `fields` are lines `Name: value\r\n`. The caller vouches that they are
    /// well-formed and that none is of those two kinds or hop-by-hop, but for `Upgrade` before a
    /// [tunnel](Passed::Tunnel).
    ///
    /// # Panics
    ///
    /// When the status is not a final one (200 to 999), or not 101 before a tunnel; when the reason holds a line break,
    /// or the last line of the fields has none.
    pub fn passed(status: u16, reason: Vec<u8>, fields: Vec<u8>, body: Passed) -> Response {
        match body {
            Passed::Tunnel(_) => assert_eq!(status, 101, "a tunnel's status"),
            _ => assert!((200..1_000).contains(&status), "status {status}"),
        }
        assert!(!reason.iter().any(|byte| matches!(byte, b'\r' | b'\n')), "reason {:?}", reason.escape_ascii());
        assert!(fields.is_empty() || fields.ends_with(b"\r\n"), "fields {:?}", fields.escape_ascii());
        Response::of(status, Content::Passed { reason, fields, body })
    }

    fn of(status: u16, content: Content) -> Response {
        Response { status, headers: Vec::new(), content, notes: Vec::new(), ending: Ending::Whole }
    }

    /// An error in the shape of RFC 9457: `application/problem+json` with `type`, `title`, `status` and `detail`.
    ///
    /// # Panics
    ///
    /// When the status is not a final one (200 to 599).
    pub fn problem(status: u16, detail: &str) -> Response {
        let (title, detail) = (serde_json::Value::from(phrase(status)), serde_json::Value::from(detail));
        let body = format!(r#"{{"type":"about:blank","title":{title},"status":{status},"detail":{detail}}}"#);
        Response::new(status, "application/problem+json", body.into_bytes())
    }

    /// A refusal that is over soon.
    pub(crate) fn overloaded(why: &str) -> Response {
        Response::problem(503, &format!("the request is refused: {why}")).with_header("Retry-After", "1")
    }

    /// What nobody reads: the status is for the access line and the figures, as nginx has it.
    pub(crate) fn client_gone() -> Response {
        Response::problem(499, "the client is gone")
    }

    /// The answer to a request that gets no further.
    pub(super) fn refusal(Refusal { status, why }: Refusal) -> Response {
        let response = Response::problem(status, why);
        match status {
            // What `CONNECT` asks for is no resource of ours, so it allows no method (RFC 9110, section 10.2.1).
            405 => response.with_header("Allow", ""),
            _ => response,
        }
    }

    /// Takes out what sends the body, if it is not here.
    pub(super) fn take_run(&mut self) -> Option<Run> {
        match &mut self.content {
            Content::Own(..) => None,
            Content::Streamed { run, .. } => run.take(),
            Content::Passed { body, .. } => match std::mem::replace(body, Passed::None) {
                Passed::Stream { run, .. } | Passed::Tunnel(run) => Some(run),
                here => {
                    *body = here;
                    None
                }
            },
        }
    }

    pub(super) fn is_tunnel(&self) -> bool {
        matches!(self.content, Content::Passed { body: Passed::Tunnel(_), .. })
    }

    /// Adds a header field.
    ///
    /// # Panics
    ///
    /// When the name is not a token or one of those the server writes itself (`Connection`, `Content-Length`,
    /// `Content-Type`, `Date`, `Transfer-Encoding`), or the value holds anything but visible ASCII, space and tab: no
    /// answer may carry a line break into the head.
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Response {
        let value = value.into();
        let is_token =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        assert!(is_token && !FRAMING_FIELDS.iter().any(|own| own.eq_ignore_ascii_case(name)), "field name {name:?}");
        assert!(value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')), "field value {value:?}");
        self.headers.push((name, value));
        self
    }

    /// Adds to what the access line says.
    pub fn with_note(mut self, key: &'static str, note: Note) -> Response {
        self.notes.push((key, note));
        self
    }

    /// Ends it in another way than whole.
    pub fn with_ending(mut self, ending: Ending) -> Response {
        self.ending = ending;
        self
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body, as far as it is here: none of a streamed one.
    pub fn body(&self) -> &[u8] {
        match &self.content {
            Content::Own(_, body) => body,
            Content::Passed { body: Passed::Bytes(body), .. } => body,
            _ => &[],
        }
    }
}

fn check_own(status: u16, content_type: &str) {
    assert!((200..600).contains(&status), "status {status}");
    assert!(content_type.bytes().all(|byte| matches!(byte, b' '..=b'~')), "content type {content_type:?}");
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).field("content", &self.content).finish_non_exhaustive()
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Own(content_type, body) => f.debug_tuple("Own").field(content_type).field(&body.len()).finish(),
            Content::Streamed { content_type, length, .. } => {
                f.debug_tuple("Streamed").field(content_type).field(length).finish()
            }
            Content::Passed { body, .. } => body.fmt(f),
        }
    }
}

impl fmt::Debug for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Passed::None => f.write_str("None"),
            Passed::Bytes(body) => f.debug_tuple("Bytes").field(&body.len()).finish(),
            Passed::Stream { length, .. } => f.debug_tuple("Stream").field(length).finish(),
            Passed::Tunnel(_) => f.write_str("Tunnel"),
        }
    }
}
