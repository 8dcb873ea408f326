//! The page *How things end*: its table is read, and compared with what was seen.

use std::collections::{BTreeMap, BTreeSet};

use crate::endings::ENDINGS;
use crate::given::Flavor;
use crate::play::Kind;

const TEXT: &str = include_str!("../../src/guide/ends.md");

/// The page as it is written.
pub(crate) struct Page {
    endings: Vec<String>,
    rows: BTreeMap<String, Vec<String>>,
    /// The letters of the reasons below the table.
    reasons: BTreeSet<String>,
}

fn cells(line: &str) -> Vec<String> {
    line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The table begins with a line whose first cell is this.
const CORNER: &str = "what is awaited or called back";

pub(crate) fn read_page() -> Page {
    read(TEXT)
}

fn read(text: &str) -> Page {
    let mut lines = text.lines().skip_while(|line| cells(line)[0] != CORNER);
    let endings = lines.next().map(|line| cells(line)[1..].to_vec()).unwrap_or_default();
    let table = lines.by_ref().skip(1).take_while(|line| line.starts_with('|'));
    let rows = table.map(|line| (cells(line)[0].clone(), cells(line)[1..].to_vec())).collect();
    let reasons = lines
        .filter_map(|line| line.strip_prefix("* `-")?.split_once('`').map(|(letter, _)| letter.to_owned()))
        .collect();
    Page { endings, rows, reasons }
}

impl Page {
    /// What is wrong with the page itself: rows, columns or reasons too many or missing, and empty cells.
    pub(crate) fn check(&self, kinds: &[&str], endings: &[&str]) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.endings != endings {
            wrong.push(format!("the columns are {:?}, and not {endings:?}", self.endings));
        }
        for kind in kinds {
            match self.rows.get(*kind) {
                None => wrong.push(format!("there is no row of {kind}")),
                Some(cells) if cells.len() != endings.len() || cells.iter().any(String::is_empty) => {
                    wrong.push(format!("the row of {kind} has a hole"));
                }
                Some(_) => {}
            }
        }
        let extra = self.rows.keys().filter(|row| !kinds.contains(&row.as_str()));
        wrong.extend(extra.map(|row| format!("nothing plays the row {row}")));
        let used: BTreeSet<_> = self
            .rows
            .values()
            .flatten()
            .filter_map(|cell| cell.strip_prefix('-'))
            .map(str::to_owned)
            .collect();
        if used != self.reasons {
            wrong.push(format!("reasons {:?} are used, and {:?} are given", used, self.reasons));
        }
        wrong
    }

    pub(crate) fn cell(&self, kind: &str, ending: &str) -> Option<&str> {
        let column = self.endings.iter().position(|name| name == ending)?;
        self.rows.get(kind)?.get(column).map(String::as_str)
    }

    /// The table as it was seen; where the runtimes differ, each.
    pub(crate) fn draw(kinds: &[Kind], cells: &BTreeMap<(usize, usize), Vec<(Flavor, String)>>) -> String {
        let mut text = format!("| {CORNER} |");
        for ending in ENDINGS {
            text += &format!(" {} |", ending.name);
        }
        text += &format!("\n|---|{}\n", "---|".repeat(ENDINGS.len()));
        for (row, kind) in kinds.iter().enumerate() {
            text += &format!("| {} |", kind.name);
            for column in 0..ENDINGS.len() {
                let mut ends: Vec<_> =
                    cells[&(row, column)].iter().map(|(_, ended)| ended.as_str()).collect();
                ends.dedup();
                text += &format!(" {} |", ends.join(" / "));
            }
            text += "\n";
        }
        text
    }
}

#[test]
fn a_hole_in_the_page_is_found() {
    let table = |rows: &str| format!("| {CORNER} | one | two |\n|---|---|---|\n{rows}\n\n* `-a`: a reason\n");
    let wrong = |text: &str| read(text).check(&["x", "y"], &["one", "two"]).len();
    assert_eq!(wrong(&table("| x | value | -a |\n| y | value | value |")), 0);
    // A row that is missing, or too many; a cell that is missing, or empty; a reason that is not given, or not used.
    assert_eq!(wrong(&table("| x | value | -a |")), 1);
    assert_eq!(wrong(&table("| x | value | -a |\n| y | value | value |\n| z | value | value |")), 1);
    assert_eq!(wrong(&table("| x | value | -a |\n| y | value |")), 1);
    assert_eq!(wrong(&table("| x | value | -a |\n| y | value |  |")), 1);
    assert_eq!(wrong(&table("| x | value | -a |\n| y | value | -b |")), 1);
    assert_eq!(wrong(&table("| x | value | value |\n| y | value | value |")), 1);
    // A column that is missing, or has another name.
    let columns =
        |names: &str| table("| x | value | -a |\n| y | value | value |").replace("| one | two |", names);
    assert_eq!(wrong(&columns("| one | three |")), 1);
    assert!(wrong(&columns("| one |")) > 0);
    assert!(wrong("no table") > 0);
}
