//! The clients: healthy, slow, hostile, vanishing. Each knows its right answer, and reports any other one.

use crate::chance::Chance;
use crate::deed::{Deed, Endpoint, Fates, request};
use crate::trial::talk::Talk;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The server's limits in this run, short enough that slow clients come and go within seconds.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// How late a busy machine may be.
const LATE: Duration = Duration::from_secs(4);

/// The state that the clients share.
pub(crate) struct Soak {
    pub(crate) server: SocketAddr,
    pub(crate) enough: AtomicBool,
    pub(crate) wrongs: Mutex<Vec<String>>,
    pub(crate) wrong: AtomicU64,
    /// Right exchanges, by kind of client.
    pub(crate) right: [AtomicU64; KINDS.len()],
}

/// A kind of client: its name, how many there are, and one turn of it.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) count: usize,
    turn: fn(&Soak, &mut Chance) -> Result<(), String>,
}

pub(crate) const KINDS: [Kind; 7] = [
    Kind { name: "healthy", count: 32, turn: healthy },
    Kind { name: "half-closing", count: 1, turn: half_closing },
    Kind { name: "slow head", count: 2, turn: slow_heads },
    Kind { name: "slow body", count: 2, turn: slow_bodies },
    Kind { name: "stalled reader", count: 2, turn: stalled_reader },
    Kind { name: "hostile", count: 4, turn: hostile },
    Kind { name: "vanishing", count: 6, turn: vanishing },
];

impl Soak {
    pub(crate) fn new(server: SocketAddr) -> Soak {
        Soak {
            server,
            enough: AtomicBool::new(false),
            wrongs: Mutex::default(),
            wrong: AtomicU64::new(0),
            right: Default::default(),
        }
    }

    /// The life of one client.
    pub(crate) fn run(&self, kind: usize, seed: u64) {
        let mut chance = Chance::of(seed);
        while !self.is_over() {
            match (KINDS[kind].turn)(self, &mut chance) {
                Ok(()) => drop(self.right[kind].fetch_add(1, Ordering::Relaxed)),
                Err(what) => self.complain(format!("{}: {what}", KINDS[kind].name)),
            }
        }
    }

    pub(crate) fn complain(&self, what: String) {
        const KEPT: usize = 20;
        self.wrong.fetch_add(1, Ordering::Relaxed);
        let mut wrongs = self.wrongs.lock().expect("nobody panics with it");
        if wrongs.len() < KEPT {
            eprintln!("wrong: {what}");
            wrongs.push(what);
        }
    }

    fn is_over(&self) -> bool {
        self.enough.load(Ordering::Relaxed)
    }
}

/// Up to fifty requests over one connection, now and then two at once, each answer checked.
fn healthy(soak: &Soak, chance: &mut Chance) -> Result<(), String> {
    let mut talk = Talk::open(soak.server).map_err(|error| format!("connecting: {error}"))?;
    let most = 1 + chance.below(50);
    for number in 1..=most {
        if soak.is_over() {
            return Ok(());
        }
        let (endpoint, fates) = (Endpoint::any(chance), Fates::any(chance));
        let is_last = number == most;
        let last = if is_last { "Connection: close\r\n" } else { "" };
        let mut bytes = String::new();
        let page = (!is_last && chance.one_in(10)).then(|| {
            [("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/", 200), ("/nowhere", 404)][chance.below(5)]
        });
        if let Some((path, _)) = page {
            bytes = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        }
        bytes.push_str(&request(endpoint, &fates, last));
        talk.say(bytes).map_err(|error| format!("sending: {error}"))?;
        if let Some((path, due)) = page {
            let answer = hear(&mut talk, path)?;
            if answer.0 != due {
                return Err(format!("{path}: {}", answer.0));
            }
        }
        let (status, body, closes) = hear(&mut talk, endpoint.path())?;
        fates.judge(endpoint, status, &body)?;
        if closes != is_last {
            return Err(format!("closes: {closes}, asked for: {is_last}"));
        }
        thread::sleep(chance.up_to(Duration::from_millis(10)));
    }
    match talk.ends() {
        Ok(true) => Ok(()),
        other => Err(format!("not closed after the last answer: {other:?}")),
    }
}

