//! Promise: what the documentation says of the code is so: each number in it is that of a constant, and each file, test
//! and example that it names is there.

use std::fs;
use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The value of a constant in a file, as it is written there.
fn constant(file: &str, name: &str) -> String {
    let text = read(file);
    let line = text.lines().find(|line| line.contains(&format!("const {name}: ")));
    let line = line.unwrap_or_else(|| panic!("{file} has no constant {name}"));
    // What a model or a measurement has in place of it comes first.
    let value =
        line.rsplit_once("else { ").map_or_else(|| line.split_once(" = ").unwrap().1, |(_, value)| value);
    value.trim_end_matches([';', ' ', '}']).to_owned()
}

/// A number, or a duration with its unit, as people write it.
fn spoken(value: &str) -> String {
    let units = [("from_secs", " s"), ("from_millis", " ms"), ("from_micros", " µs")];
    let unit = units.iter().find(|(call, _)| value.starts_with(&format!("Duration::{call}(")));
    match unit {
        Some((_, unit)) => {
            let number = value.split_once('(').unwrap().1.trim_end_matches(')');
            format!("{number}{unit}")
        }
        None => value.to_owned(),
    }
}

#[test]
fn numbers_are_those_of_the_code() {
    let said = [
        ("src/guide/ordering.md", "at most {} or", "src/queue/budget.rs", "SLICE"),
        ("src/guide/ordering.md", "or {} items", "src/queue/budget.rs", "ITEMS"),
        ("src/guide/ordering.md", "for about {} ms and items wait", "src/queue/engine.rs", "STALL"),
        ("src/guide/ordering.md", "up to {}. A helper", "src/queue/engine.rs", "HELPERS"),
        ("src/guide/shutdown.md", "up to the deadline: {},", "src/platform/builder.rs", "DEADLINE"),
        ("src/platform.rs", "All of that has {}, or", "src/platform/builder.rs", "DEADLINE"),
        ("src/platform/builder.rs", "{} by default", "src/platform/builder.rs", "DEADLINE"),
        ("src/platform/builder.rs", "or more than {};", "src/platform/builder.rs", "MOST_WORKERS"),
        ("src/platform/work_items.rs", "Calls `callback` every {} on", "src/timer.rs", "PERIOD"),
        ("src/platform/work_items.rs", "The period of periodic callbacks: {}.", "src/timer.rs", "PERIOD"),
        ("src/event_stream.rs", "if it refuses {} times", "src/event_stream.rs", "REFUSALS"),
        ("src/event_stream.rs", "again, after {} at first", "src/event_stream.rs", "FIRST_PAUSE"),
        ("src/event_stream.rs", "never more than /// {};", "src/event_stream.rs", "LONGEST_PAUSE"),
        ("src/observe/stats.rs", "for every {}th of the others", "src/queue/budget.rs", "SAMPLE"),
        ("src/observe/stats.rs", "Callbacks that take less than {} are", "src/queue/budget.rs", "QUICK"),
        ("src/observe/stats.rs", "groups of up to {}, and", "src/queue/budget.rs", "GROUP"),
        ("src/queue/engine.rs", "yields to the runtime after {} or", "src/queue/budget.rs", "SLICE"),
        ("src/queue/engine.rs", "or {} items |", "src/queue/budget.rs", "ITEMS"),
    ];
    for (page, phrase, file, name) in said {
        let phrase = phrase.replace("{}", &spoken(&constant(file, name)));
        // A phrase may go on in the next line.
        let text: Vec<_> = read(page).split_whitespace().map(str::to_owned).collect();
        let text = text.join(" ");
        let text = [text.clone(), text.replace(" /// ", " ")];
        let found =
            text.iter().any(|text| text.contains(&phrase.replace(" /// ", " ")) || text.contains(&phrase));
        assert!(found, "{page} does not say {phrase:?}, which is {name} of {file}");
    }
    // Of the ticks of which the growth is counted there are as many in a millisecond as that says.
    assert_eq!(spoken(&constant("src/queue/engine/monitor.rs", "TICK")), "1 ms");
}

#[test]
fn the_times_that_callbacks_promise_are_those_of_the_code() {
    let (code, text) = (read("src/observe.rs"), read("src/guide/ordering.md"));
    for promise in ["Duration::from_micros(50)", "Duration::from_millis(1)", "Duration::from_millis(30)"] {
        assert!(code.contains(&format!("Some({promise})")), "{promise}");
        let flags = read("src/async_result/parameters.rs");
        assert!(flags.contains(&format!("less than {}", spoken(promise))), "{promise}");
    }
    assert!(text.contains("up to 30 ms"));
}

/// The chapters, by their files.
fn chapters() -> Vec<(String, String)> {
    let folder = fs::read_dir(root().join("src/guide")).unwrap();
    let mut chapters: Vec<_> = folder
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| (name.clone(), read(&format!("src/guide/{name}"))))
        .collect();
    chapters.sort();
    assert!(chapters.len() > 10);
    chapters
}

#[test]
fn every_test_and_file_that_is_named_is_there() {
    let mut named = 0;
    for (chapter, text) in chapters() {
        let mut folder = String::new();
        for code in text.split('`').skip(1).step_by(2) {
            // `tests/it/a.rs`, `b.rs`: the second is in the folder of the first.
            let file = match code.rsplit_once('/') {
                Some((path, _)) if path.starts_with("tests") || path.starts_with("src") => {
                    folder = path.to_owned();
                    code.to_owned()
                }
                // Before any of these, it is a file of the reader's.
                None if code.ends_with(".rs") && !code.contains(' ') && !folder.is_empty() => {
                    format!("{folder}/{code}")
                }
                _ => continue,
            };
            named += 1;
            assert!(root().join(&file).exists(), "{chapter} names {file}");
        }
    }
    assert!(named > 20, "{named}");
}

#[test]
fn every_example_that_is_named_is_there() {
    let mut named = 0;
    for (chapter, text) in chapters().into_iter().chain([("README.md".to_owned(), read("README.md"))]) {
        let text = text.replace('\n', " ");
        for mark in ["the example `", "--example ", "The example `"] {
            for rest in text.split(mark).skip(1) {
                let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                let file = |folder: &str, name: &str| root().join(folder).join(name).exists();
                let is_there = file("examples", &format!("{name}.rs"))
                    || file("examples", &format!("{name}/main.rs"))
                    || file("suites/examples", &format!("{name}.rs"));
                named += 1;
                assert!(is_there, "{chapter} names the example {name}");
            }
        }
    }
    assert!(named > 5, "{named}");
}

#[test]
fn every_chapter_is_in_the_guide_and_in_its_lists() {
    let (module, list, readme) = (read("src/guide.rs"), read("src/guide/chapters.md"), read("README.md"));
    for (chapter, _) in chapters() {
        let name = chapter.trim_end_matches(".md");
        if name == "chapters" {
            continue;
        }
        assert!(module.contains(&format!("include_str!(\"guide/{chapter}\")")), "src/guide.rs lacks {name}");
        assert!(list.contains(&format!("(crate::guide::{name})")), "chapters.md lacks {name}");
        assert!(readme.contains(&format!("/mf_async/guide/{name}/")), "README.md lacks {name}");
    }
}
