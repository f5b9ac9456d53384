//! What the upstream does with an attempt, and the right answer to the client.
//!
//! How the soak can check answers: a client chooses the fates of its own three attempts and writes them into its trace
//! id, which the server passes on. So every client knows its right answer to the byte, and notices an answer that
//! belongs to another client.

use crate::chance::Chance;
use std::collections::BTreeSet;

/// What the upstream does with one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Answers,
    AnswersLate,
    AnswersMuch,
    AnswersInChunks,
    /// Closes the connection after a regular answer without announcing it.
    AnswersAndCloses,
    /// The end of the connection is the end of the body.
    AnswersUntilClosed,
    Hangs,
    HangsInBody,
    DripsHead,
    DripsBody,
    DripsInterims,
    Resets,
    ResetsInBody,
    /// Closes before the announced length.
    LiesAboutLength,
    NotHttp,
    Fails,
    Redirects,
    WrongType,
    BrokenJson,
    EndlessHead,
}

use Deed::*;

const ALL: [Deed; 20] = [
    Answers,
    AnswersLate,
    AnswersMuch,
    AnswersInChunks,
    AnswersAndCloses,
    AnswersUntilClosed,
    Hangs,
    HangsInBody,
    DripsHead,
    DripsBody,
    DripsInterims,
    Resets,
    ResetsInBody,
    LiesAboutLength,
    NotHttp,
    Fails,
    Redirects,
    WrongType,
    BrokenJson,
    EndlessHead,
];

impl Deed {
    fn succeeds(self) -> bool {
        matches!(self, Answers | AnswersLate | AnswersMuch | AnswersInChunks | AnswersAndCloses | AnswersUntilClosed)
    }

    /// Whether it goes on until the client leaves.
    fn lasts(self) -> bool {
        matches!(self, Hangs | HangsInBody | DripsHead | DripsBody | DripsInterims)
    }

    /// Mostly prompt answers, so that there is load, and each of the others often enough.
    fn any(chance: &mut Chance) -> Deed {
        if chance.one_in(2) { Answers } else { ALL[chance.below(ALL.len())] }
    }
}

/// The three attempts of one request, known by its trace id.
#[derive(Clone, Debug)]
pub(crate) struct Fates {
    pub(crate) deeds: [Deed; 3],
    pub(crate) trace: String,
}

impl Fates {
    pub(crate) fn any(chance: &mut Chance) -> Fates {
        let deeds = match chance.one_in(4) {
            true => std::array::from_fn(|_| Deed::any(chance)),
            false => [Answers; 3],
        };
        Fates::of(deeds, chance)
    }

    pub(crate) fn of(deeds: [Deed; 3], chance: &mut Chance) -> Fates {
        let [first, second, third] = deeds.map(|deed| deed as u8);
        let trace = format!("{first:02x}{second:02x}{third:02x}{:010x}{:016x}", chance.next() >> 24, chance.next());
        Fates { deeds, trace }
    }

    /// The fate of the attempt with this trace and number.
    pub(crate) fn deed(trace: &str, attempt: usize) -> Option<Deed> {
        let number = usize::from_str_radix(trace.get(2 * attempt..2 * attempt + 2)?, 16).ok()?;
        ALL.get(number).copied()
    }

    /// The JSON of a successful attempt, which differs from all others.
    pub(crate) fn body(trace: &str, attempt: usize, deed: Deed) -> String {
        let padding = if deed == AnswersMuch { 200 << 10 } else { 0 };
        format!(r#"{{"trace":"{trace}","attempt":{attempt},"much":"{}"}}"#, "~".repeat(padding))
    }

    fn successes(&self) -> Vec<usize> {
        (0..3).filter(|at| self.deeds[*at].succeeds()).collect()
    }

    fn bodies(&self) -> impl Iterator<Item = String> {
        self.successes().into_iter().map(|at| Fates::body(&self.trace, at, self.deeds[at]))
    }

    /// A timeout that fits the fates: short where it is to end the race, long where it must not matter.
    pub(crate) fn timeout_ms(&self, endpoint: Endpoint) -> u32 {
        let lasts = self.deeds.iter().any(|deed| deed.lasts());
        match endpoint {
            Endpoint::First | Endpoint::Smart if lasts && self.successes().is_empty() => 700,
            Endpoint::All if lasts => 700,
            Endpoint::WithinTimeout if lasts => 2_000,
            _ => 20_000,
        }
    }

    /// What is wrong with an answer, if anything is.
    pub(crate) fn judge(&self, endpoint: Endpoint, status: u16, body: &[u8]) -> Result<(), String> {
        let body = String::from_utf8_lossy(body);
        let successes = self.successes();
        let lasts = self.deeds.iter().any(|deed| deed.lasts());
        let is_right = match endpoint {
            Endpoint::First | Endpoint::Smart if !successes.is_empty() => {
                let winner = |json: String| body == format!(r#"{{"success":true,"response":{json}}}"#);
                status == 200 && self.bodies().any(winner)
            }
            Endpoint::First | Endpoint::Smart if lasts => status == 408,
            Endpoint::First | Endpoint::Smart => status == 200 && body == r#"{"success":false,"response":{}}"#,
            Endpoint::All if lasts => status == 408,
            Endpoint::All if successes.is_empty() => status == 502,
            Endpoint::All | Endpoint::WithinTimeout => {
                let listed = body.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
                let listed =
                    listed.map(|list| list.split(", ").filter(|item| !item.is_empty()).collect::<BTreeSet<_>>());
                let due: Vec<String> = self.bodies().collect();
                status == 200 && listed == Some(due.iter().map(String::as_str).collect())
            }
        };
        let shown: String = body.chars().take(200).collect();
        if is_right { Ok(()) } else { Err(format!("{endpoint:?} of {:?}: {status} {shown}", self.deeds)) }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Endpoint {
    Smart,
    First,
    All,
    WithinTimeout,
}

impl Endpoint {
    pub(crate) fn any(chance: &mut Chance) -> Endpoint {
        [Endpoint::Smart, Endpoint::Smart, Endpoint::First, Endpoint::All, Endpoint::WithinTimeout][chance.below(5)]
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Endpoint::Smart => "/api/smart",
            Endpoint::First => "/api/first",
            Endpoint::All => "/api/all",
            Endpoint::WithinTimeout => "/api/within-timeout",
        }
    }
}

/// The whole request for these fates; `fields` are more header lines, each with its end.
pub(crate) fn request(endpoint: Endpoint, fates: &Fates, fields: &str) -> String {
    let (path, timeout, trace) = (endpoint.path(), fates.timeout_ms(endpoint), &fates.trace);
    format!(
        "GET {path}?timeout={timeout} HTTP/1.1\r\nHost: localhost\r\n\
         traceparent: 00-{trace}-00000000000000ff-00\r\n{fields}\r\n"
    )
}
