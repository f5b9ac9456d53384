//! What the documents name exists: flags, variables, metrics, types, members, benches, examples.

use super::{documents, files, headstart, root, spans};
use std::collections::BTreeSet;
use std::fs;

/// Flags of programs that are not ours.
const FOREIGN_FLAGS: [&str; 15] = [
    "--all-features",
    "--bench",
    "--example",
    "--features",
    "--load",
    "--minutes",
    "--no-default-features",
    "--open",
    "--path",
    "--quick",
    "--release",
    "--rounds",
    "--seconds",
    "--test",
    "--workspace",
];

#[test]
fn every_flag_variable_and_metric_in_the_documents_exists() {
    let help = ["serve", "proxy", "sample", "fault", "advise"].map(|verb| headstart(&[verb, "--help"])).concat();
    let words = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).map(str::to_owned).collect()
    };
    let known = words(&help);
    let metrics: String = files("server/src", "rs").iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    for document in documents() {
        for word in words(&fs::read_to_string(&document).unwrap()) {
            let place = document.display();
            let is_flag = word.starts_with("--") && !word.ends_with('-');
            if is_flag && !FOREIGN_FLAGS.contains(&word.as_str()) {
                assert!(known.contains(&word), "{place}: {word} is no option");
            }
            if word.starts_with("HEADSTART_") {
                let verb = if word.starts_with("HEADSTART_FAULT") { "fault" } else { "serve" };
                assert!(headstart(&[verb, "--help"]).contains(&word), "{place}: {word} is no variable");
            }
            if let Some(metric) = word.strip_prefix("headstart_").filter(|name| !["server", "fault"].contains(name)) {
                let name = metric.trim_end_matches("_total");
                assert!(metrics.contains(&format!("\"{name}\"")), "{place}: {word} is no metric");
            }
        }
    }
}

/// Names in the documents' code type that others declare.
const FOREIGN_NAMES: [&str; 19] = [
    "Accept",
    "Allow",
    "Connection",
    "Content",
    "Date",
    "Duration",
    "Expect",
    "Fn",
    "Forwarded",
    "Host",
    "Keep",
    "Max",
    "Proxy",
    "Retry",
    "Trailer",
    "Transfer",
    "Upgrade",
    "User",
    "Via",
];

#[test]
fn every_type_and_member_in_the_documents_exists() {
    let mut declared = BTreeSet::new();
    for file in ["src", "server/src", "fault/src"].iter().flat_map(|dir| files(dir, "rs")) {
        for line in fs::read_to_string(&file).unwrap().lines() {
            let words = line.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
            let words: Vec<&str> = words.collect();
            let kinds = ["struct", "enum", "trait", "type", "fn", "pub", "mod"];
            let items = words.windows(2).filter(|pair| kinds.contains(&pair[0])).map(|pair| pair[1].to_owned());
            declared.extend(items);
            // A variant of an enum, which is the first word of its line.
            let is_variant = line.starts_with("    ") && line[4..].starts_with(char::is_uppercase);
            declared.extend(words.first().filter(|_| is_variant).map(|word| (*word).to_owned()));
        }
    }
    let mut names = 0;
    for document in documents().into_iter().filter(|path| !path.ends_with("CHANGELOG.md")) {
        for span in spans(&fs::read_to_string(&document).unwrap()) {
            let path: String = span.chars().take_while(|c| c.is_ascii_alphanumeric() || "_:".contains(*c)).collect();
            let is_type = path.starts_with(|c: char| c.is_ascii_uppercase()) && path.contains(char::is_lowercase);
            let parts: Vec<&str> = path.split("::").collect();
            if is_type && !parts[0].contains(':') && !FOREIGN_NAMES.contains(&parts[0]) {
                names += parts.len();
                let missing = parts.iter().find(|part| !declared.contains(**part));
                assert!(missing.is_none(), "{}: there is no {missing:?} for `{span}`", document.display());
            }
        }
    }
    assert!(names > 40, "{names}");
}

#[test]
fn every_bench_and_example_in_the_documents_exists() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for (flag, dirs) in [("--bench ", ["server/tests/bench"; 2]), ("--example ", ["examples", "server/examples"])] {
            for rest in text.split(flag).skip(1) {
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let is_there = dirs.iter().any(|dir| {
                    let path = root().join(dir).join(&name);
                    path.is_dir() || path.with_extension("rs").is_file()
                });
                assert!(is_there, "{}: there is no {flag}{name}", document.display());
            }
        }
    }
}
