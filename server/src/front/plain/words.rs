//! Requests and responses as tiny_http has them, and as we have them.

use crate::front::framing::Version;
use crate::front::outgoing::Frame;
use crate::front::response::{Content, Passed, Response};
use std::borrow::Cow;
use std::io::Cursor;
use tiny_http::{HTTPVersion, Header, StatusCode};

/// A head as tiny_http passes it on, apart from the request, whose body may be read meanwhile.
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) version: Version,
    fields: Vec<Header>,
}

impl Asked {
    pub(super) fn of(request: &tiny_http::Request) -> Asked {
        Asked {
            method: request.method().as_str().to_owned(),
            target: request.url().to_owned(),
            version: if *request.http_version() < HTTPVersion(1, 1) { Version::Http10 } else { Version::Http11 },
            fields: request.headers().to_vec(),
        }
    }

    pub(super) fn fields(&self) -> Vec<httparse::Header<'_>> {
        self.fields
            .iter()
            .map(|field| httparse::Header { name: field.field.as_str().as_str(), value: field.value.as_bytes() })
            .collect()
    }
}

/// Our answer as tiny_http's. It has the length beforehand, so it is not sent in chunks.
pub(super) fn in_their_words(response: Response, frame: Frame) -> tiny_http::Response<Cursor<Cow<'static, [u8]>>> {
    let own = |name: &str, value: &str| Header::from_bytes(name, value).expect("a response holds ASCII alone");
    let (mut fields, body) = match response.content {
        Content::Own(content_type, body) => (vec![own("Content-Type", content_type)], body),
        Content::Streamed { content_type, .. } => (vec![own("Content-Type", content_type)], Cow::default()),
        Content::Passed { fields, body, .. } => {
            let body = if let Passed::Bytes(body) = body { body.into() } else { Cow::default() };
            (fields.split(|byte| *byte == b'\n').filter_map(in_their_field).collect(), body)
        }
    };
    fields.extend(response.headers.iter().map(|(name, value)| own(name, value)));
    let length = if let Frame::Length(length) = frame { Some(length as usize) } else { None };
    tiny_http::Response::new(StatusCode(response.status), fields, Cursor::new(body), length, None)
        .with_chunked_threshold(usize::MAX)
}

/// A line `Name: value`. They take no byte beyond ASCII.
fn in_their_field(line: &[u8]) -> Option<Header> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    Header::from_bytes(&line[..colon], line[colon + 1..].trim_ascii()).ok()
}
