//! What may be shown of what somebody gave: no secrets, no line breaks.

/// What stands in place of a secret.
pub(super) const HIDDEN: &str = "***";

/// `text` without what may be a secret: what stands between `//` and `@`, and what follows a `?`, up to the next URL or
/// line.
pub(super) fn without_secrets(text: &str) -> String {
    text.split('\n').map(line_without_secrets).collect::<Vec<_>>().join("\n")
}

fn line_without_secrets(line: &str) -> String {
    let mut shown: Vec<String> = Vec::new();
    let mut is_query = false;
    for word in line.split(' ') {
        if is_query && !word.contains("//") {
            continue;
        }
        let word = without_login(word);
        is_query = word.contains('?');
        shown.push(match word.split_once('?') {
            Some((before, _)) => format!("{before}?{HIDDEN}"),
            None => word,
        });
    }
    shown.join(" ")
}

fn without_login(word: &str) -> String {
    let mut shown = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once("//") {
        shown.push_str(before);
        shown.push_str("//");
        let authority = after.split(|c: char| c == '/' || c.is_whitespace()).next().unwrap_or_default();
        rest = match authority.rfind('@') {
            Some(at) => {
                shown.push_str(HIDDEN);
                &after[at..]
            }
            None => after,
        };
    }
    shown + rest
}

/// `text` on one line: control characters as `\n`, `\u{1b}`, everything else as it is.
pub(super) fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        for (text, shown) in [
            ("http://u:p@a/x http://b/@c", "http://***@a/x http://b/@c"),
            ("ftp://u:p@rt@a", "ftp://***@a"),
            ("http://a/?api_key=s http://b/x", "http://a/?*** http://b/x"),
            ("http://a/?k=s&l=%20#f http://u:p?q@b/?k=s", "http://a/?*** http://***@b/?***"),
            ("a:80/?k=s", "a:80/?***"),
            ("/x=mysql://u@a/b?query=SELECT 1&password=s\n/y=http://a/", "/x=mysql://***@a/b?***\n/y=http://a/"),
            ("0,300", "0,300"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }

    #[test]
    fn control_characters_alone_are_escaped() {
        assert_eq!(on_one_line("a'\"\\\n\u{1b}\u{fc}"), "a'\"\\\\n\\u{1b}\u{fc}");
    }
}
