use super::*;
use proptest::prelude::*;

const ASKED: Asked<'static> = Asked { key: b"k", opaque: 7 };
const LIMIT: usize = 1000;

fn reply(bytes: &[u8]) -> Result<Option<Reply>, Flaw> {
    let mut decoder = Decoder::default();
    decoder.feed(bytes);
    decoder.reply(ASKED, LIMIT)
}

fn written(command: Command<'_>) -> String {
    let mut out = Vec::new();
    write(&mut out, ASKED, command);
    String::from_utf8(out).unwrap()
}

#[test]
fn requests_are_those_of_the_protocol() {
    assert_eq!(written(Command::Get), "mg k v f k O7\r\n");
    let (value, flags) = (b"a\r\nb".as_slice(), 9);
    assert_eq!(written(Command::Set { value, flags, expiry: 0 }), "ms k 4 F9 T0 k O7\r\na\r\nb\r\n");
    assert_eq!(written(Command::Add { value, flags, expiry: 60 }), "ms k 4 F9 T60 ME k O7\r\na\r\nb\r\n");
    assert_eq!(written(Command::Delete), "md k k O7\r\n");
    assert_eq!(written(Command::Touch { expiry: 5 }), "mg k T5 k O7\r\n");
    assert_eq!(written(Command::Increment(u64::MAX)), "ma k MI D18446744073709551615 v k O7\r\n");
    assert_eq!(written(Command::Decrement(1)), "ma k MD D1 v k O7\r\n");
}

#[test]
fn replies_are_taken_in_any_order_of_flags() {
    for (bytes, expected) in [
        ("VA 2 f5 kk O7\r\nhi\r\n", Reply::Value(b"hi".to_vec(), 5)),
        ("VA 0 O7 kk\r\n\r\n", Reply::Value(Vec::new(), 0)),
        ("VA 2 kk O7 f0 W X\r\n\r\n\r\n", Reply::Value(b"\r\n".to_vec(), 0)),
        ("HD O7 kk\r\n", Reply::Done),
        ("EN kk O7\r\n", Reply::Absent),
        ("NF kk O7\r\n", Reply::Absent),
        ("NS kk O7\r\n", Reply::NotStored),
    ] {
        assert_eq!(reply(bytes.as_bytes()), Ok(Some(expected)), "{bytes:?}");
    }
}

#[test]
fn what_was_not_asked_for_is_malformed() {
    for bytes in [
        "VA 2 f5 kother O7\r\nhi\r\n",
        "VA 2 f5 kk O8\r\nhi\r\n",
        "VA 2 f5 kk\r\nhi\r\n",
        "VA 2 f5 O7\r\nhi\r\n",
        "VA 2 f5 kk O7 O7\r\nhi\r\n",
        "VA 2 f5 kk O7 s2\r\nhi\r\n",
        "VA 2 f4294967296 kk O7\r\nhi\r\n",
        "VA 2  kk O7\r\nhi\r\n",
        "VA -2 kk O7\r\nhi\r\n",
        "VA +2 kk O7\r\nhi\r\n",
        "VA 99999999999999999999 kk O7\r\n",
        "VA kk O7\r\nhi\r\n",
        "VA\r\n",
        "VA 2 kk O7\r\nhi!\r\n",
        "VA 2 kk O7\r\nh\r\n\r\n",
        "HD\r\n",
        "HD kk O7\n",
        "\n",
        "\r\n",
        "EX kk O7\r\n",
        "hd kk O7\r\n",
        "VALUE k 0 2\r\nhi\r\nEND\r\n",
        "HTTP/1.1 400 Bad Request\r\n",
    ] {
        let flaw = reply(bytes.as_bytes());
        assert!(matches!(flaw, Err(Flaw::Malformed(_))), "{bytes:?}: {flaw:?}");
    }
}

