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

/// What a message's `Connection` fields name.
pub(super) struct Options<'a> {
    named: Vec<&'a [u8]>,
    upgrade: bool,
}

impl<'a> Options<'a> {
    pub(super) fn of(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Options<'a> {
        let mut options = Options { named: Vec::new(), upgrade: false };
        for (_, value) in fields.filter(|(name, _)| name.eq_ignore_ascii_case("connection")) {
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
    pub(super) fn keeps_here(&self, name: &str) -> bool {
        let is = |other: &[u8]| other.eq_ignore_ascii_case(name.as_bytes());
        KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name))
            || self.named.iter().any(|named| is(named)) && !KEPT.eq_ignore_ascii_case(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_itself_what_else_stays_here() {
        let fields = [("Connection", &b"close, X-Hop"[..]), ("connection", b"upgrade,host")];
        let options = Options::of(fields.into_iter());
        assert!(options.upgrade());
        for here in ["x-hop", "X-HOP", "Connection", "TE", "Upgrade", "Keep-Alive", "proxy-connection"] {
            assert!(options.keeps_here(here), "{here}");
        }
        for passed in ["Host", "close", "X-Hop2", "Date", "Via"] {
            assert!(!options.keeps_here(passed), "{passed}");
        }
        assert!(!Options::of([("Connection", &b"keep-alive"[..])].into_iter()).upgrade());
    }
}
