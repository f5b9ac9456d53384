//! No circle of files: who reads a file has to know those it uses, and in a circle that is all of them.
//!
//! A file uses another when it names the other's module, an item in it, or an item that a module above both passes on
//! from it. A module file (`mod.rs`) that declares its children and passes on their items does not use them by that;
//! where its own code names them, it does.

use super::{HOUSES, House, code, sources};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

type Module = Vec<String>;

/// The files of a package, by their module.
struct Files {
    code: BTreeMap<Module, String>,
    /// What a module passes on from its children: the name there, and the child's path with the item's name.
    passed_on: BTreeMap<Module, BTreeMap<String, Module>>,
}

impl Files {
    fn of(house: &House) -> Files {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join(house.src);
        let mut found = Vec::new();
        sources(&src, &mut found);
        let mut files = Files { code: BTreeMap::new(), passed_on: BTreeMap::new() };
        for file in found {
            let inside = file.strip_prefix(&src).unwrap().with_extension("");
            let mut module: Module = inside.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            if module.ends_with(&["mod".to_owned()]) || module == ["lib"] || module == ["main"] {
                module.pop();
            }
            // `lib.rs` and `main.rs` stand above everything, and tests beside the code may use what they like.
            if module.is_empty() || module.ends_with(&["tests".to_owned()]) {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            let product = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
            files.code.insert(module, code(product).collect::<Vec<_>>().join("\n"));
        }
        for (module, code) in &files.code {
            let statements = code.split(';').filter_map(|statement| {
                let (before, paths) = statement.rsplit_once("use ")?;
                before.trim_end().rsplit('\n').next()?.trim_start().starts_with("pub").then_some(paths)
            });
            let mut names = BTreeMap::new();
            for path in statements.flat_map(expanded) {
                if let Some(target) = files.absolute(module, &path) {
                    names.insert(target.last().unwrap().clone(), target);
                }
            }
            files.passed_on.insert(module.clone(), names);
        }
        files
    }

    /// A path as the files of `module` write it, from the root of the package; `None` when it leads out of the package.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        let mut from = module.clone();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => {
                from.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|part| part == "super") {
                    from.pop()?;
                    rest = &rest[1..];
                }
            }
            // A child of the module.
            child => {
                let child: Module = [from.as_slice(), &[child.to_owned()]].concat();
                if !self.code.contains_key(&child) {
                    return None;
                }
            }
        }
        from.extend(rest.iter().cloned());
        Some(from)
    }

    /// The module of the file in which that which a path leads to is defined.
    fn definer(&self, path: &Module) -> Option<&Module> {
        let mut path = path.clone();
        // Items are passed on from file to file; not for ever, whatever the files say.
        for _ in 0..8 {
            let depth = (1..=path.len()).rev().find(|depth| self.code.contains_key(&path[..*depth]))?;
            let (module, _) = self.code.get_key_value(&path[..depth])?;
            let origin = path.get(depth).and_then(|item| self.passed_on[module].get(item));
            match origin {
                Some(origin) => path = [origin.as_slice(), &path[depth + 1..]].concat(),
                None => return Some(module),
            }
        }
        None
    }

    /// The files that a file uses.
    fn used_by(&self, module: &Module) -> BTreeSet<&Module> {
        let code = &self.code[module];
        let mut used = BTreeSet::new();
        for path in paths(code) {
            if let Some(file) = self.absolute(module, &path).and_then(|path| self.definer(&path)) {
                used.insert(file);
            }
        }
        // What it passes on from a child and uses itself.
        for (name, path) in &self.passed_on[module] {
            let uses = code.match_indices(name.as_str()).filter(|(at, _)| is_word(code, *at, name.len())).count();
            let mentions =
                code.split(';').filter(|statement| statement.contains("use ") && statement.contains(name.as_str()));
            if uses > mentions.count() {
                used.extend(self.definer(path));
            }
        }
        used.remove(module);
        used
    }
}

