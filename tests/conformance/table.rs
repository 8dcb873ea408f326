//! The table: a row for each case, with what is expected and what each subject did.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::case::Case;
use crate::deviations;
use crate::subject::Kind;

/// What was seen so far.
pub(crate) struct Table(Mutex<Vec<Row>>);

struct Row {
    path: String,
    stands_for: &'static str,
    expected: &'static str,
    ours: Cell,
    theirs: Cell,
}

/// The columns of what is listed. The drop-in is our own `rtworkq.dll` under Wine's Media Foundation.
const LISTED: [Kind; 3] = [Kind::Ours, Kind::WineDropIn, Kind::Wine];

/// What one subject did in one case.
enum Cell {
    /// There is no such subject here, or the case was filtered out.
    Empty,
    AsExpected,
    Otherwise {
        seen: String,
        reason: Option<&'static str>,
    },
    NotRun(&'static str),
}

impl Table {
    pub(crate) fn new<S>(cases: &[Case<S>]) -> Arc<Table> {
        let row = |case: &Case<S>| Row {
            path: case.path(),
            stands_for: case.stands_for,
            expected: case.expected,
            ours: Cell::Empty,
            theirs: Cell::Empty,
        };
        Arc::new(Table(Mutex::new(cases.iter().map(row).collect())))
    }

    pub(crate) fn seen(&self, kind: Kind, path: &str, seen: &str) {
        self.enter(kind, path, |expected| {
            if seen == expected {
                return Cell::AsExpected;
            }
            let reason = deviations::of(kind, path).filter(|listed| listed.seen == seen);
            Cell::Otherwise { seen: seen.to_owned(), reason: reason.map(|listed| listed.because) }
        });
    }

    pub(crate) fn not_run(&self, kind: Kind, path: &str, reason: &'static str) {
        self.enter(kind, path, |_| Cell::NotRun(reason));
    }

    fn enter(&self, kind: Kind, path: &str, cell: impl FnOnce(&str) -> Cell) {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = rows.iter_mut().find(|row| row.path == path) {
            let cell = cell(row.expected);
            *(if kind == Kind::Ours { &mut row.ours } else { &mut row.theirs }) = cell;
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reasons = Vec::new();
        let mut lines = vec![["case", "expected", "ours", "theirs"].map(str::to_owned)];
        let mut counts = [[0; 4]; 2];
        for row in rows.iter().filter(|row| !(row.ours.is_empty() && row.theirs.is_empty())) {
            let ours = row.ours.text(&mut reasons, &mut counts[0]);
            let theirs = row.theirs.text(&mut reasons, &mut counts[1]);
            lines.push([row.path.clone(), row.expected.to_owned(), ours, theirs]);
        }
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2), width(3)];
        writeln!(f)?;
        for (number, [case, expected, ours, theirs]) in lines.iter().enumerate() {
            let [a, b, c, d] = widths;
            writeln!(f, "| {case:a$} | {expected:b$} | {ours:c$} | {theirs:d$} |")?;
            if number == 0 {
                writeln!(f, "|{:-<1$}", "", a + 2)?;
            }
        }
        for (number, reason) in reasons.iter().enumerate() {
            writeln!(f, "[{}] {reason}", number + 1)?;
        }
        for (name, [same, listed, wrong, not_run]) in ["ours", "theirs"].iter().zip(counts) {
            writeln!(f, "{name}: {same} as expected, {listed} listed, {wrong} wrong, {not_run} not run")?;
        }
        let deviating: Vec<_> = rows
            .iter()
            .map(|row| {
                let cells = LISTED.map(|kind| deviations::cell(kind, &row.path));
                (row, cells)
            })
            .filter(|(_, cells)| cells.iter().any(|cell| *cell != "="))
            .collect();
        writeln!(f, "\nwhat is listed of whom ({} cases):", deviating.len())?;
        writeln!(f, "| case | documented | ours | drop-in | Wine |\n|---|---|---|---|---|")?;
        for (row, [ours, drop_in, wine]) in deviating {
            writeln!(f, "| {} | {} | {ours} | {drop_in} | {wine} |", row.path, row.expected)?;
        }
        writeln!(f, "\nwhat the cases stand for:")?;
        for row in rows.iter().filter(|row| !(row.ours.is_empty() && row.theirs.is_empty())) {
            writeln!(f, "{:1$}  {2}", row.path, widths[0], row.stands_for)?;
        }
        Ok(())
    }
}

impl Cell {
    fn is_empty(&self) -> bool {
        matches!(self, Cell::Empty)
    }

    /// The cell's text; its reason is numbered. Counted as one of: as expected, listed, wrong, not run.
    fn text(&self, reasons: &mut Vec<&'static str>, counts: &mut [usize; 4]) -> String {
        let mut number = |reason: &'static str| {
            let known = reasons.iter().position(|known| *known == reason).unwrap_or_else(|| {
                reasons.push(reason);
                reasons.len() - 1
            });
            known + 1
        };
        match self {
            Cell::Empty => String::new(),
            Cell::AsExpected => {
                counts[0] += 1;
                "=".to_owned()
            }
            Cell::Otherwise { seen, reason: Some(reason) } => {
                counts[1] += 1;
                format!("{seen} [{}]", number(reason))
            }
            Cell::Otherwise { seen, reason: None } => {
                counts[2] += 1;
                format!("WRONG: {seen}")
            }
            Cell::NotRun(reason) => {
                counts[3] += 1;
                format!("not run [{}]", number(reason))
            }
        }
    }
}
