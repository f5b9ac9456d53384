//! How text is written in all files: lines of at most 120 columns, one spelling.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders whose text has yet to be brought into this form. To become empty.
const NOT_YET: [&str; 5] = ["examples", "server/src", "server/tests", "src", "tests"];
/// Parts of these that are in form already.
const IN_FORM: [&str; 1] = ["server/tests/bench"];

/// All Rust and Markdown files of the workspace, as paths from its root.
fn texts() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.starts_with('.') || name.starts_with("target") {
                continue;
            }
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "md") {
                found.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    assert!(found.len() > 200, "{}", found.len());
    found.retain(|path| {
        IN_FORM.iter().any(|dir| path.starts_with(dir)) || !NOT_YET.iter().any(|dir| path.starts_with(dir))
    });
    found
}

fn for_each_line(check: impl Fn(&str, &str)) {
    for path in texts() {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path)).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            check(&format!("{}:{number}", path.display()), line);
        }
    }
}

#[test]
fn no_line_has_more_than_120_columns() {
    for_each_line(|place, line| {
        // A row of a table and a link cannot be broken.
        let text = line.trim_start().trim_start_matches(['/', '!']).trim_start();
        let is_one_piece = text.starts_with('|') || line.contains("](") || line.contains("://");
        assert!(is_one_piece || line.chars().count() <= 120, "{place} is too long: {line}");
    });
}

#[test]
fn canceled_has_one_spelling() {
    let other = ["cancel", "led"].concat();
    for_each_line(|place, line| {
        assert!(!line.to_lowercase().contains(&other), "{place} has another spelling of canceled: {line}");
    });
}
