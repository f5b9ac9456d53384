//! The rules of the house: imports go down only, rooms know only what they should, dependencies keep to our compiler.

mod circles;
mod targets;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A package: where its sources are, and its rooms from the ground up. A module may use its own row and those before
/// it.
struct House {
    src: &'static str,
    floors: &'static [&'static [&'static str]],
}

const HOUSES: [House; 3] = [
    House {
        src: "src",
        floors: &[
            &["sync", "deadline", "cancel", "error", "limit", "event", "json", "ready"],
            &["relay"],
            &["crew"],
            &["race", "timeout"],
            &["policy"],
            &["net"],
            &["http", "xmlrpc", "memcached", "mysql", "command"],
        ],
    },
    House {
        src: "server/src",
        floors: &[
            &["sync", "panics", "error"],
            &["source", "front"],
            &["proxy"],
            &["api", "metrics", "sample"],
            &["advise"],
            &["main", "cli"],
        ],
    },
    House { src: "fault/src", floors: &[&["sync", "error"], &["faults", "lane", "flow", "connection", "relay"]] },
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

impl House {
    fn floor(&self, room: &str) -> usize {
        let floor = self.floors.iter().position(|rooms| rooms.contains(&room));
        floor.unwrap_or_else(|| panic!("no floor for the room '{room}' in {}", self.src))
    }

    /// Each source file of the package with the room it is in.
    fn rooms(&self) -> Vec<(String, PathBuf, String)> {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join(self.src);
        let mut files = Vec::new();
        sources(&src, &mut files);
        files
            .into_iter()
            .map(|file| {
                let inside = file.strip_prefix(&src).unwrap();
                let first = inside.iter().next().unwrap().to_str().unwrap();
                let text = fs::read_to_string(&file).unwrap();
                (first.trim_end_matches(".rs").to_owned(), file, text)
            })
            .filter(|(room, ..)| room != "lib")
            .collect()
    }
}

/// Each source file of all packages with the room it is in.
fn rooms() -> impl Iterator<Item = (String, PathBuf, String)> {
    HOUSES.iter().flat_map(House::rooms)
}

/// The code of a file: no comments, which may link upwards.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split("//").next().unwrap())
}

#[test]
fn imports_go_down_only() {
    for (house, (room, file, text)) in
        HOUSES.iter().flat_map(|house| house.rooms().into_iter().map(move |of| (house, of)))
    {
        for line in code(&text) {
            for path in line.split("crate::").skip(1) {
                let target: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if target.starts_with(|c: char| c.is_lowercase()) && target != "tests" {
                    let is_below = house.floor(&target) <= house.floor(&room);
                    assert!(is_below, "{} reaches up into '{target}': {line}", file.display());
                }
            }
        }
    }
}

#[test]
fn rooms_know_only_what_they_should() {
    let forbidden = [
        ("race", vec!["http", "ureq", "Socket", "TcpStream"]),
        ("policy", vec!["http", "ureq", "Socket", "TcpStream"]),
        ("crew", vec!["http", "ureq", "TcpStream"]),
        ("front", vec!["ureq", "prometheus", "Race"]),
        ("api", vec!["ureq", "prometheus", "TcpStream"]),
        ("net", vec!["prometheus", "ureq", "httparse", "Race", "Attempt"]),
        ("http", vec!["prometheus"]),
        ("memcached", vec!["ureq", "prometheus", "Race"]),
        ("mysql", vec!["ureq", "prometheus", "Race"]),
        ("xmlrpc", vec!["prometheus", "ureq", "TcpStream"]),
    ];
    for (room, file, text) in rooms() {
        for (_, words) in forbidden.iter().filter(|(name, _)| *name == room) {
            for line in code(&text) {
                let words: Vec<_> = words.iter().filter(|word| line.contains(**word)).collect();
                assert!(words.is_empty(), "{} knows {words:?}: {line}", file.display());
            }
        }
    }
}

#[test]
fn threads_start_where_their_owner_is() {
    for (room, file, text) in rooms().filter(|(_, file, _)| !file.ends_with("tests.rs")) {
        // Tests may start what they like, in files of their own and at a file's end.
        let product = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
        for line in code(product) {
            assert!(!line.contains("thread::spawn") && !line.contains("thread::scope"), "{}: {line}", file.display());
            let starts = line.contains("thread::Builder");
            assert!(!starts || ["crew", "front"].contains(&room.as_str()), "{} starts a thread", file.display());
        }
    }
}

#[test]
fn every_dependency_works_with_our_rust_version() {
    let ours = version(env!("CARGO_PKG_RUST_VERSION"));
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 20);
    for package in packages {
        if let Some(theirs) = package["rust_version"].as_str() {
            assert!(version(theirs) <= ours, "{} {} needs Rust {theirs}", package["name"], package["version"]);
        }
    }
}

fn version(text: &str) -> (u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap());
    (parts.next().unwrap(), parts.next().unwrap_or(0))
}

/// The packages in the tree of normal dependencies of `headstart`, with what `features` say.
fn dependencies(features: &[&str]) -> std::collections::BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--locked", "--offline"])
        .args(["--package", "headstart"])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).unwrap();
    names.lines().filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[test]
fn a_race_of_closures_takes_twelve_packages_at_most() {
    let packages = dependencies(&["--no-default-features"]);
    assert!(packages.contains("headstart") && packages.contains("crossbeam-channel"), "{packages:?}");
    assert!(packages.len() <= 12, "{packages:?}");
}

#[test]
fn no_feature_of_the_library_brings_what_only_a_server_needs() {
    let packages = dependencies(&["--all-features"]);
    assert!(packages.contains("ureq"), "{packages:?}");
    for foreign in ["clap", "toml", "prometheus-client", "tiny_http", "mio", "env_logger"] {
        assert!(!packages.contains(foreign), "{foreign}");
    }
}
