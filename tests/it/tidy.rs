//! Promise: the source keeps its own rules: modules use only those below them, every file says first what
//! it is, none is too long, and what depends on the target or a feature stays where it is allowed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The road, from the ground up: a module uses those in the rows above its own, and no others. What is in
/// one row does not know of each other.
const ROAD: [&[&str]; 15] = [
    &["contain"],
    &["error", "sync", "tokio_quirks"],
    &["guid", "register", "stepping"],
    &["tracker", "transform"],
    &["async_result", "cancel"],
    &["completion", "mmcss", "observe"],
    &["queue"],
    &["operation"],
    &["task", "timer"],
    &["bounded_queue", "event", "method", "report"],
    &["byte_stream", "event_stream"],
    &["platform"],
    &["create_file", "rtwq", "testing", "timeline"],
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
    let modules = text
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    // What is not always there comes last, in a paragraph of its own.
    let modules: Vec<_> = modules
        .filter(|module| !["com", "guide", "testing", "timeline"].contains(module))
        .map(rank)
        .collect();
    assert!(modules.len() > 20 && modules.is_sorted(), "{modules:?}");
}

/// The file that a path of the crate leads to: the longest that names one.
fn file_of<'a>(path: &str, modules: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let mut path = path.trim_end_matches(':');
    loop {
        if let Some(file) = modules.get(path) {
            return Some(file);
        }
        path = path.rsplit_once("::")?.0;
    }
}

/// The paths that a file imports, as the crate's root sees them; braces are taken apart.
fn imports(module: &str, text: &str) -> Vec<String> {
    fn take_apart(before: &str, tree: &str, found: &mut Vec<String>) {
        let tree = tree.trim();
        let Some((head, rest)) = tree.split_once('{') else {
            found.push(format!("{before}{}", tree.split(" as ").next().unwrap().trim()));
            return;
        };
        let (before, mut depth, mut part) = (format!("{before}{head}"), 0, String::new());
        for c in rest.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if (c == ',' && depth == 0) || depth < 0 {
                if !part.trim().is_empty() {
                    take_apart(&before, &part, found);
                }
                part.clear();
                if depth < 0 {
                    return;
                }
            } else {
                part.push(c);
            }
        }
    }
    let code: String =
        text.lines().filter(|line| !is_comment(line)).map(|line| format!("{line}\n")).collect();
    let mut found = Vec::new();
    for statement in code.split(';') {
        let Some((_, tree)) = statement.rsplit_once("use ").filter(|(before, _)| {
            before.lines().last().unwrap_or_default().trim().trim_start_matches("pub").starts_with(['(', ' '])
                || before.lines().last().unwrap_or_default().trim().is_empty()
                || before.trim_end().ends_with("pub")
        }) else {
            continue;
        };
        let tree = tree.replace('\n', " ");
        if let Some(tree) = tree.strip_prefix("crate::") {
            take_apart("", tree, &mut found);
        } else if let Some(tree) = tree.strip_prefix("self::") {
            take_apart(&format!("{module}::"), tree, &mut found);
        } else if let (Some(tree), Some((parent, _))) =
            (tree.strip_prefix("super::"), module.rsplit_once("::"))
        {
            take_apart(&format!("{parent}::"), tree, &mut found);
        }
    }
    found
}

/// Whether a file is a model of the checkers' or a test, which may look at everything.
fn is_model(file: &str) -> bool {
    let model = ["/loom.rs", "/loom/", "/schedules.rs", "/schedules/"];
    model.iter().any(|part| file.contains(part))
}

/// Inside folders, too, imports point down only: files can be laid in floors so that none imports one above it. A module
/// that lists its children to hand them on does not import them.
#[test]
fn no_files_import_each_other_in_a_circle() {
    let sources = files(&["src"]);
    let modules: BTreeMap<_, _> = sources
        .keys()
        .map(|file| {
            let module = file.trim_start_matches("src/").trim_end_matches(".rs").replace('/', "::");
            (module, file.clone())
        })
        .collect();
    // What a module hands on, by its path.
    let mut handed_on = BTreeMap::new();
    for (module, file) in &modules {
        for path in imports(module, &sources[file]) {
            if let Some((_, name)) = path.rsplit_once("::") {
                handed_on.insert(format!("{module}::{name}"), path.clone());
            }
        }
    }
    let mut arrows: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (module, file) in modules.iter().filter(|(_, file)| !is_model(file)) {
        for mut path in imports(module, &sources[file]) {
            for _ in 0..8 {
                match handed_on.get(&path) {
                    Some(further) if file_of(&path, &modules) != Some(file) && *further != path => {
                        path = further.clone();
                    }
                    _ => break,
                }
            }
            let folder = format!("{}/", file.trim_end_matches(".rs"));
            match file_of(&path, &modules) {
                Some(used) if used != file && !used.starts_with(&folder) && !is_model(used) => {
                    arrows.entry(file).or_default().push(used);
                }
                _ => {}
            }
        }
    }
    // Takes away what imports nothing that is left, and what nothing that is left imports, floor by floor; what cannot
    // be taken away is in a circle.
    assert!(arrows.len() > 60, "{arrows:#?}");
    let mut left: Vec<&str> = modules.values().map(String::as_str).collect();
    loop {
        let standing = left.clone();
        let uses = |user: &str, used: &str| arrows.get(user).is_some_and(|all| all.contains(&used));
        left.retain(|file| {
            standing.iter().any(|other| uses(file, other)) && standing.iter().any(|other| uses(other, file))
        });
        if left.len() == standing.len() {
            break;
        }
    }
    assert!(left.is_empty(), "these import each other: {left:#?}");
}

#[test]
fn no_type_name_is_defined_twice() {
    let mut defined: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in files(&["src"]).into_iter().filter(|(file, _)| !is_model(file)) {
        for line in text.lines().filter(|line| !is_comment(line)) {
            let line = line.trim_start();
            let line = line
                .strip_prefix("pub")
                .map_or(line, |line| line.split_once(' ').map_or("", |(_, rest)| rest));
            for kind in ["struct ", "enum ", "trait ", "union "] {
                if let Some(rest) = line.strip_prefix(kind) {
                    let name =
                        rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
                    defined.entry(name.to_owned()).or_default().push(file.clone());
                }
            }
        }
    }
    // One that is chosen by a `cfg` stands twice in its file.
    defined.values_mut().for_each(|files| files.dedup());
    defined.retain(|name, files| files.len() > 1 && !ONCE_MORE.contains(&name.as_str()));
    assert!(defined.is_empty(), "{defined:#?}");
}

/// Names that may be defined more than once: the private halves of types, and the system's own platform and queues,
/// which stand beside ours in `com`.
const ONCE_MORE: [&str; 5] = ["State", "Inner", "Platform", "WorkQueue", "Sealed"];

/// The folders of this repository that have code.
const OURS: [&str; 9] = [
    "src",
    "tests",
    "examples",
    "benches",
    "compile_fail",
    "late_loading",
    "other_bindings",
    "rtworkq",
    "suites",
];

#[test]
fn every_file_says_first_what_it_is() {
    for (file, text) in files(&OURS) {
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
            let whole = [
                "mod ",
                "pub mod ",
                "pub(super) mod ",
                "pub(crate) mod ",
                "pub use ",
                "pub(crate) use ",
                "pub(crate) fn ",
            ]
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
        // Those with a dot are read by a leg; these others see to what a leg needs.
        let run = ["run", "nightly", "packages", "tool", "windows_target"].contains(&leg.as_str())
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
        for (file, text) in files(&OURS) {
            assert!(!text.contains(word), "{file} has {word}");
        }
    }
}