fn hear(talk: &mut Talk, what: &str) -> Result<(u16, Vec<u8>, bool), String> {
    match talk.hear() {
        Ok(Some(answer)) => Ok((answer.status, answer.body, answer.is_last)),
        Ok(None) => Err(format!("{what}: closed without an answer")),
        Err(error) => Err(format!("{what}: {error}")),
    }
}

/// Closes its sending side and still gets its whole answer.
fn half_closing(soak: &Soak, chance: &mut Chance) -> Result<(), String> {
    let (endpoint, fates) = (Endpoint::any(chance), Fates::any(chance));
    let mut talk = Talk::open(soak.server).map_err(|error| format!("connecting: {error}"))?;
    let sent = talk.say(request(endpoint, &fates, "")).and_then(|()| talk.half_close());
    sent.map_err(|error| format!("sending: {error}"))?;
    let (status, body, _) = hear(&mut talk, endpoint.path())?;
    fates.judge(endpoint, status, &body)
}

/// Thirty heads at once, a byte now and then: each is refused when its time is over.
fn slow_heads(soak: &Soak, _: &mut Chance) -> Result<(), String> {
    drip(soak, b"GET /api/smart HTTP/1.1\r\nHost: localhost\r\nx-slow: ")
}

/// The same with bodies.
fn slow_bodies(soak: &Soak, _: &mut Chance) -> Result<(), String> {
    drip(soak, b"GET /api/smart HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
}

fn drip(soak: &Soak, opening: &[u8]) -> Result<(), String> {
    const AT_ONCE: usize = 30;
    const PAUSE: Duration = Duration::from_millis(100);
    let began = Instant::now();
    let mut talks = Vec::new();
    for _ in 0..AT_ONCE {
        let mut talk = Talk::open(soak.server).map_err(|error| format!("connecting: {error}"))?;
        talk.say(opening).map_err(|error| format!("sending: {error}"))?;
        talks.push(talk);
    }
    while began.elapsed() < HEAD_TIMEOUT - 2 * PAUSE {
        thread::sleep(PAUSE);
        for talk in &mut talks {
            talk.say("~").map_err(|error| format!("refused after {:?} already: {error}", began.elapsed()))?;
        }
    }
    for mut talk in talks {
        let (status, _, closes) = hear(&mut talk, "a slow request")?;
        if (status, closes) != (408, true) || began.elapsed() > HEAD_TIMEOUT + LATE {
            return Err(format!("{status}, closes: {closes}, after {:?}", began.elapsed()));
        }
    }
    Ok(())
}

/// Sends many requests, pipelined, and reads little: what it reads is right, and the server does not wait forever.
fn stalled_reader(soak: &Soak, chance: &mut Chance) -> Result<(), String> {
    let fates = Fates::of([Deed::AnswersMuch; 3], chance);
    let mut talk = Talk::open(soak.server).map_err(|error| format!("connecting: {error}"))?;
    let _ = socket2::SockRef::from(&talk.stream).set_recv_buffer_size(4 << 10);
    let began = Instant::now();
    // More than the sockets' buffers hold.
    for _ in 0..60 {
        if talk.say(request(Endpoint::First, &fates, "")).is_err() {
            break;
        }
    }
    thread::sleep(WRITE_TIMEOUT + Duration::from_secs(1));
    let mut whole = 0;
    loop {
        match talk.hear() {
            Ok(Some(answer)) => fates.judge(Endpoint::First, answer.status, &answer.body)?,
            Ok(None) => break,
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => break,
            Err(error) => return Err(error.to_string()),
        }
        whole += 1;
    }
    if whole < 60 && began.elapsed() < WRITE_TIMEOUT + 3 * LATE {
        return Ok(());
    }
    Err(format!("{whole} answers in {:?} to who did not read", began.elapsed()))
}

/// Requests that must be refused, and the statuses that refuse them.
const ATTACKS: [(&str, &[u16]); 20] = [
    ("\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\nHost: a\n\n", &[400]),
    ("GET / HTTP/1.1\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", &[400]),
    ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", &[400, 505]),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[400, 505]),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nGET /", &[400]),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nGET /", &[400]),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", &[400, 413]),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000000000\r\n\r\n", &[413]),
    (
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 37\r\n\r\n0GET /healthz HTTP/1.1\r\n\
         Host: b\r\n\r\n",
        &[400],
    ),
    (
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
         GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n",
        &[400],
    ),
    (
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\n\
         Host: b\r\n\r\n",
        &[400, 501],
    ),
    ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nGET /\r\n0\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\nGET /\r\n0\r\n\r\n", &[400]),
    ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("GET / / HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
];

