use super::*;
use proptest::prelude::*;

const LIMITS: HeadLimits = HeadLimits { head: 16 << 10, target: 8 << 10 };

/// What a head came to: its end and its meaning, or the refusal.
#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    Incomplete,
    Refused(Refusal),
    /// With the length of what follows the head.
    Accepted {
        rest: usize,
        method: String,
        path: String,
        // What comes after the question mark.
        query: Option<String>,
        body: Body,
        wish: Wish,
        expects: bool,
    },
}

fn judge_in_pieces(bytes: &[u8], cuts: &[usize]) -> Verdict {
    let mut scan = HeadScan::default();
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    for end in ends {
        match scan.advance(&bytes[..end], LIMITS) {
            Ok(None) => {}
            Err(refusal) => return Verdict::Refused(refusal),
            Ok(Some(place)) => {
                let mut room = [const { MaybeUninit::uninit() }; 100];
                return match parse(&bytes[place.clone()], &mut room, LIMITS) {
                    Err(refusal) => Verdict::Refused(refusal),
                    Ok(head) => Verdict::Accepted {
                        rest: bytes.len() - place.end,
                        method: head.method.to_owned(),
                        path: head.path.to_owned(),
                        query: head.query.map(str::to_owned),
                        body: head.body,
                        wish: head.wish,
                        expects: head.expects_continue,
                    },
                };
            }
        }
    }
    Verdict::Incomplete
}

fn judge(bytes: impl AsRef<[u8]>) -> Verdict {
    judge_in_pieces(bytes.as_ref(), &[])
}

/// The status with which the head is refused; 0 when it is accepted, 1 when it is incomplete.
fn status(bytes: impl AsRef<[u8]>) -> u16 {
    match judge(bytes) {
        Verdict::Refused(refusal) => refusal.status,
        Verdict::Accepted { .. } => 0,
        Verdict::Incomplete => 1,
    }
}

