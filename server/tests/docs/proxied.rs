//! The page of the proxy: its commands and its file are taken, and every rule in its table has tests that exist.

use super::{blocks, headstart, root, text};
use std::fs;

/// The rows of the table of rules, in cells.
fn rules() -> Vec<Vec<String>> {
    let page = text("docs/proxy.md");
    let (_, table) = page.split_once("| RFC, section |").expect("the table");
    let rows = table.lines().filter(|line| line.starts_with("| 91"));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn every_rule_for_intermediaries_names_tests_that_exist() {
    let rules = rules();
    assert!(rules.len() > 40, "{}", rules.len());
    let mut before = String::new();
    for cells in rules {
        assert_eq!(cells.len(), 4, "{cells:?}");
        // By document, and by section as far as its first number tells.
        let place = |cell: &str| -> Option<(u32, u32)> {
            let (document, section) = cell.split_once(", ")?;
            Some((document.parse().ok()?, section.split(['.', ' ']).next()?.parse().ok()?))
        };
        let (now, earlier) = (place(&cells[0]), place(&before));
        assert!(now.is_some() && now >= earlier, "{} behind {before}", cells[0]);
        before.clone_from(&cells[0]);
        let tests: Vec<&str> = cells[3].split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test: {cells:?}");
        for test in tests {
            let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{test}"));
            let path = root().join("server/tests").join(file).with_extension("rs");
            let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{test}: {error}"));
            assert!(source.contains(&format!("#[test]\nfn {name}()")), "there is no {test}");
        }
    }
}

#[test]
fn the_commands_and_the_file_of_the_page_are_taken() {
    let page = text("docs/proxy.md");
    let commands = blocks(&page, "sh").concat();
    assert_eq!(commands.lines().count(), 1);
    for command in commands.lines() {
        let words: Vec<&str> = command.split(' ').skip(1).chain(["--check"]).collect();
        assert!(headstart(&words).contains("to = "), "{command}");
    }
    let file = std::env::temp_dir().join(format!("headstart-docs-proxy-{}.toml", std::process::id()));
    fs::write(&file, blocks(&page, "toml").concat()).unwrap();
    let shown = headstart(&["--check", "--config", file.to_str().unwrap()]);
    fs::remove_file(file).unwrap();
    assert!(shown.contains("/catalog/*"), "{shown}");
}
