//! Bars: a level as a row of marks, with colours where the terminal has them, and the lines that are made of them.

use crate::level::Level;

/// How meter lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bars {
    columns: usize,
    /// Up to the RMS level, from there up to the peak, the rest, and the held peak.
    ink: [char; 4],
    colour: bool,
}

/// What a bar shows, in marks from its left end.
struct Marks {
    rms: usize,
    peak: usize,
    hold: Option<usize>,
}

impl Bars {
    /// Block characters, for a terminal that many columns wide.
    pub(crate) fn blocks(columns: usize, colour: bool) -> Self {
        Self { columns, ink: ['█', '░', ' ', '│'], colour }
    }

    /// Nothing but ASCII in 80 columns: for pipes, files and terminals that can't do more.
    pub(crate) fn ascii() -> Self {
        Self { columns: 80, ink: ['#', '-', '.', '|'], colour: false }
    }

    /// Blocks on a terminal, and colours unless `NO_COLOR` is set; ASCII elsewhere, and where `TERM` is `dumb`. A terminal
    /// is taken to be as wide as `COLUMNS` says. `variable` reads the environment.
    pub(crate) fn choose(terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        if !terminal || variable("TERM").is_some_and(|term| term == "dumb") {
            return Self::ascii();
        }
        // The console of older Windows shows the codes themselves.
        let knows_colours = !cfg!(windows) || variable("WT_SESSION").is_some() || variable("TERM").is_some();
        let colour = knows_colours && variable("NO_COLOR").is_none_or(|value| value.is_empty());
        let columns = variable("COLUMNS").and_then(|columns| columns.parse().ok());
        Self::blocks(columns.unwrap_or(80), colour)
    }

    /// The line above the meter: what each column is.
    pub(crate) fn heading(&self, channels: usize) -> String {
        let (shown, width) = self.layout(channels);
        let [rms, peak, ..] = self.ink;
        let mut line = format!("{:>TIME$}", "time");
        for index in 0..shown {
            let name = channel_name(index, channels);
            // The key stands above the first bar, as much of it as there is room for.
            let keys =
                [format!(": {rms} RMS, {peak} peak, {FLOOR} to 0 dBFS"), format!(": {rms} RMS, {peak} peak")];
            let named = keys.iter().filter(|_| index == 0).map(|key| format!("{name}{key}"));
            let fits = |name: &String| name.chars().count() <= width;
            let name = named.chain([name.clone(), (index + 1).to_string()]).find(fits).unwrap_or_default();
            line.push_str(&format!("  {name:<width$} {:>FIGURE$}", "peak"));
        }
        if shown < channels {
            line.push_str(&format!("  {shown} of {channels}"));
        }
        line.trim_end().to_owned()
    }

    /// The meter from `seconds` on.
    pub(crate) fn line(&self, seconds: f64, levels: &[Level]) -> String {
        let (shown, width) = self.layout(levels.len());
        let mut line = format!("{:>TIME$}", clock(seconds));
        for level in &levels[..shown] {
            let bar = self.bar(level, None, width);
            line.push_str(&format!("  {bar} {:>FIGURE$}", figure(level.peak_dbfs())));
        }
        line
    }

    /// One bar. The held peak, in dBFS, is a mark of its own.
    pub(crate) fn bar(&self, level: &Level, hold: Option<f64>, width: usize) -> String {
        let rms = marks(level.rms_dbfs(), width);
        let peak = marks(level.peak_dbfs(), width).max(rms);
        let hold = hold.map(|hold| marks(hold, width)).filter(|hold| *hold > 0).map(|hold| hold - 1);
        self.draw(&Marks { rms, peak, hold }, width)
    }

    fn draw(&self, marks: &Marks, width: usize) -> String {
        let [rms, peak, rest, held] = self.ink;
        let (mut bar, mut before) = (String::new(), "");
        for at in 0..width {
            let ink = if marks.hold == Some(at) && at >= marks.rms {
                held
            } else if at < marks.rms {
                rms
            } else if at < marks.peak {
                peak
            } else {
                rest
            };
            let colour = if self.colour { colour_at(at, width) } else { "" };
            if colour != before {
                bar.push_str(colour);
                before = colour;
            }
            bar.push(ink);
        }
        if self.colour {
            bar.push_str(RESET);
        }
        bar
    }

    /// How far something has come, without colours.
    pub(crate) fn progress(&self, part: f64, width: usize) -> String {
        let full = (part.clamp(0.0, 1.0) * width as f64).round() as usize;
        let [full_ink, rest_ink] = [self.ink[0], self.ink[1]];
        (0..width).map(|at| if at < full { full_ink } else { rest_ink }).collect()
    }

    /// How many columns there are.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// How many channels fit on a line, and how long their bars are.
    fn layout(&self, channels: usize) -> (usize, usize) {
        let room = self.columns.saturating_sub(TIME);
        let shown = channels.min((room / (AROUND_BAR + SHORTEST)).max(1));
        let bar = (room / shown.max(1)).saturating_sub(AROUND_BAR);
        (shown, bar.clamp(SHORTEST, LONGEST))
    }
}

/// How much of a bar a level fills.
fn marks(dbfs: f64, width: usize) -> usize {
    // -∞ becomes 0 and anything too loud the whole bar: `as` saturates.
    let filled = (1.0 - dbfs / FLOOR).max(0.0) * width as f64;
    (filled.round() as usize).min(width)
}

/// Green up to -18 dBFS, yellow up to -6, red above.
fn colour_at(at: usize, width: usize) -> &'static str {
    match FLOOR * (1.0 - (at as f64 + 0.5) / width as f64) {
        level if level < -18.0 => "\x1b[32m",
        level if level < -6.0 => "\x1b[33m",
        _ => "\x1b[31m",
    }
}

/// A level in five columns.
pub(crate) fn figure(dbfs: f64) -> String {
    if dbfs.is_finite() && dbfs < -99.9 {
        return "<-99".into();
    }
    // Not "-0.0".
    let rounded = (dbfs * 10.0).round() / 10.0 + 0.0;
    format!("{rounded:.1}")
}

/// What a channel is called.
pub(crate) fn channel_name(index: usize, of: usize) -> String {
    match (index, of) {
        (0, 1) => "mono".into(),
        (0, 2) => "left".into(),
        (1, 2) => "right".into(),
        (index, _) => format!("ch {}", index + 1),
    }
}

/// `1:02:03.25`, without the hours if there are none.
pub(crate) fn clock(seconds: f64) -> String {
    let hundredths = (seconds * 100.0).round() as u64;
    let (hours, minutes) = (hundredths / 360_000, hundredths / 6_000 % 60);
    let (seconds, hundredths) = (hundredths / 100 % 60, hundredths % 100);
    if hours == 0 {
        format!("{minutes}:{seconds:02}.{hundredths:02}")
    } else {
        format!("{hours}:{minutes:02}:{seconds:02}.{hundredths:02}")
    }
}

/// The level at which a bar is empty: below that a room is quiet.
pub(crate) const FLOOR: f64 = -60.0;

const RESET: &str = "\x1b[0m";

const TIME: usize = 10;
pub(crate) const FIGURE: usize = 5;

/// Two spaces before a bar, one behind, the figure.
const AROUND_BAR: usize = 2 + 1 + FIGURE;

/// Three marks still show soft and loud, and put six channels side by side in 80 columns.
const SHORTEST: usize = 3;

/// A mark per dB is enough.
const LONGEST: usize = 60;
