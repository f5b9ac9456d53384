//! The documents say what the code does: options, routes, rooms, threads, names, links, figures.

#![cfg(feature = "cli")]

mod links;
mod names;
mod proxied;
mod session;
mod tables;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace, in which all paths below are given.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|dir| dir.join("docs").is_dir()).unwrap().to_owned()
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files below `dir` whose name ends so.
fn files(dir: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![root().join(dir)];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => dirs.push(path),
                false if path.extension().is_some_and(|its| its == extension) => found.push(path),
                false => {}
            }
        }
    }
    found
}

/// The documents for users.
fn documents() -> Vec<PathBuf> {
    let mut documents: Vec<PathBuf> =
        ["README.md", "CHANGELOG.md", "SECURITY.md"].iter().map(|name| root().join(name)).collect();
    documents.extend(files("docs", "md"));
    assert!(documents.len() > 15, "{documents:?}");
    documents
}

fn headstart(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_headstart")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The fenced blocks of a document in this language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    document.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// The rest of a document, and in it what is in code type within a line.
fn spans(document: &str) -> Vec<String> {
    let prose: Vec<&str> = document.split("```").step_by(2).collect();
    prose.iter().flat_map(|text| text.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// The names in code type in the first cells of a table's rows.
fn first_cells<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let rows = lines.filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}
