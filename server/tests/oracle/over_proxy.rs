//! Of what a client sends, an upstream sees the requests that the framing accepts, whole, and no others.

use crate::cases;
use crate::support::proxied::Proxied;
use crate::support::teller::{After, Teller};
use crate::verdict;
use headstart_testing::PATIENCE;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};

const CASES: u64 = 3_000;

#[test]
fn an_upstream_sees_what_the_framing_accepts_and_no_more() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = seen.clone();
    let upstream = Teller::start(move |link, head, _| {
        let mut words = head.start.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        noted.lock().unwrap().push(format!("{method} {}", target.split('?').next().unwrap()));
        link.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        After::Keep
    });
    let proxy = Proxied::to(&[upstream.url()], &[]);
    let mut accepted = 0;
    for number in 0..CASES {
        let case = cases::case(11, number);
        let expected = verdict::of(&case);
        let mut client = TcpStream::connect(proxy.address).unwrap();
        client.set_nodelay(true).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let cut = (number as usize * 7) % (case.len() + 1);
        for piece in [&case[..cut / 2], &case[cut / 2..cut], &case[cut..]] {
            let _ = client.write_all(piece);
        }
        let _ = client.shutdown(Shutdown::Write);
        // By its end, everything that is answered was asked; a cut may show as a reset.
        let _ = client.read_to_end(&mut Vec::new());
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        let wanted = expected.requests.iter().map(|request| request.seen.as_str());
        // RFC 9112, 3.2.4: an absolute form without a path is the asterisk form of OPTIONS.
        let is_same = |(seen, wanted): (&String, &str)| seen == wanted || seen == "OPTIONS *" && wanted == "OPTIONS /";
        let all_same = seen.len() == expected.requests.len() && seen.iter().zip(wanted).all(is_same);
        assert!(all_same, "{number}: {seen:?} of {:?}: {}", expected.requests, case.escape_ascii());
        accepted += seen.len() as u64;
    }
    assert!(accepted > CASES / 3, "{accepted} requests accepted");
}
