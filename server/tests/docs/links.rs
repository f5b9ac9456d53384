//! Links lead somewhere, every page is linked, and the README is short.

use super::{documents, files, text};
use std::fs;
use std::path::PathBuf;

/// What a heading is linked by.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut links = 0;
    let mut documents = documents();
    documents.extend(files("tests", "md"));
    documents.extend(files("server/tests", "md"));
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for target in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if target.contains("://") || target.starts_with("crate::") {
                continue;
            }
            links += 1;
            let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
            let file = if path.is_empty() { document.clone() } else { document.parent().unwrap().join(path) };
            assert!(file.exists(), "{}: {target} is not there", document.display());
            if !fragment.is_empty() {
                let there = fs::read_to_string(&file).unwrap();
                let mut anchors = there.lines().filter(|line| line.starts_with('#')).map(anchor);
                assert!(anchors.any(|anchor| anchor == fragment), "{}: {target} is no heading", document.display());
            }
        }
    }
    assert!(links > 40, "{links}");
}

#[test]
fn every_page_is_linked_from_another() {
    let all: Vec<(PathBuf, String)> =
        documents().into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect();
    for page in files("docs", "md") {
        let page = page.canonicalize().unwrap();
        let is_linked = all.iter().filter(|(from, _)| from.canonicalize().unwrap() != page).any(|(from, text)| {
            let targets = text.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap());
            let mut files = targets.filter_map(|target| from.parent().unwrap().join(target).canonicalize().ok());
            files.any(|file| file == page)
        });
        assert!(is_linked, "nothing leads to {}", page.display());
    }
}

#[test]
fn the_readme_is_short_and_its_figures_are_on_the_page_of_figures() {
    let readme = text("README.md");
    assert!(readme.len() <= 9 * 1024, "{} bytes", readme.len());
    let (_, section) = readme.split_once("\n## Figures\n").unwrap();
    let lines: Vec<&str> =
        section.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("- ")).collect();
    assert_eq!(lines.len(), 3);
    let page = text("docs/figures.md");
    for line in lines {
        for figure in line.split([' ', '*', ';']).map(|word| word.trim_matches([',', '.'])) {
            let is_figure = figure.contains(|c: char| c.is_ascii_digit()) && !figure.starts_with('p');
            assert!(!is_figure || page.contains(figure), "{figure} is not on the page of figures");
        }
    }
}
