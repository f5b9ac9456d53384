//! W3C Trace Context: a trace goes on through us.
//!
//! A call passes the trace it was given on, with a parent id of its own for each attempt, so that who looks at the
//! trace can tell attempts apart. Without one, or with a malformed one, a new trace begins (Trace Context, sections 3.2
//! and 4.3).
//!
//! What this does not do: record spans. A new trace says so by its flags: not sampled.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The part of a W3C trace context that all attempts of a call share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    flags: u8,
}

impl TraceContext {
    /// The trace that `traceparent` belongs to, or a new one when there is none or it is malformed.
    pub fn continuing(traceparent: Option<&str>) -> TraceContext {
        traceparent.and_then(TraceContext::parse).unwrap_or_else(|| TraceContext {
            trace_id: u128::from(random_id()) << 64 | u128::from(random_id()),
            flags: 0,
        })
    }

    fn parse(traceparent: &str) -> Option<TraceContext> {
        let mut fields = traceparent.trim_matches([' ', '\t']).splitn(5, '-');
        let version = hex(fields.next()?, 2)? as u8;
        let trace_id = hex(fields.next()?, 32)?;
        let parent_id = hex(fields.next()?, 16)?;
        let flags = hex(fields.next()?, 2)? as u8;
        let is_valid = match version {
            0 => fields.next().is_none(),
            0xff => false,
            _ => true, // later versions may add fields
        };
        // Of a later version's flags only the first is known to mean what it means here.
        let flags = if version == 0 { flags } else { flags & 1 };
        (is_valid && trace_id != 0 && parent_id != 0).then_some(TraceContext { trace_id, flags })
    }

    /// The field value for one attempt.
    pub(super) fn for_attempt(&self) -> [u8; 55] {
        let mut value = *b"00-................................-................-..";
        put_hex(&mut value[3..35], self.trace_id);
        put_hex(&mut value[36..52], random_id().into());
        put_hex(&mut value[53..], self.flags.into());
        value
    }
}

/// Writes `number` in as many hexadecimal digits as there is room for. (With `format!` this was a fortieth of a
/// request.)
fn put_hex(digits: &mut [u8], mut number: u128) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xf) as usize];
        number >>= 4;
    }
}

/// A field of exactly so many lower-case hexadecimal digits.
fn hex(field: &str, digits: usize) -> Option<u128> {
    let all_hex = field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (field.len() == digits && all_hex).then(|| u128::from_str_radix(field, 16).ok()).flatten()
}

/// Never 0, not repeated within this process before 2^64 calls, and different from process to process: SplitMix64
/// (Steele, Lea and Flood, 2014) from a random start. Identifiers, not secrets.
fn random_id() -> u64 {
    static STATE: LazyLock<AtomicU64> =
        LazyLock::new(|| AtomicU64::new(RandomState::new().hash_one(std::process::id())));
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut id = STATE.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
    id = (id ^ id >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    id = (id ^ id >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (id ^ id >> 31).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_valid_trace_goes_on_with_a_new_parent_id() {
        let trace = TraceContext::continuing(Some(GIVEN));
        let (first, second) = (trace.for_attempt(), trace.for_attempt());
        assert_ne!(first, second);
        for sent in [first, second] {
            let sent = str::from_utf8(&sent).unwrap();
            assert_eq!(sent.len(), GIVEN.len());
            assert_eq!(sent[..36], GIVEN[..36]);
            assert_ne!(sent[36..52], GIVEN[36..52]);
            assert_eq!(&sent[52..], "-01");
        }
    }

    #[test]
    fn what_is_malformed_begins_a_new_trace() {
        for malformed in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceContext::parse(malformed), None, "{malformed:?}");
        }
        let begun = TraceContext::continuing(None);
        assert_ne!(begun, TraceContext::continuing(None));
        assert!(begun.trace_id >> 64 != 0 && begun.trace_id << 64 != 0, "all of the id is made by chance");
    }

    #[test]
    fn a_later_version_is_continued_as_version_0() {
        let later = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff-what-comes";
        assert_eq!(TraceContext::parse(later), TraceContext::parse(GIVEN));
    }
}