/// A request with these fields beside its Host.
fn with(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[test]
fn heads_that_are_ambiguous_or_malformed_are_refused() {
    let cases: &[(&str, u16)] = &[
        // the request line
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / \r\nHost: a\r\n\r\n", 400),
        ("GET /\r\nHost: a\r\n\r\n", 400),
        ("GET\r\n\r\n", 400),
        ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1x\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/01.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/a.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/2.a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
        ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        // the target
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%2 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\u{e4} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        // line ends and control characters
        ("GET / HTTP/1.1\nHost: a\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400),
        ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", 400),
        ("\x16\x03\x01", 400),
        // fields
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX\t: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX(: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n\u{e4}: a\r\n\r\n", 400),
        // Host
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: []\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: [:/:]\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n", 400),
    ];
    for (head, refused) in cases {
        assert_eq!(status(head), *refused, "{head:?}");
    }
}

#[test]
fn bodies_whose_end_is_in_doubt_are_refused() {
    let cases: &[(&str, u16)] = &[
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", 400),
        ("Content-Length: 1\r\nContent-Length: 2\r\n", 400),
        ("Content-Length: 1\r\nContent-Length: 1\r\n", 400),
        ("Content-Length: 1, 1\r\n", 400),
        ("Content-Length: +1\r\n", 400),
        ("Content-Length: -1\r\n", 400),
        ("Content-Length: 0x1\r\n", 400),
        ("Content-Length: 1 1\r\n", 400),
        ("Content-Length: 1.0\r\n", 400),
        ("Content-Length:\r\n", 400),
        ("Content-Length: 18446744073709551616\r\n", 400),
        ("Content-Length: 99999999999999999999999999\r\n", 400),
        ("Transfer-Encoding:\r\n", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: gzip\r\n", 501),
        ("Transfer-Encoding: gzip, chunked\r\n", 501),
        ("Transfer-Encoding: chunked, chunked\r\n", 501),
        ("Transfer-Encoding: chunked;a=b\r\n", 501),
        ("Transfer-Encoding: identity\r\n", 501),
        ("Transfer-Encoding: xchunked\r\n", 501),
        ("Transfer-Encoding: \x0bchunked\r\n", 400),
        ("Expect: 200-ok\r\n", 417),
    ];
    for (fields, refused) in cases {
        assert_eq!(status(with(fields)), *refused, "{fields:?}");
    }
    assert_eq!(status("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

#[test]
fn heads_that_are_right_are_understood() {
    let accepted = |path: &str, query: Option<&str>| (path.to_owned(), query.map(str::to_owned));
    let cases: &[(&str, &str, Option<&str>)] = &[
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "/", None),
        ("GET /a?b?c HTTP/1.1\r\nHost: a\r\n\r\n", "/a", Some("b?c")),
        ("GET /? HTTP/1.1\r\nHost: a\r\n\r\n", "/", Some("")),
        ("GET /%2F%41|{} HTTP/1.1\r\nHost: a\r\n\r\n", "/%2F%41|{}", None),
        ("GET http://a HTTP/1.1\r\nHost: b\r\n\r\n", "/", None),
        ("GET HTTP://a:1?b HTTP/1.1\r\nHost: a\r\n\r\n", "/", Some("b")),
        ("GET https://[::1]:8/b HTTP/1.1\r\nHost: a\r\n\r\n", "/b", None),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "*", None),
        ("GET / HTTP/1.0\r\n\r\n", "/", None),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", "/", None),
        ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "/", None),
        ("GET / HTTP/1.1\r\nHOST: a.b-c:65535 \t\r\nX:\r\nY: \u{e4} \"\r\n\r\n", "/", None),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "/", None),
    ];
    for (head, path, query) in cases {
        match judge(head) {
            Verdict::Accepted { path: found, query: asked, rest: 0, body: Body::None, .. } => {
                assert_eq!((found, asked), accepted(path, *query), "{head:?}");
            }
            other => panic!("{head:?}: {other:?}"),
        }
    }
}

#[test]
fn the_body_and_the_connection_are_what_the_fields_say() {
    let meaning = |head: String| match judge(head) {
        Verdict::Accepted { body, wish, expects, .. } => (body, wish, expects),
        other => panic!("{other:?}"),
    };
    let old = |fields: &str| format!("GET / HTTP/1.0\r\n{fields}\r\n");
    assert_eq!(meaning(with("")), (Body::None, Wish::Keep, false));
    assert_eq!(meaning(with("Content-Length: 0\r\n")), (Body::None, Wish::Keep, false));
    assert_eq!(meaning(with("Content-Length: 007\r\n")), (Body::Length(7), Wish::Keep, false));
    assert_eq!(meaning(with("Content-Length: 18446744073709551615\r\n")).0, Body::Length(u64::MAX));
    assert_eq!(meaning(with("transfer-encoding: CHUNKED\r\n")).0, Body::Chunked);
    assert_eq!(meaning(with("Expect: 100-Continue\r\n")), (Body::None, Wish::Keep, true));
    assert_eq!(meaning(with("Connection: close\r\n")).1, Wish::Close);
    assert_eq!(meaning(with("Connection: x,\t Close\r\n")).1, Wish::Close);
    assert_eq!(meaning(with("Connection: keep-alive\r\nConnection: close\r\n")).1, Wish::Close);
    assert_eq!(meaning(old("")).1, Wish::Close);
    assert_eq!(meaning(old("Connection: Keep-Alive\r\n")).1, Wish::Keep);
    assert_eq!(meaning(old("Connection: close, keep-alive\r\n")).1, Wish::Close);
    assert_eq!(meaning(old("Expect: 100-continue\r\n")), (Body::None, Wish::Close, false));
}

#[test]
fn a_head_beyond_its_limits_is_refused_and_one_at_them_is_not() {
    let target = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(length - 1));
    assert_eq!(status(target(LIMITS.target)), 0);
    assert_eq!(status(target(LIMITS.target + 1)), 414);
    assert_eq!(status(target(LIMITS.head * 2)), 414);
    let head = |length: usize| with(&format!("X: {}\r\n", "a".repeat(length - with("X: \r\n").len())));
    assert_eq!(head(LIMITS.head).len(), LIMITS.head);
    assert_eq!(status(head(LIMITS.head)), 0);
    assert_eq!(status(head(LIMITS.head + 1)), 431);
    let fields = |number: usize| with(&"X: a\r\n".repeat(number - 1));
    assert_eq!(status(fields(100)), 0);
    assert_eq!(status(fields(101)), 431);
    assert_eq!(status(&head(LIMITS.head)[..LIMITS.head - 1]), 1);
    assert_eq!(status(&head(LIMITS.head + 2)[..LIMITS.head]), 431, "there is no room for its end");
    assert_eq!(status("\r\n".repeat(LIMITS.head)), 431);
    // What is left for the request line after empty lines is less than a target may have, or one byte more.
    let late = |lines: usize| format!("{}{}", "\r\n".repeat(lines), target(LIMITS.head));
    assert_eq!(status(late((LIMITS.head - LIMITS.target) / 2)), 431);
    assert_eq!(status(late((LIMITS.head - LIMITS.target) / 2 - 1)), 414);
    assert_eq!(status("GET / HTTP/1.1\r\nHost: a\r\n"), 1);
}

#[test]
fn a_refusal_says_what_is_malformed() {
    let why = |head: &str| match judge(head) {
        Verdict::Refused(refusal) => refusal.why,
        other => panic!("{head:?}: {other:?}"),
    };
    assert_eq!(why("GET / HTTP/1.1\r\nX(: a\r\n\r\n"), "malformed field name");
    assert_eq!(why("GET / HTTP/1.1\r\nX: \r\n a\r\n\r\n"), "malformed field name");
    assert_eq!(why("GET / HTTP/1.1x\r\n\r\n"), "malformed request line");
}

#[test]
fn empty_lines_are_not_yet_a_request() {
    let mut scan = HeadScan::default();
    assert!(scan.is_before_request());
    assert_eq!(scan.advance(b"\r\n", LIMITS), Ok(None));
    assert!(scan.is_before_request());
    assert_eq!(scan.advance(b"\r\nG", LIMITS), Ok(None));
    assert!(!scan.is_before_request());
}

/// Bytes that look like a request more often than not.
fn likely_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "GET ",
        "POST ",
        "/",
        "*",
        "/a?b",
        "http://a/",
        " ",
        "HTTP/1.1",
        "HTTP/1.0",
        "HTTP/2.0",
        "\r\n",
        "\r\n\r\n",
        "\r",
        "\n",
        "Host: a",
        "Content-Length: 3",
        "Transfer-Encoding: chunked",
        "Connection: close",
        "Expect: 100-continue",
        ":",
        "\t",
        "\0",
        "%41",
        "#",
        "X: \u{e4}",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "abc",
    ]);
    prop_oneof![
        4 => prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..64),
    ]
}

proptest! {
    #[test]
    fn where_the_bytes_are_cut_changes_nothing(
        bytes in likely_bytes(),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        prop_assert_eq!(judge_in_pieces(&bytes, &cuts), judge(&bytes));
    }

    #[test]
    fn what_follows_a_head_changes_nothing(bytes in likely_bytes(), more in likely_bytes()) {
        match (judge(&bytes), judge([bytes.clone(), more.clone()].concat())) {
            (Verdict::Incomplete, _) => {}
            (Verdict::Accepted { rest, method, path, query, body, wish, expects }, after) => {
                let rest = rest + more.len();
                prop_assert_eq!(Verdict::Accepted { rest, method, path, query, body, wish, expects }, after);
            }
            (refused, after) => prop_assert_eq!(refused, after),
        }
    }
}