/// Garbage, oversize and attempts at smuggling: one refusal, then the end, and no second request read out of the bytes.
fn hostile(soak: &Soak, chance: &mut Chance) -> Result<(), String> {
    // They are quick; without a pause they would be the whole load.
    thread::sleep(chance.up_to(Duration::from_millis(20)));
    let attack = chance.below(ATTACKS.len() + 3);
    let (bytes, due): (String, &[u16]) = match attack.checked_sub(ATTACKS.len()) {
        None => (ATTACKS[attack].0.to_owned(), ATTACKS[attack].1),
        Some(0) => (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(100 << 10)), &[414]),
        Some(1) => (format!("GET / HTTP/1.1\r\nHost: a\r\nx-long: {}\r\n\r\n", "a".repeat(1 << 20)), &[431]),
        Some(_) => (format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x-many: a\r\n".repeat(1_000)), &[431]),
    };
    let name: String = bytes.escape_default().take(80).collect();
    let mut talk = Talk::open(soak.server).map_err(|error| format!("connecting: {error}"))?;
    // The server may close before it has all.
    let _ = talk.say(&bytes);
    match talk.hear() {
        Ok(Some(answer)) if due.contains(&answer.status) && answer.is_last => {}
        Ok(Some(answer)) => return Err(format!("{name}: {}, closes: {}", answer.status, answer.is_last)),
        Ok(None) => return Err(format!("{name}: no answer")),
        // With a megabyte in flight when the server closes, a reset may destroy the answer.
        Err(error) if error.kind() == ErrorKind::ConnectionReset && bytes.len() > 64 << 10 => return Ok(()),
        Err(error) => return Err(format!("{name}: {error}")),
    }
    match talk.ends() {
        Ok(true) => Ok(()),
        other => Err(format!("{name}: not closed after its refusal: {other:?}")),
    }
}

/// Leaves at any moment, by a close or a reset, with a request unfinished, in flight, or answered and unread.
fn vanishing(soak: &Soak, chance: &mut Chance) -> Result<(), String> {
    let leave = |chance: &mut Chance| -> io::Result<()> {
        let mut talk = Talk::open(soak.server)?;
        let (endpoint, fates) = (Endpoint::any(chance), Fates::any(chance));
        let request = request(endpoint, &fates, "");
        let sent = if chance.one_in(5) { chance.below(request.len()) } else { request.len() };
        talk.say(&request[..sent])?;
        let soon = Duration::from_millis(if chance.one_in(2) { 5 } else { 500 });
        thread::sleep(chance.up_to(soon));
        if chance.one_in(4) {
            let _ = talk.stream.read(&mut [0; 1]);
        }
        if chance.one_in(2) { talk.reset() } else { talk.stream.flush() }
    };
    leave(chance).map_err(|error| error.to_string())
}
