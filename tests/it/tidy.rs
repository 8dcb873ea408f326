//! Promise: the source keeps its own rules: modules use only those below them, every file says first what
//! it is, none is too long, and what depends on the target or a feature stays where it is allowed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The road, from the ground up: a module uses those in the rows above its own, and no others. What is in
/// one row does not know of each other.
const ROAD: [&[&str]; 13] = [
    &["error", "sync"],
    &["keepalive", "guid", "transform"],
    &["async_result"],
    &["observe", "mmcss"],
    &["queue"],
    &["operation"],
    &["timer", "task", "cancel_cookie"],
    &["event", "limited_queue", "method", "report"],
    &["event_stream", "byte_stream"],
    &["platform"],
    &["create_file", "testing"],
    &["source_resolver"],
    &["com", "guide"],
];

/// Files that may ask for the target in the middle of a function: the system's error numbers, and its drives.
const CHOOSERS: [&str; 3] = ["src/error.rs", "src/source_resolver/url.rs", "src/sync.rs"];

/// A file with more lines than this, comments and blank ones not counted, is two files.
const LINES: usize = 500;

/// Every Rust file below these folders, by its path from here, with its text.
fn files(folders: &[&str]) -> BTreeMap<String, String> {
    fn add(folder: &Path, root: &Path, found: &mut BTreeMap<String, String>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                add(&path, root, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeMap::new();
    folders.iter().for_each(|folder| add(&root.join(folder), &root, &mut found));
    assert!(!found.is_empty());
    found
}

/// The top-level module that a source file belongs to.
fn module(file: &str) -> &str {
    let path = file.strip_prefix("src/").unwrap();
    path.split(['/', '.']).next().unwrap()
}

fn rank(module: &str) -> usize {
    ROAD.iter()
        .position(|row| row.contains(&module))
        .unwrap_or_else(|| panic!("module {module} has no place on the road: give it one here"))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

#[test]
fn modules_use_only_those_below_them() {
    let mut wrong = Vec::new();
    for (file, text) in files(&["src"]) {
        let user = module(&file);
        if user == "lib" {
            continue;
        }
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !is_comment(line)) {
            for path in line.split("crate::").skip(1) {
                let used = path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                // A name that the crate's root exports, rather than a module.
                if used.is_empty() || used.starts_with(char::is_uppercase) {
                    continue;
                }
                let below = rank(used) < rank(user) || used == user;
                if !below {
                    wrong.push(format!("{file}:{}: {user} uses {used}", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The list of modules is the road, a paragraph for each row, save for those that are not always there.
#[test]
fn the_crate_lists_its_modules_in_road_order() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap();
    let modules: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).map(rank).collect();
    assert!(modules.len() > 20 && modules.is_sorted(), "{modules:?}");
}

#[test]
fn every_file_says_first_what_it_is() {
    for (file, text) in files(&["src", "tests", "examples", "benches", "compile_fail"]) {
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") && first.len() > 10, "{file} begins with {first:?}");
    }
}

#[test]
fn no_file_is_too_long() {
    for (file, text) in files(&["src"]) {
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !is_comment(line)).count();
        assert!(lines <= LINES, "{file} has {lines} lines of code");
    }
}

#[test]
fn what_depends_on_the_target_is_a_whole_module() {
    for (file, text) in files(&["src"]) {
        if CHOOSERS.contains(&file.as_str()) || module(&file) == "com" {
            continue;
        }
        let lines: Vec<_> = text.lines().filter(|line| !is_comment(line)).map(str::trim).collect();
        for (number, line) in lines.iter().enumerate() {
            assert!(!line.contains("cfg!("), "{file}: {line}");
            if !line.starts_with("#[cfg(") {
                continue;
            }
            let item = lines[number + 1..].iter().find(|line| !line.starts_with("#[")).unwrap();
            // A method for the sake of a module that is not always there goes with that module.
            let whole =
                ["mod ", "pub mod ", "pub(super) mod ", "pub use ", "pub(crate) use ", "pub(crate) fn "]
                    .iter()
                    .any(|start| item.starts_with(start));
            assert!(whole, "{file}: {line} {item}");
        }
    }
}

#[test]
fn unsafe_stays_where_it_is_allowed() {
    for (file, text) in files(&["src"]) {
        if module(&file) == "com" {
            continue;
        }
        let found = text
            .lines()
            .find(|line| !is_comment(line) && line.split_whitespace().any(|word| word == "unsafe"));
        assert_eq!(found, None, "{file}");
    }
}

/// What is packed and published has neither the legs nor the workflow with it.
#[test]
fn the_workflow_runs_every_leg() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let Ok(legs) = fs::read_dir(root.join(".ci")) else { return };
    let workflow = fs::read_to_string(root.join(".github/workflows/ci.yml")).unwrap();
    for leg in legs.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        // Those with a dot are read by a leg, and so is the one that chooses a nightly.
        let run = ["run", "nightly"].contains(&leg.as_str())
            || leg.contains('.')
            || workflow.contains(&format!("- {leg}\n"))
            || workflow.contains(&format!("- run: bash .ci/{leg} "));
        assert!(run, ".github/workflows/ci.yml does not run {leg}");
    }
}

#[test]
fn nothing_is_put_off() {
    // Written in two pieces, so that this file does not find itself.
    for word in
        [concat!("to", "do!("), concat!("un", "implemented!("), concat!("#[ig", "nore"), concat!("FIX", "ME")]
    {
        for (file, text) in files(&["src", "tests", "examples", "benches", "compile_fail"]) {
            assert!(!text.contains(word), "{file} has {word}");
        }
    }
}
