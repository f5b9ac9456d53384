//! Bodies shown to the decoder in pieces cut anywhere.

use super::*;
use proptest::prelude::*;

/// Shows `bytes` cut at `cuts`, and returns the body, its trailers, what is left behind it, or why it is refused.
fn decoded(length: Length, bytes: &[u8], cuts: &[usize]) -> Result<(Vec<u8>, Option<Fields>, usize), String> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([bytes.len()]).collect();
    ends.sort_unstable();
    let (mut decoder, mut body, mut used) = (Decoder::new(length), Vec::new(), 0);
    for end in ends {
        loop {
            let input = &bytes[used..end];
            let ready = decoder.ready(input);
            match decoder.step(input)? {
                Step::Skip(skipped) => used += skipped,
                Step::Data(there) => {
                    assert_eq!(ready, there);
                    let taken = there.div_ceil(2); // not all of what is shown has to be taken
                    body.extend_from_slice(&input[..taken]);
                    decoder.consume(taken);
                    used += taken;
                }
                Step::More | Step::Over => break,
            }
        }
    }
    match decoder.end() {
        true => Ok((body, decoder.trailers_seen().cloned(), bytes.len() - used)),
        false => Err("cut".to_owned()),
    }
}

/// A body in chunks.
fn chunked() -> impl Strategy<Value = (Vec<u8>, Vec<u8>, bool)> {
    let chunk = (proptest::collection::vec(any::<u8>(), 1..60), "(|;a=b|; x)");
    (proptest::collection::vec(chunk, 0..6), any::<bool>()).prop_map(|(chunks, has_trailers)| {
        let (mut sent, mut body) = (Vec::new(), Vec::new());
        for (data, extension) in chunks {
            sent.extend(format!("{:x}{extension}\r\n", data.len()).bytes());
            sent.extend(&data);
            sent.extend(b"\r\n");
            body.extend(data);
        }
        sent.extend(if has_trailers { &b"0\r\nX: 1\r\nx: 2\r\n\r\n"[..] } else { b"0\r\n\r\n" });
        (sent, body, has_trailers)
    })
}

proptest! {
    #[test]
    fn it_does_not_matter_where_a_body_is_cut(
        (sent, body, has_trailers) in chunked(),
        more in 0..3_usize,
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let all = [&sent[..], &b"HTTP"[..more]].concat();
        let (found, trailers, left) = decoded(Length::Chunked, &all, &cuts).unwrap();
        prop_assert_eq!((&found, left), (&body, more));
        let values = trailers.map(|fields| fields.all("x").map(<[u8]>::to_vec).collect::<Vec<_>>());
        prop_assert_eq!(values, has_trailers.then(|| vec![b"1".to_vec(), b"2".to_vec()]));
        let (found, _, left) = decoded(Length::Known(sent.len() as u64), &all, &cuts).unwrap();
        prop_assert_eq!((&found, left), (&sent, more));
        let (found, _, left) = decoded(Length::UntilClose, &all, &cuts).unwrap();
        prop_assert_eq!((&found, left), (&all, 0));
    }

    #[test]
    fn a_body_that_lacks_its_end_is_cut(
        (sent, ..) in chunked(),
        short in any::<prop::sample::Index>(),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let end = short.index(sent.len());
        prop_assert!(decoded(Length::Chunked, &sent[..end], &cuts).is_err());
        prop_assert!(decoded(Length::Known(sent.len() as u64), &sent[..end], &cuts).is_err());
    }

    #[test]
    fn what_is_wrong_is_wrong_however_it_is_cut(
        soup in proptest::collection::vec(
            proptest::sample::select(vec!["0", "1", "f", ";", "\r\n", "\r", "\n", "x: y\r\n", " ", "a"]), 0..12),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let soup = soup.concat().into_bytes();
        prop_assert_eq!(decoded(Length::Chunked, &soup, &[]).ok(), decoded(Length::Chunked, &soup, &cuts).ok());
    }
}

#[test]
fn a_body_of_no_bytes_is_over_before_it_begins() {
    assert!(Decoder::new(Length::Known(0)).is_over());
    assert!(!Decoder::new(Length::Chunked).is_over());
}

#[test]
fn a_control_character_beside_a_chunk_s_size_is_refused() {
    for line in ["1;\0\r\n", "1;\x0b\r\n", "1;\x7f\r\n", "1;a\rb\r\n", "1;a\nb\r\n", " 1\r\n", ";a\r\n"] {
        let body = format!("{line}x\r\n0\r\n\r\n");
        assert!(decoded(Length::Chunked, body.as_bytes(), &[]).is_err(), "{line:?}");
    }
    let (body, ..) = decoded(Length::Chunked, "1;a=\"b\tc\";\u{e4}\r\nx\r\n0\r\n\r\n".as_bytes(), &[]).unwrap();
    assert_eq!(body, b"x");
}
