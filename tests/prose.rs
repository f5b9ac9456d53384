//! How text is written in all files: lines of at most 120 columns, one spelling.

use std::fs;
use std::path::{Path, PathBuf};

/// What has yet to be brought into this form. To become empty.
const NOT_YET: [&str; 0] = [];

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
    found.retain(|path| !NOT_YET.iter().any(|part| path.starts_with(part)));
    found
}

/// The lines for which `is_wrong` holds, with their places.
fn lines(is_wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for path in texts() {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path)).unwrap();
        let numbered = (1..).zip(text.lines()).filter(|(_, line)| is_wrong(line));
        wrong.extend(numbered.map(|(number, line)| format!("{}:{number}: {line}", path.display())));
    }
    wrong
}

#[test]
fn no_line_has_more_than_120_columns() {
    let long = lines(|line| {
        // A row of a table and a link cannot be broken.
        let text = line.trim_start().trim_start_matches(['/', '!']).trim_start();
        let is_one_piece = text.starts_with('|') || line.contains("](") || line.contains("://");
        !is_one_piece && line.chars().count() > 120
    });
    assert!(long.is_empty(), "too long:\n{}", long.join("\n"));
}

#[test]
fn canceled_has_one_spelling() {
    let other = ["cancel", "led"].concat();
    let wrong = lines(|line| line.to_lowercase().contains(&other));
    assert!(wrong.is_empty(), "another spelling of canceled:\n{}", wrong.join("\n"));
}
