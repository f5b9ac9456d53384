//! Which paths belong to a route: all that begin as its own does.

/// A path that ends in `/*`, which stands for everything below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// Without the star: it ends with a slash.
    before: String,
}

impl Prefix {
    /// The prefix that `path` is, such as `/catalog/*`; none unless it begins with a slash and ends in `/*`, with
    /// nothing but what a path may hold in between, and no other star.
    pub(crate) fn new(path: &str) -> Option<Prefix> {
        let before = path.strip_suffix('*')?;
        let is_path_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()+,;=:@%".contains(&byte);
        let is_one = before.starts_with('/') && before.ends_with('/') && before.bytes().all(is_path_byte);
        is_one.then(|| Prefix { before: before.to_owned() })
    }

    /// Whether `path`, compared as sent, is below it. `/*` takes every path, `*` of an `OPTIONS` request included.
    pub(crate) fn takes(&self, path: &str) -> bool {
        path.starts_with(&self.before) || (self.takes_all() && path == "*")
    }

    /// Whether it is `/*`.
    pub(crate) fn takes_all(&self) -> bool {
        self.before == "/"
    }

    /// How long it is: of two that take a path, the longer one does.
    pub(crate) fn len(&self) -> usize {
        self.before.len()
    }

    /// Whether an upstream that resolves dot segments (RFC 3986, section 5.2.4) may find `path` elsewhere than below
    /// this. Such a path is refused: it would leave the prefix. Nothing leaves `/*`.
    pub(crate) fn may_be_left_by(&self, path: &str) -> bool {
        !self.takes_all() && has_dot_segment(path)
    }
}

/// Whether a segment of `path` is `.` or `..`, dots and slashes percent-encoded or not. A backslash counts as a slash,
/// and a parameter (`..;x`) as no part of its segment, since some servers see them so.
fn has_dot_segment(path: &str) -> bool {
    let plain = path.replace("%2e", ".").replace("%2E", ".");
    let plain = plain.replace("%2f", "/").replace("%2F", "/").replace("%5c", "/").replace("%5C", "/");
    plain.split(['/', '\\']).any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_takes_what_is_below_it() {
        let prefix = Prefix::new("/catalog/*").unwrap();
        for path in ["/catalog/", "/catalog/a/b", "/catalog//"] {
            assert!(prefix.takes(path), "{path}");
        }
        for path in ["/catalog", "/catalogue/", "/", "*", "/Catalog/", "//catalog/"] {
            assert!(!prefix.takes(path), "{path}");
        }
        let all = Prefix::new("/*").unwrap();
        assert!(all.takes("/") && all.takes("//") && all.takes("/a") && all.takes("*"));
    }

    #[test]
    fn a_star_stands_at_the_end_after_a_slash() {
        for path in ["", "*", "/", "/a", "/a*", "/*/", "/*/a", "/*/*", "/a/**", "a/*", "/a b/*", "/a?/*", "/ä/*"] {
            assert_eq!(Prefix::new(path), None, "{path}");
        }
    }

    #[test]
    fn paths_with_dot_segments_leave_a_prefix_but_not_the_root() {
        let (prefix, all) = (Prefix::new("/a/*").unwrap(), Prefix::new("/*").unwrap());
        for path in [
            "/a/../b",
            "/a/..",
            "/a/.",
            "/a/./b",
            "/a/%2e%2E/b",
            "/a/.%2e/b",
            "/a/%2E",
            "/a/..%2fb",
            "/a/b%2F..%2Fc",
            "/a/..\\b",
            "/a/..%5Cb",
            "/a/..;x=1/b",
        ] {
            assert!(prefix.may_be_left_by(path), "{path}");
            assert!(!all.may_be_left_by(path), "{path}");
        }
        for path in ["/a/", "/a/.b", "/a/b.", "/a/...", "/a/..b/c", "/a//b", "/a/%252e%252e/b"] {
            assert!(!prefix.may_be_left_by(path), "{path}");
        }
    }
}
