//! Where the meter's lines go: standard output, above a picture that moves if a person is watching.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Lines on standard output, and a picture on standard error that keeps out of their way.
///
/// The picture is shown on a terminal only; in a pipe nothing but the lines is written.
pub(crate) struct Screen {
    moves: bool,
    /// How many lines of the picture are shown now.
    shown: usize,
    painted: Option<Instant>,
    written: io::Result<()>,
}

impl Screen {
    /// The screen of this process.
    pub(crate) fn new() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { moves: io::stderr().is_terminal() && !dumb, shown: 0, painted: None, written: Ok(()) }
    }

    /// Whether a person is watching.
    pub(crate) fn moves(&self) -> bool {
        self.moves
    }

    /// Shows a picture in place of the one before, at most so often that an eye can follow.
    pub(crate) fn paint(&mut self, picture: impl FnOnce() -> Vec<String>) {
        let is_early = self.painted.is_some_and(|painted| painted.elapsed() < Duration::from_millis(30));
        if !self.moves || is_early {
            return;
        }
        let picture = picture();
        // A terminal that cannot be written to any more shows nothing, and that is no error.
        let _ = io::stderr().write_all(repaint(self.shown, &picture).as_bytes());
        (self.shown, self.painted) = (picture.len(), Some(Instant::now()));
    }

    /// The file has been read: no more picture.
    pub(crate) fn done(&mut self) {
        if self.shown > 0 {
            let _ = io::stderr().write_all(repaint(self.shown, &[]).as_bytes());
            self.shown = 0;
        }
    }

    /// Writes a line. After an error, which means that the output is not read any more, nothing is written.
    pub(crate) fn line(&mut self, line: &str) {
        self.done();
        if self.written.is_ok() {
            self.written = writeln!(io::stdout().lock(), "{line}");
        }
    }

    /// Whether everything was written. A reader that closed its pipe has seen what it wanted.
    pub(crate) fn written(mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.written, Ok(())) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.done();
    }
}

/// What a terminal is sent so that it shows a picture in place of one that has `shown` lines.
pub(crate) fn repaint(shown: usize, picture: &[String]) -> String {
    // To the first line of the old picture, and from there on everything is erased.
    let mut text = if shown > 0 { format!("\x1b[{shown}A\x1b[J") } else { String::new() };
    picture.iter().for_each(|line| text.extend([line, "\n"]));
    text
}
