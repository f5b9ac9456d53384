//! What our framing makes of a case: the steps of a connection, without one.

use crate::server::framing::{Head, HeadLimits, HeadScan, Refusal, Version, Wish, parse};
use crate::server::remaining::Remaining;
use std::mem::MaybeUninit;

/// The defaults of the settings.
pub const LIMITS: HeadLimits = HeadLimits { head: 16 << 10, target: 8 << 10 };
pub const MAX_FIELDS: usize = 100;
pub const MAX_BODY: u64 = 64 << 10;

/// The requests of a case, and how it ends.
#[derive(Debug, PartialEq)]
pub struct Verdict {
    pub requests: Vec<Request>,
    pub end: End,
}

/// A whole request.
#[derive(Debug, PartialEq)]
pub struct Request {
    /// Where the next one begins.
    pub end: usize,
    /// As [`compare.py`](compare.py) describes it.
    pub line: String,
    /// Method and path.
    pub seen: String,
}

/// What follows the last whole request.
#[derive(Debug, PartialEq)]
pub enum End {
    /// Nothing, or empty lines.
    Nothing,
    /// Whatever it is, nobody reads it.
    Closed,
    Incomplete,
    Refused(Refusal),
}

impl Verdict {
    /// In the words of `compare.py`, for this case.
    pub fn words(&self, case: &[u8]) -> String {
        let end = match self.end {
            End::Nothing => "E".to_owned(),
            End::Closed => "C".to_owned(),
            End::Refused(Refusal { why, .. }) => format!("R:{}", why.replace(' ', "_")),
            End::Incomplete => {
                let closing: &[u8] = if case.ends_with(b"\r") { b"\n\r\n" } else { b"\r\n\r\n" };
                let closed = of(&[case, closing].concat());
                match closed.end {
                    End::Refused(refusal) if closed.requests.len() == self.requests.len() => {
                        format!("IR:{}", refusal.why.replace(' ', "_"))
                    }
                    _ => "I".to_owned(),
                }
            }
        };
        let requests = self.requests.iter().map(|request| request.line.as_str());
        requests.chain([end.as_str()]).collect::<Vec<_>>().join(" ")
    }
}

pub fn of(case: &[u8]) -> Verdict {
    in_pieces(case, &[])
}

/// The same when the bytes come cut at these places, modulo the length.
pub fn in_pieces(case: &[u8], cuts: &[usize]) -> Verdict {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (case.len() + 1)).collect();
    ends.push(case.len());
    ends.sort_unstable();
    let mut requests = Vec::new();
    let mut start = 0;
    let end = loop {
        match request(case, start, &ends) {
            Step::Whole(request, Wish::Keep) => {
                start = request.end;
                requests.push(request);
            }
            Step::Whole(request, Wish::Close) => {
                requests.push(request);
                break End::Closed;
            }
            Step::End(end) => break end,
        }
    };
    Verdict { requests, end }
}

enum Step {
    Whole(Request, Wish),
    End(End),
}

/// The request that begins at `start`, seen as far as each of `ends` in turn.
fn request(case: &[u8], start: usize, ends: &[usize]) -> Step {
    let mut scan = HeadScan::default();
    let mut place = None;
    for end in ends.iter().filter(|end| **end >= start) {
        match scan.advance(&case[start..*end], LIMITS) {
            Ok(None) => {}
            Ok(found) => {
                place = found;
                break;
            }
            Err(refusal) => return Step::End(End::Refused(refusal)),
        }
    }
    let Some(place) = place else {
        return Step::End(if scan.is_before_request() { End::Nothing } else { End::Incomplete });
    };
    let mut room = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let head = match parse(&case[start + place.start..start + place.end], &mut room, LIMITS) {
        Ok(head) => head,
        Err(refusal) => return Step::End(End::Refused(refusal)),
    };
    let end_of_head = start + place.end;
    let mut end = end_of_head;
    match Remaining::of(head.body, MAX_BODY) {
        Err(refusal) => return Step::End(End::Refused(refusal)),
        Ok(None) => {}
        Ok(Some(mut remaining)) => {
            for piece in ends.iter().filter(|piece| **piece >= end_of_head) {
                match remaining.take(&case[end..*piece]) {
                    Ok(taken) => end += taken,
                    Err(refusal) => return Step::End(End::Refused(refusal)),
                }
                if remaining.is_over() {
                    break;
                }
            }
            if !remaining.is_over() {
                return Step::End(End::Incomplete);
            }
        }
    }
    let seen = format!("{} {}", head.method, head.path);
    Step::Whole(Request { end, line: line(end, &head), seen }, head.wish)
}

fn line(end: usize, head: &Head<'_>) -> String {
    let version = if head.version == Version::Http10 { "1.0" } else { "1.1" };
    let names: usize = head.fields.iter().map(|field| field.name.len()).sum();
    let values: usize = head.fields.iter().map(|field| field.value.len()).sum();
    let kept = if head.wish == Wish::Keep { "k" } else { "c" };
    format!("{end},{},{},{version},{},{names},{values},{kept}", head.method, head.target, head.fields.len())
}
