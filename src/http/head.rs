//! The head of a response: what it says, and how its body is delimited (RFC 9112, section 6.3).
//!
//! Pure. Where a response can be read in two ways it is refused: a connection on which the next answer might begin
//! somewhere else than we think is not worth keeping.

/// The most header fields taken.
const MAX_FIELDS: usize = 128;

/// What of a head says how the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Whether it is of HTTP/1.0.
    pub(super) is_old: bool,
    pub(super) body: Length,
    /// Whether the connection may serve another call once the body is read.
    pub(super) keep: bool,
}

/// All of a head, where it was received.
pub(super) struct Whole<'a> {
    /// As it was sent. It means nothing.
    pub(super) reason: &'a [u8],
    pub(super) fields: &'a [httparse::Header<'a>],
    pub(super) content_type: Option<&'a [u8]>,
}

/// What the request says about its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Its head only: the request was a HEAD.
    Head,
    /// All of it.
    Whole,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Known(u64),
    Chunked,
    /// With the connection.
    UntilClose,
}

/// The head at the beginning of `bytes`, what `look` made of it, and how long it is; `None` while it is not complete.
///
/// # Errors
///
/// Why it cannot be taken.
pub(super) fn parse<T>(
    bytes: &[u8],
    asked: Asked,
    look: impl FnOnce(&Whole<'_>) -> T,
) -> Result<Option<(Head, T, usize)>, String> {
    let mut fields = [const { std::mem::MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, bytes, &mut fields)
        .map_err(|error| error.to_string())?;
    let httparse::Status::Complete(length) = parsed else { return Ok(None) };
    let (status, is_old) = (response.code.unwrap_or_default(), response.version == Some(0));
    let mut head = Head { status, is_old, body: Length::UntilClose, keep: false };
    if head.status < 100 {
        return Err("a status below 100".to_owned());
    }
    let (mut declared, mut chunked, mut content_type) = (None, false, None);
    let (mut closes, mut keeps) = (false, response.version == Some(1));
    for field in response.headers.iter() {
        let (name, value) = (field.name, field.value);
        if name.eq_ignore_ascii_case("content-length") {
            let length = decimal(value).ok_or("malformed content-length")?;
            if declared.is_some_and(|other| other != length) {
                return Err("differing content-lengths".to_owned());
            }
            declared = Some(length);
        } else if name.eq_ignore_ascii_case("content-type") {
            content_type = Some(value);
        } else if name.eq_ignore_ascii_case("connection") {
            for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                closes |= option.eq_ignore_ascii_case(b"close");
                keeps |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if chunked || response.version != Some(1) || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err("a transfer-encoding other than the chunked one of HTTP/1.1".to_owned());
            }
            chunked = true;
        }
    }
    head.body = match (head.status, declared, chunked) {
        (100..200 | 204 | 304, ..) => Length::Known(0),
        (_, Some(_), true) => return Err("content-length and transfer-encoding".to_owned()),
        _ if asked == Asked::Head => Length::Known(0),
        (_, None, true) => Length::Chunked,
        (_, Some(length), false) => Length::Known(length),
        (_, None, false) => Length::UntilClose,
    };
    // A server that declares a body for a 204 may well send it.
    let ends_here = match head.status {
        101 => false,
        204 => !chunked && declared.unwrap_or(0) == 0,
        _ => head.body != Length::UntilClose,
    };
    head.keep = keeps && !closes && ends_here;
    let whole = Whole { reason: reason(bytes), fields: response.headers, content_type };
    Ok(Some((head, look(&whole), length)))
}

impl Head {
    /// Whether another head follows this one.
    pub(super) fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }
}

/// What stands behind the status. The parser leaves it out when it is not ASCII.
fn reason(head: &[u8]) -> &[u8] {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let first = lines.find(|line| !line.is_empty()).unwrap_or_default();
    first.get(b"HTTP/1.1 200 ".len()..).unwrap_or_default()
}

fn decimal(value: &[u8]) -> Option<u64> {
    let digits = value.trim_ascii();
    let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    str::from_utf8(digits).ok().filter(|_| all_digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<Head, String> {
        parse(text.as_bytes(), Asked::Whole, |_| ()).map(|parsed| parsed.expect("a whole head").0)
    }

    #[test]
    fn a_body_ends_where_the_head_says() {
        for (fields, body, keep) in [
            ("Content-Length: 5\r\n", Length::Known(5), true),
            ("Content-Length: 5\r\ncontent-length:5\r\n", Length::Known(5), true),
            ("Transfer-Encoding: Chunked\r\n", Length::Chunked, true),
            ("", Length::UntilClose, false),
            ("Content-Length: 5\r\nConnection: x, Close\r\n", Length::Known(5), false),
        ] {
            let head = head(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).unwrap();
            assert_eq!((head.body, head.keep), (body, keep), "{fields}");
        }
        for status in [101, 204, 304] {
            let head = head(&format!("HTTP/1.1 {status} x\r\nContent-Length: 5\r\n\r\n")).unwrap();
            assert_eq!(head.body, Length::Known(0));
        }
    }

    #[test]
    fn a_body_where_none_may_be_costs_the_connection() {
        let kept = |status, fields| head(&format!("HTTP/1.1 {status} x\r\n{fields}\r\n")).unwrap().keep;
        assert!(kept(204, "") && kept(204, "Content-Length: 0\r\n") && kept(304, "Content-Length: 5\r\n"));
        assert!(!kept(204, "Content-Length: 5\r\n") && !kept(204, "Transfer-Encoding: chunked\r\n"));
    }

    #[test]
    fn http_1_0_keeps_a_connection_only_when_it_says_so() {
        let of = |fields: &str| head(&format!("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n{fields}\r\n")).unwrap().keep;
        assert!(!of("") && of("Connection: keep-alive\r\n"));
        for closes in ["close, keep-alive", "keep-alive, close", "close\r\nConnection: keep-alive"] {
            assert!(!of(&format!("Connection: {closes}\r\n")), "{closes}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for fields in [
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: \r\n",
            "Content-Length: 18446744073709551616\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Content Length: 5\r\n",
        ] {
            assert!(head(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).is_err(), "{fields}");
        }
        assert!(head("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        for line in ["HTTP/2 200 OK", "HTTP/1.1 000 x", "HTTP/1.1 099 x", "HTTP/1.1 2000 x"] {
            assert!(parse(format!("{line}\r\n\r\n").as_bytes(), Asked::Whole, |_| ()).is_err(), "{line}");
        }
    }

    #[test]
    fn the_response_to_a_head_request_has_no_body_whatever_it_declares() {
        for fields in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
            let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
            let (head, ..) = parse(text.as_bytes(), Asked::Head, |_| ()).unwrap().unwrap();
            assert_eq!((head.body, head.keep), (Length::Known(0), true), "{fields}");
        }
    }

    #[test]
    fn a_part_of_a_head_is_waited_for() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n";
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end], Asked::Whole, |_| ()), Ok(None));
        }
        let (_, (reason, content_type), length) =
            parse(whole, Asked::Whole, |whole| (whole.reason.to_vec(), whole.content_type.map(<[u8]>::to_vec)))
                .unwrap()
                .unwrap();
        assert_eq!((&*reason, content_type, length), (&b"OK"[..], Some(b"application/json".to_vec()), whole.len()));
    }
}
