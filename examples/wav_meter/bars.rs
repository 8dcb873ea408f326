//! One line of a level meter: a time, and a bar with a figure for every channel there is room for.

use crate::level::Level;

/// How meter lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bars {
    columns: usize,
    /// Up to the RMS level, from there up to the peak, and the rest.
    ink: [char; 3],
}

impl Bars {
    /// Block characters, for a terminal that many columns wide.
    pub(crate) fn blocks(columns: usize) -> Self {
        Self { columns, ink: ['█', '░', ' '] }
    }

    /// Nothing but ASCII in 80 columns: for pipes, files and terminals that can't do more.
    pub(crate) fn ascii() -> Self {
        Self { columns: 80, ink: ['#', '-', '.'] }
    }

    /// Blocks on a terminal, ASCII elsewhere or if `NO_COLOR` or `TERM=dumb` ask for plainness. A terminal is
    /// taken to be as wide as `COLUMNS` says.
    pub(crate) fn detect(terminal: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        if plain || !terminal {
            return Self::ascii();
        }
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        Self::blocks(columns.unwrap_or(80))
    }

    /// The line above the meter that says how to read it.
    pub(crate) fn heading(&self, channels: usize) -> String {
        let [rms, peak, _] = self.ink;
        let (shown, _) = self.layout(channels);
        let left_out =
            if shown < channels { format!("; {shown} of {channels} channels") } else { String::new() };
        format!("{:>TIME$}  {rms} RMS {peak} peak, {FLOOR} to 0 dBFS; figures: peak{left_out}", "time")
    }

    /// The meter from `seconds` on.
    pub(crate) fn line(&self, seconds: f64, levels: &[Level]) -> String {
        let (shown, width) = self.layout(levels.len());
        let mut line = format!("{:>TIME$}", clock(seconds));
        for level in &levels[..shown] {
            let rms = marks(level.rms_dbfs(), width);
            let peak = marks(level.peak_dbfs(), width).max(rms);
            line.push_str("  ");
            for (ink, count) in self.ink.into_iter().zip([rms, peak - rms, width - peak]) {
                line.extend(std::iter::repeat_n(ink, count));
            }
            line.push_str(&format!(" {:>FIGURE$}", figure(level.peak_dbfs())));
        }
        line
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

/// A level in five columns.
fn figure(dbfs: f64) -> String {
    if dbfs.is_finite() && dbfs < -99.9 { "<-99".into() } else { format!("{dbfs:.1}") }
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
const FLOOR: f64 = -60.0;

const TIME: usize = 10;
const FIGURE: usize = 5;

/// Two spaces before a bar, one behind, the figure.
const AROUND_BAR: usize = 2 + 1 + FIGURE;

/// Three marks still show soft and loud, and put six channels side by side in 80 columns.
const SHORTEST: usize = 3;

/// A mark per dB is enough.
const LONGEST: usize = 60;
