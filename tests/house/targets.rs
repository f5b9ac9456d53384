//! No test file is left out, and files are shared through packages.

use super::sources;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Targets are named one by one, and so are their modules: a file that nobody names would never run.
#[test]
fn every_file_of_the_tests_is_compiled() {
    for package in [".", "server", "fault"] {
        let package = root().join(package);
        let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
        let model = root().join("tests/model");
        let mut open: Vec<PathBuf> = manifest
            .lines()
            .filter_map(|line| line.strip_prefix("path = \"tests/")?.strip_suffix('"'))
            .map(|path| package.join("tests").join(path))
            .chain(package.join("tests").eq(&root().join("tests")).then(|| model.join("main.rs")))
            .collect();
        let mut compiled = BTreeSet::new();
        while let Some(file) = open.pop() {
            let Ok(text) = fs::read_to_string(&file) else { continue };
            let directory = match file.file_stem().unwrap().to_str().unwrap() {
                "mod" | "main" | "alone" | "timing" => file.parent().unwrap().to_owned(),
                // A bench's root, too, has its modules beside it.
                _ if manifest.contains(&format!("\"{}\"", file.strip_prefix(&package).unwrap().display())) => {
                    file.parent().unwrap().to_owned()
                }
                _ => file.with_extension(""),
            };
            for line in text.lines().map(str::trim) {
                let declared = line.rsplit_once("mod ").filter(|(before, _)| !before.contains(['/', '"']));
                if let Some(name) = declared.and_then(|(_, name)| name.strip_suffix(';')) {
                    open.push(directory.join(name).with_extension("rs"));
                    open.push(directory.join(name).join("mod.rs"));
                }
            }
            for (_, path) in
                text.lines().filter_map(|line| line.trim().strip_prefix("#[path = ")).map(|path| ((), path))
            {
                let path = path.trim_matches(['"', ']']);
                open.push(file.parent().unwrap().join(path));
            }
            compiled.insert(file.canonicalize().unwrap());
        }
        let mut files = Vec::new();
        sources(&package.join("tests"), &mut files);
        let left_out: Vec<PathBuf> = files
            .into_iter()
            .filter(|file| !file.components().any(|part| part.as_os_str() == "rivals"))
            .filter(|file| !compiled.contains(&file.canonicalize().unwrap()))
            .collect();
        assert!(left_out.is_empty(), "no target has {left_out:#?}");
    }
}

/// Other packages' and other targets' files are reached through a package, not through a path. The models and the
/// oracle compile files of the product against something else, and say so.
#[test]
fn only_models_and_the_oracle_name_files_by_their_path() {
    let mut files = Vec::new();
    ["tests", "server/tests", "fault/tests", "testing"]
        .iter()
        .for_each(|place| sources(&root().join(place), &mut files));
    for file in files {
        let may = file.ends_with("tests/model/main.rs") || file.ends_with("tests/oracle/main.rs");
        let text = fs::read_to_string(&file).unwrap();
        let names = text.lines().any(|line| line.trim_start().starts_with(concat!("#[", "path")));
        assert!(may || !names || file.components().any(|part| part.as_os_str() == "bench"), "{}", file.display());
    }
}
