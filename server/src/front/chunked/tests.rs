use super::*;
use proptest::prelude::*;

const LIMIT: u64 = 1_000;

/// How many bytes belong to the body; `Ok(None)` when it has not ended.
fn end_of(bytes: &[u8], cuts: &[usize]) -> Result<Option<usize>, u16> {
    let mut chunked = Chunked::new();
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut taken = 0;
    for end in ends {
        if taken < end {
            taken += chunked.feed(&bytes[taken..end], LIMIT).map_err(|refusal| refusal.status)?;
        }
        if chunked.is_done() {
            return Ok(Some(taken));
        }
    }
    Ok(None)
}

#[test]
fn a_body_ends_where_the_grammar_says() {
    let cases = [
        "0\r\n\r\n",
        "000\r\n\r\n",
        "3\r\nabc\r\n0\r\n\r\n",
        "A\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n",
        "3;a\r\nabc\r\n0;b=c\r\n\r\n",
        "3 ; a = \"b;\\\" c\" ;d\r\nabc\r\n0\r\n\r\n",
        "3;a=b ;c\t;d\r\nabc\r\n0\r\n\r\n",
        "0\r\nX: y\r\nZ:\r\n\r\n",
    ];
    for body in cases {
        let bytes = [body.as_bytes(), b"GET /"].concat();
        assert_eq!(end_of(&bytes, &[]), Ok(Some(body.len())), "{body:?}");
        assert_eq!(end_of(&bytes[..body.len() - 1], &[]), Ok(None), "{body:?}");
    }
}

#[test]
fn a_body_outside_the_grammar_is_refused() {
    let cases = [
        "\r\n",
        " 3\r\n",
        "+3\r\n",
        "-3\r\n",
        "0x3\r\n",
        "g\r\n",
        "3\nabc",
        "3\r\nabc\n0",
        "3\r\nabcd\r\n",
        "3\rabc",
        "3 \r\n",
        "3;\r\n",
        "3;a=\r\n",
        "3;a b\r\n",
        "3;a=\"b\r\n",
        "3;=b\r\n",
        "11111111111111111\r\n",
        "0\r\n X: y\r\n",
        "0\r\nX : y\r\n",
        "0\r\nX\r\n",
        "0\r\n: y\r\n",
        "0\r\nX: y\n",
        "0\r\n\n",
        "0\r\nX: \0\r\n",
    ];
    for body in cases {
        assert_eq!(end_of(body.as_bytes(), &[]), Err(400), "{body:?}");
    }
}

#[test]
fn a_body_beyond_its_limits_is_refused() {
    assert_eq!(end_of(b"3e8\r\n", &[]), Ok(None));
    assert_eq!(end_of(b"3e9\r\n", &[]), Err(413));
    assert_eq!(end_of(b"ffffffffffffffff\r\n", &[]), Err(413));
    let two = format!("3e8\r\n{}\r\n1\r\n", "a".repeat(1_000));
    assert_eq!(end_of(two.as_bytes(), &[]), Err(413));
    assert_eq!(end_of(&[b'0'; 2_000], &[]), Err(400));
    let extension = format!("1;{}", "a".repeat(2_000));
    assert_eq!(end_of(extension.as_bytes(), &[]), Err(400));
    let trailers = format!("0\r\n{}", "X: abc\r\n".repeat(2_000));
    assert_eq!(end_of(trailers.as_bytes(), &[]), Err(431));
}

#[test]
fn lines_and_trailers_may_be_as_long_as_their_limits() {
    let size_line = |length: usize| format!("0;{}\r\n\r\n", "a".repeat(length - "0;\r\n".len()));
    assert_eq!(end_of(size_line(MAX_LINE).as_bytes(), &[]), Ok(Some(MAX_LINE + 2)));
    assert_eq!(end_of(size_line(MAX_LINE + 1).as_bytes(), &[]), Err(400));
    let second = format!("1\r\na\r\n{}", size_line(MAX_LINE + 1));
    assert_eq!(end_of(second.as_bytes(), &[]), Err(400), "the limit holds for each line");
    // The section counts without its carriage returns.
    let trailers = |length: usize| format!("0\r\nX:{}\r\n\r\n", "a".repeat(length - "X:\n\n".len()));
    let longest = trailers(MAX_TRAILERS);
    assert_eq!(end_of(longest.as_bytes(), &[]), Ok(Some(longest.len())));
    assert_eq!(end_of(trailers(MAX_TRAILERS + 1).as_bytes(), &[]), Err(431));
}

#[test]
fn no_more_is_taken_than_was_given() {
    let mut chunked = Chunked::new();
    assert_eq!(chunked.feed(b"5\r\nab", LIMIT), Ok(5));
    assert_eq!(chunked.feed(b"cde\r\n0\r\n\r\nGET /", LIMIT), Ok(10));
    assert!(chunked.is_done());
    assert_eq!(chunked.feed(b"GET /", LIMIT), Ok(0));
}

/// The data of a body, and where it ends, taken as somebody does who wants the data; the verdict of its framing.
fn data_of(bytes: &[u8], cuts: &[usize]) -> Result<(Vec<u8>, Option<usize>), u16> {
    let mut chunked = Chunked::new();
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let (mut data, mut taken) = (Vec::new(), 0);
    for end in ends {
        while taken < end && !chunked.is_done() {
            taken += chunked.take_framing(&bytes[taken..end], LIMIT).map_err(|refusal| refusal.status)?;
            let here = chunked.data().min((end - taken) as u64) as usize;
            data.extend_from_slice(&bytes[taken..taken + here]);
            chunked.take_data(here as u64);
            taken += here;
        }
    }
    Ok((data, chunked.is_done().then_some(taken)))
}

#[test]
fn the_data_is_told_from_its_framing() {
    let body = b"3;a=b\r\nabc\r\nA\r\n0\r\n\r\n56789\r\n0\r\nX: y\r\n\r\nGET /";
    for cuts in [&[][..], &[1], &[9, 11], &[16, 17, 18]] {
        assert_eq!(data_of(body, cuts), Ok((b"abc0\r\n\r\n56789".to_vec(), Some(body.len() - 5))));
    }
}

#[test]
fn a_refusal_says_what_is_malformed() {
    let why = |bytes: &[u8]| Chunked::new().feed(bytes, LIMIT).unwrap_err().why;
    assert_eq!(why(b"3x"), "malformed chunk");
    for trailer in [" X", "X ", "X:\0", "X:\r\r", "\rX"] {
        assert_eq!(why(format!("0\r\n{trailer}").as_bytes()), "malformed trailer field", "{trailer:?}");
    }
}

/// What a chunked body is put together from.
const PIECES: [&str; 12] =
    ["0", "3", "a", "\r\n", "abc\r\n", "3\r\nabc\r\n", ";a=b", "\"", " ", "0\r\n\r\n", "X: y\r\n", "\n"];

proptest! {
    #[test]
    fn where_the_bytes_are_cut_changes_nothing(
        pieces in prop::collection::vec(
            prop::sample::select(PIECES.as_slice()),
            0..12,
        ),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let bytes = pieces.concat().into_bytes();
        let end = end_of(&bytes, &[]);
        prop_assert_eq!(end_of(&bytes, &cuts), end);
        // Nor does it who takes the data.
        let data = data_of(&bytes, &[]);
        prop_assert_eq!(data_of(&bytes, &cuts), data.clone());
        prop_assert_eq!(data.map(|(_, end)| end), end);
    }
}
