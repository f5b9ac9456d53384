//! The README says what the binary does.

#![cfg(feature = "cli")]

use std::process::Command;

/// One option as `--help` shows it: the flag with its value's name, and the default.
fn options() -> Vec<(String, String)> {
    options_of(&["--help"])
}

/// Those that `headstart fault` has for itself, and those it shares.
fn fault_options() -> Vec<(String, String)> {
    options_of(&["fault", "--help"])
}

fn options_of(help: &[&str]) -> Vec<(String, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_headstart")).args(help).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let mut options = Vec::<(String, String)>::new();
    for line in help.lines() {
        if let Some(flag) = line.strip_prefix("      --") {
            let shown = flag.replace(['<', '>'], "").replace("[=BOOL]", "");
            options.push((format!("--{shown}"), String::new()));
        } else if let (Some(text), Some(last)) = (line.strip_prefix("          "), options.last_mut()) {
            last.1 += &format!("{text} ");
        }
    }
    for (_, text) in &mut options {
        let default = text.split("[default: ").nth(1).and_then(|rest| rest.split(']').next());
        *text = default.unwrap_or_default().to_owned();
    }
    options
}

#[test]
fn the_table_of_options_is_that_of_the_binary() {
    let readme = include_str!("../../README.md");
    let options = options();
    assert!(options.len() > 25, "{options:?}");
    for (flag, default) in options {
        if flag.starts_with("--sample-") {
            let short = flag.split(' ').next().unwrap().replace("--sample-", "`--");
            assert!(readme.contains(&short), "{flag} is not in the README");
            continue;
        }
        if ["--config FILE", "--check"].contains(&flag.as_str()) {
            assert!(readme.contains(&flag), "{flag} is not in the README");
            continue;
        }
        let default = if default == "not set" { String::new() } else { format!("`{default}`") };
        let row = format!("| `{flag}` | {default} |");
        assert!(readme.contains(&row), "the README has no row {row}");
    }
}

#[test]
fn every_row_of_the_table_is_an_option() {
    let options: Vec<String> = options().into_iter().chain(fault_options()).map(|(flag, _)| flag).collect();
    for line in include_str!("../../README.md").lines() {
        if let Some(row) = line.strip_prefix("| `--") {
            let flag = format!("--{}", row.split('`').next().unwrap());
            assert!(options.contains(&flag), "{flag} is not an option");
        }
    }
}

#[test]
fn what_the_plain_front_cannot_do_is_in_its_source_and_in_the_readme_alike() {
    fn table<'a>(text: &'a str, prefix: &str) -> Vec<&'a str> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(prefix));
        lines.skip_while(|line| !line.starts_with("| missing ")).take_while(|line| line.starts_with('|')).collect()
    }
    let source = table(include_str!("../src/front/plain.rs"), "//! ");
    assert!(source.len() > 10, "{source:?}");
    assert_eq!(source, table(include_str!("../../README.md"), ""));
}

#[test]
fn the_table_of_the_fault_proxy_is_that_of_the_binary() {
    let readme = include_str!("../../README.md");
    let (_, section) = readme.split_once("## A bad network").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let shared = options();
    let own: Vec<_> = fault_options().into_iter().filter(|option| !shared.contains(option)).collect();
    assert!(own.len() > 8, "{own:?}");
    for (flag, default) in own {
        let default = if default == "not set" { String::new() } else { format!("`{default}`") };
        let row = format!("| `{flag}` | {default} |");
        assert!(section.contains(&row), "the section has no row {row}");
    }
}