#[test]
fn a_refusal_is_passed_on_fit_for_a_log() {
    let flaw = reply(b"SERVER_ERROR out\x1b[31m of memory\r\n");
    assert_eq!(flaw, Err(Flaw::Refused("out\\u{1b}[31m of memory".to_owned())));
    assert!(matches!(reply(b"ERROR\r\n"), Err(Flaw::Refused(_))));
    let mut decoder = Decoder::default();
    decoder.feed(b"CLIENT_ERROR no\r\n");
    assert_eq!(decoder.version(), Err(Flaw::Refused("no".to_owned())));
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_the_value_comes() {
    assert_eq!(reply(b"VA 1001 kk O7\r\n"), Err(Flaw::TooLarge));
    assert_eq!(reply(b"VA 18446744073709551615 kk O7\r\n"), Err(Flaw::TooLarge));
    assert_eq!(reply(b"VA 1000 kk O7\r\n"), Ok(None));
}

#[test]
fn a_line_without_end_is_given_up() {
    assert_eq!(reply(&[b'x'; MAX_LINE + 1]), Ok(None));
    assert!(matches!(reply(&[b'x'; MAX_LINE + 2]), Err(Flaw::Malformed(_))));
}

#[test]
fn a_large_value_gives_its_memory_back() {
    let mut decoder = Decoder::default();
    decoder.feed(b"VA 100000 kk O7\r\n");
    decoder.feed(&[b'x'; 100_000]);
    assert_eq!(decoder.reply(ASKED, 100_000), Ok(None));
    assert!(!decoder.is_empty());
    decoder.feed(b"\r\n");
    assert!(matches!(decoder.reply(ASKED, 100_000), Ok(Some(Reply::Value(..)))));
    assert!(decoder.is_empty());
    decoder.shrink(100);
    assert!(decoder.received.capacity() < 1000, "{}", decoder.received.capacity());
}

/// Bytes that are more often nearly right than random ones.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "VA ",
            "HD",
            "EN",
            "NF",
            "NS",
            "2",
            "1000",
            "1001",
            " kk",
            " O7",
            " f1",
            "\r\n",
            "\r",
            "\n",
            " ",
            "hi",
            "X",
            "SERVER_ERROR ",
            "ERROR",
            "VERSION "
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic_and_give_nothing_that_was_not_asked_for(bytes in hostile()) {
        let mut decoder = Decoder::default();
        decoder.feed(&bytes);
        let _ = Decoder { received: bytes.clone(), ..Decoder::default() }.version();
        while let Ok(Some(reply)) = decoder.reply(ASKED, LIMIT) {
            // Whatever is taken has the key and the number in it, in so many words.
            let has = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
            prop_assert!(has(b" kk") && has(b" O7"), "{reply:?}");
        }
    }

    #[test]
    fn replies_are_the_same_however_they_arrive(
        values in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..60)), 1..8),
        cuts in prop::collection::vec(1..20_usize, 1..20),
    ) {
        let mut sent = Vec::new();
        for (opaque, value) in values.iter().enumerate() {
            match value {
                Some(value) => {
                    write!(sent, "VA {} f{opaque} kk O{opaque}\r\n", value.len()).unwrap();
                    sent.extend_from_slice(value);
                    sent.extend_from_slice(b"\r\n");
                }
                None => write!(sent, "EN kk O{opaque}\r\n").unwrap(),
            }
        }
        let mut decoder = Decoder::default();
        let (mut got, mut rest, mut cut) = (Vec::new(), sent.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(*cut.next().unwrap()));
            decoder.feed(now);
            rest = later;
            while got.len() < values.len() {
                let asked = Asked { key: b"k", opaque: got.len() as u64 };
                match decoder.reply(asked, LIMIT).unwrap() {
                    Some(reply) => got.push(reply),
                    None => break,
                }
            }
        }
        let expected: Vec<Reply> = values.into_iter().enumerate().map(|(opaque, value)| match value {
            Some(value) => Reply::Value(value, opaque as u32),
            None => Reply::Absent,
        }).collect();
        prop_assert_eq!(got, expected);
        prop_assert!(decoder.is_empty());
    }
}
