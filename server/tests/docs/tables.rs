//! The tables of the documents are those of the binary, the packages and the sources.

use super::{blocks, files, first_cells, headstart, root, text};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// Each option as `--help` shows it: the flag with its value's name, and the default.
fn options(help: &[&str]) -> Vec<(String, String)> {
    let mut options = Vec::<(String, String)>::new();
    for line in headstart(help).lines() {
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

/// The row of an option's table, up to the meaning.
fn row((flag, default): &(String, String)) -> String {
    match default.as_str() {
        "not set" => format!("| `{flag}` |  |"),
        default => format!("| `{flag}` | `{default}` |"),
    }
}

#[test]
fn the_table_of_options_is_that_of_the_binary() {
    let page = text("docs/options.md");
    let options = options(&["--help"]);
    assert!(options.len() > 25, "{options:?}");
    for option in &options {
        let flag = option.0.split(' ').next().unwrap();
        match flag.strip_prefix("--sample-") {
            Some(short) => assert!(page.contains(&format!("`--{short}`")), "{flag} is not on the page"),
            None if ["--config", "--check"].contains(&flag) => {
                assert!(page.contains(flag), "{flag} is not on the page")
            }
            None => assert!(page.contains(&row(option)), "the page has no row {}", row(option)),
        }
    }
    let rows = page.lines().filter(|line| line.starts_with("| `--")).count();
    assert_eq!(
        rows,
        options.iter().filter(|(flag, default)| !default.is_empty() && !flag.starts_with("--sample-")).count()
    );
}

#[test]
fn the_table_of_the_fault_proxy_is_that_of_the_binary() {
    let page = text("docs/bad-networks.md");
    let shared = options(&["--help"]);
    let own: Vec<_> = options(&["fault", "--help"]).into_iter().filter(|option| !shared.contains(option)).collect();
    assert!(own.len() > 8, "{own:?}");
    for option in &own {
        assert!(page.contains(&row(option)), "the page has no row {}", row(option));
    }
    assert_eq!(page.lines().filter(|line| line.starts_with("| `--")).count(), own.len());
}

#[test]
fn the_table_of_the_advice_is_that_of_the_binary() {
    let page = text("docs/advise.md");
    let own = options(&["advise", "--help"]);
    assert_eq!(own.len(), 5, "{own:?}");
    for (flag, default) in own {
        let default = if default.is_empty() { "not set".to_owned() } else { default };
        let row = row(&(flag, default));
        assert!(page.contains(&row), "the page has no row {row}");
    }
    assert_eq!(page.lines().filter(|line| line.starts_with("| `--")).count(), 5);
}

#[test]
#[cfg_attr(
    not(all(
        feature = "tls",
        feature = "memcached",
        feature = "mysql",
        feature = "xmlrpc",
        feature = "command",
        unix
    )),
    ignore = "a build with all sources is needed"
)]
fn every_route_of_the_routes_page_is_one_and_every_source_has_a_row() {
    let page = text("docs/routes.md");
    let examples = blocks(&page, "sh").concat();
    assert!(examples.lines().count() >= 4);
    for line in examples.lines() {
        let routes: Vec<&str> = line.split("--route ").skip(1).map(|route| route.trim().trim_matches('\'')).collect();
        assert!(!routes.is_empty(), "{line}");
        let check = headstart(
            &[&["--check"], routes.iter().flat_map(|route| ["--route", route]).collect::<Vec<_>>().as_slice()].concat(),
        );
        assert!(check.contains("route"), "{check}");
    }
    let file = std::env::temp_dir().join(format!("headstart-docs-{}.toml", std::process::id()));
    fs::write(&file, blocks(&page, "toml").concat()).unwrap();
    headstart(&["--check", "--config", file.to_str().unwrap()]);
    fs::remove_file(file).unwrap();

    let refused =
        Command::new(env!("CARGO_BIN_EXE_headstart")).args(["--check", "--route", "/x=tea:y"]).output().unwrap();
    let refused = String::from_utf8(refused.stderr).unwrap();
    let schemes = ["http", "https", "memcached", "mysql", "xmlrpc", "xmlrpcs", "command"];
    for scheme in schemes {
        assert!(refused.contains(&format!("{scheme}:")), "{scheme} is no source: {refused}");
        assert!(page.contains(&format!("`{scheme}:")), "{scheme} has no row");
    }
}

#[test]
fn the_endpoints_of_the_readme_are_those_of_the_description() {
    let readme = text("README.md");
    let rows: String = readme.lines().filter(|line| line.starts_with("| `GET ")).collect();
    let mut named: Vec<&str> = rows.split("`GET ").skip(1).map(|row| row.split(['`', '[']).next().unwrap()).collect();
    let description: serde_json::Value = serde_json::from_str(&text("server/src/api/openapi.json")).unwrap();
    let mut paths: Vec<&str> = description["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    named.sort_unstable();
    paths.sort_unstable();
    assert_eq!(named, paths);
}

#[test]
fn what_the_plain_front_cannot_do_is_in_its_source_and_on_its_page_alike() {
    fn table(text: &str, prefix: &str) -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(prefix));
        let lines = lines.skip_while(|line| !line.starts_with("| missing "));
        lines.take_while(|line| line.starts_with('|')).map(str::to_owned).collect()
    }
    let source = table(&text("server/src/front/plain.rs"), "//! ");
    assert!(source.len() > 10, "{source:?}");
    assert_eq!(source, table(&text("docs/plain.md"), ""));
}

#[test]
fn every_room_is_on_the_map_and_every_thread_in_its_table() {
    let page = text("docs/architecture.md");
    let (map, rest) = page.split_once("## One request").unwrap();
    let on_the_map = first_cells(map.lines());
    let mut rooms = BTreeSet::new();
    for src in ["src", "server/src"] {
        for entry in fs::read_dir(root().join(src)).unwrap() {
            rooms.insert(entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    rooms.remove("lib");
    assert_eq!(on_the_map, rooms);

    let (_, threads) = rest.split_once("## Threads").unwrap();
    let in_the_table = first_cells(threads.lines());
    // The crew gives its threads one name, and its alarm a name made from it.
    assert!(text("src/crew/alarm.rs").contains("-alarm\""));
    let mut named = BTreeSet::from(["headstart".to_owned(), "headstart-alarm".to_owned()]);
    for src in ["src", "server/src", "fault/src"] {
        for file in files(src, "rs") {
            let code = fs::read_to_string(&file).unwrap();
            for name in code.split(".name(\"headstart-").skip(1) {
                named.insert(format!("headstart-{}", name.split('"').next().unwrap()));
            }
        }
    }
    assert_eq!(in_the_table, named);
}

#[test]
fn the_features_of_the_documents_are_those_of_the_packages() {
    fn declared(manifest: &str) -> BTreeSet<String> {
        let (_, features) = manifest.split_once("\n[features]\n").unwrap();
        let features = features.split("\n[").next().unwrap();
        let names = features.lines().filter(|line| line.starts_with(char::is_alphanumeric) && line.contains(" = "));
        names.map(|line| line.split(" = ").next().unwrap().to_owned()).filter(|name| name != "default").collect()
    }
    fn told(page: &str) -> BTreeSet<String> {
        let rows = page.lines().skip_while(|line| !line.starts_with("| feature of")).skip(2);
        first_cells(rows.take_while(|line| line.starts_with('|')))
    }
    assert_eq!(told(&text("docs/embedding/README.md")), declared(&text("Cargo.toml")));
    assert_eq!(told(&text("docs/embedding/server.md")), declared(&text("server/Cargo.toml")));
}
