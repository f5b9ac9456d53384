//! The documents say what the code does: options, routes, rooms, threads, links, figures.

#![cfg(feature = "cli")]

#[path = "support/http.rs"]
mod http;
#[path = "support/process.rs"]
mod process;

use http::get;
use process::Process;
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

/// Flags of programs that are not ours.
const FOREIGN_FLAGS: [&str; 14] = [
    "--all-features",
    "--bench",
    "--example",
    "--features",
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
    let help = headstart(&["--help"]) + &headstart(&["sample", "--help"]) + &headstart(&["fault", "--help"]);
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

/// The fenced blocks of a document in this language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    document.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_route_of_the_routes_page_is_one_and_every_source_has_a_row() {
    let page = text("docs/routes.md");
    let examples = blocks(&page, "sh").concat();
    assert!(examples.lines().count() >= 4);
    for line in examples.lines() {
        let (_, route) = line.split_once("--route ").unwrap();
        let check = headstart(&["--check", "--route", route.trim_matches('\'')]);
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

/// Starts what a line of a session starts, on a free port instead of the one it names.
fn start(line: &str, upstream: Option<&str>) -> (Process, String) {
    let (_, arguments) = line.trim_end_matches(" &").split_once("target/release/headstart ").unwrap();
    let mut arguments: Vec<&str> = arguments.split(' ').collect();
    let listen = arguments.iter().position(|argument| *argument == "--listen").unwrap();
    arguments[listen + 1] = "127.0.0.1:0";
    if let Some(upstream) = upstream {
        *arguments.last_mut().unwrap() = upstream;
    }
    let mut process = Process::start(process::headstart(&arguments));
    let address = process.address();
    (process, address)
}

#[test]
fn the_readme_s_session_with_an_upstream_of_its_own_works_as_written() {
    let session =
        blocks(&text("README.md"), "console").into_iter().find(|block| block.contains("--upstream http")).unwrap();
    let lines: Vec<&str> = session.lines().collect();
    assert_eq!(lines.len(), 6, "{session}");
    assert!(lines[1].contains("--listen 127.0.0.1:9001 --upstream http://127.0.0.1:9000/api/work"));
    let (_sample, sample) = start(lines[0], None);
    let (_server, server) = start(lines[1], Some(&format!("http://{sample}/api/work")));
    let target = |line: &str| line.split_once("127.0.0.1:9001").unwrap().1.trim_end_matches('\'').to_owned();
    let server = server.parse().unwrap();
    assert_eq!(get(server, &target(lines[2])).text(), lines[3]);
    // What succeeds in 400 ms is chance, and an array.
    let there = get(server, &target(lines[4])).json();
    let written: serde_json::Value = serde_json::from_str(lines[5]).unwrap();
    assert!(there.is_array() && written.is_array(), "{there}");
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

/// The names in code type in the first cells of a table's rows.
fn first_cells<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let rows = lines.filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2)).map(str::to_owned).collect()
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
