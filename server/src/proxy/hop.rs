//! The fields that are for one connection only (RFC 9110, section 7.6.1).
//!
//! They say how two neighbors speak with each other, and stay between them. Some are known by their name; a message
//! names others in its own `Connection`.

/// Always for one connection: those that the RFC lists, and how messages are framed, which each connection settles
/// anew. `Trailer` announces fields that are not passed on.
const KNOWN: [&str; 8] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// Never for one connection, whatever `Connection` says: without it a request would reach somebody else.
const KEPT: &str = "host";

/// What the values of a message's `Connection` fields name.
pub(super) struct Options<'a> {
    named: Vec<&'a [u8]>,
    upgrade: bool,
}

impl<'a> Options<'a> {
    pub(super) fn of(values: impl Iterator<Item = &'a [u8]>) -> Options<'a> {
        let mut options = Options { named: Vec::new(), upgrade: false };
        for value in values {
            for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                options.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
                // Those that every connection may have name no fields worth a look.
                if !option.eq_ignore_ascii_case(b"close") && !option.eq_ignore_ascii_case(b"keep-alive") {
                    options.named.push(option);
                }
            }
        }
        options
    }

    /// Whether the message wants to go on in another protocol.
    pub(super) fn upgrade(&self) -> bool {
        self.upgrade
    }

    /// Whether the field of this name stays here.
    pub(super) fn keeps_here(&self, name: &[u8]) -> bool {
        let is = |other: &[u8]| other.eq_ignore_ascii_case(name);
        KNOWN.iter().any(|known| is(known.as_bytes()))
            || self.named.iter().any(|named| is(named)) && !is(KEPT.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_itself_what_else_stays_here() {
        let options = Options::of([&b"close, X-Hop"[..], b"upgrade,host"].into_iter());
        assert!(options.upgrade());
        for here in ["x-hop", "X-HOP", "Connection", "TE", "Upgrade", "Keep-Alive", "proxy-connection"] {
            assert!(options.keeps_here(here.as_bytes()), "{here}");
        }
        for passed in ["Host", "close", "X-Hop2", "Date", "Via"] {
            assert!(!options.keeps_here(passed.as_bytes()), "{passed}");
        }
        assert!(!Options::of([&b"keep-alive"[..]].into_iter()).upgrade());
    }
}