fn is_word(code: &str, at: usize, length: usize) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    !code[..at].ends_with(part) && !code[at + length..].starts_with(part)
}

/// All paths of a file that may lead into the package: `use` statements of its own, and paths within the code.
fn paths(code: &str) -> Vec<Module> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("::") {
        let start = rest[..at].rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |before| before + 1);
        let line = rest[..start].rsplit('\n').next().unwrap().trim_start();
        let end = start + path_length(&rest[start..]);
        // What is only passed on is no use.
        if !(line.starts_with("pub") && line.ends_with("use ")) {
            found.extend(expanded(&rest[start..end]));
        }
        rest = &rest[end.max(at + 2)..];
    }
    found
}

/// How much of `text` is a path with its groups in braces.
fn path_length(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' if text[..at].ends_with("::") || depth > 0 => depth += 1,
            '}' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ if depth > 0 || c.is_alphanumeric() || c == '_' || c == ':' => {}
            _ => return at,
        }
    }
    text.len()
}

/// `a::{b, c::{d, e as f}}` as its single paths.
fn expanded(path: &str) -> Vec<Module> {
    let path = path.trim();
    let Some((prefix, group)) = path.split_once('{') else {
        let path = path.split(" as ").next().unwrap();
        let parts = path.split("::").map(|part| part.trim().to_owned());
        return vec![parts.filter(|part| !part.is_empty() && part != "*").collect()];
    };
    let prefix: Module =
        prefix.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    let (mut depth, mut start, mut members) = (0, 0, Vec::new());
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    let members = members.into_iter().filter(|member| !member.trim().is_empty());
    members
        .flat_map(expanded)
        .map(|member| {
            let member = if member == ["self"] { Vec::new() } else { member };
            [prefix.as_slice(), &member].concat()
        })
        .collect()
}

/// The shortest circle that a file is in.
fn circle<'a>(of: &'a Module, uses: &BTreeMap<&'a Module, BTreeSet<&'a Module>>) -> Option<Vec<&'a Module>> {
    let (mut came_from, mut waiting) = (BTreeMap::new(), VecDeque::from([of]));
    while let Some(file) = waiting.pop_front() {
        for next in &uses[file] {
            if *next == of {
                let mut circle = vec![of, file];
                while *circle.last().unwrap() != of {
                    circle.push(came_from[circle.last().unwrap()]);
                }
                circle.reverse();
                return Some(circle);
            }
            if !came_from.contains_key(next) {
                came_from.insert(*next, file);
                waiting.push_back(next);
            }
        }
    }
    None
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let mut circles = BTreeSet::new();
    for house in &HOUSES {
        let files = Files::of(house);
        let uses: BTreeMap<_, _> = files.code.keys().map(|file| (file, files.used_by(file))).collect();
        assert!(uses.values().any(|used| !used.is_empty()), "nothing uses anything in {}", house.src);
        for file in files.code.keys() {
            if let Some(circle) = circle(file, &uses) {
                let names: Vec<String> = circle.iter().map(|file| file.join("/")).collect();
                // Each once, and not for every file that is in it.
                let mut members = names.clone();
                members.sort();
                members.dedup();
                circles.insert((members, format!("{}: {}", house.src, names.join(" -> "))));
            }
        }
    }
    let mut seen = BTreeSet::new();
    let said: Vec<String> =
        circles.into_iter().filter(|(members, _)| seen.insert(members.clone())).map(|(_, said)| said).collect();
    assert!(said.is_empty(), "{} circles:\n{}", said.len(), said.join("\n"));
}

#[test]
fn paths_are_found_in_statements_groups_and_code() {
    let found: BTreeSet<String> = paths(
        "use super::{a::B, c::{self, D as E}};\npub use child::F;\nfn f() -> crate::g::H { other::i(self::j::K) }",
    )
    .iter()
    .map(|path| path.join("::"))
    .collect();
    let expected = ["super::a::B", "super::c", "super::c::D", "crate::g::H", "other::i", "self::j::K"];
    assert_eq!(found, expected.map(str::to_owned).into());
}
