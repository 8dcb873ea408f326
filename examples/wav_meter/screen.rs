//! Where the meter's lines go: standard output, above a progress bar if a person is watching.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, Write};

/// Lines on standard output, and a progress bar on standard error that keeps out of their way.
///
/// The bar shows on a terminal only; in a pipe nothing but the lines is written.
pub(crate) struct Screen {
    bar: ProgressBar,
}

impl Screen {
    /// A screen for reading that many bytes, if their number is known.
    pub(crate) fn new(bytes: Option<u64>) -> Self {
        let (bar, template) = match bytes {
            Some(bytes) => (ProgressBar::new(bytes), "{bar:40} {percent:>3}%  {binary_bytes_per_sec}"),
            None => (ProgressBar::new_spinner(), "{spinner} {binary_bytes}"),
        };
        // A fixed template: should it ever be wrong, the default looks good enough.
        Self {
            bar: ProgressStyle::with_template(template).map_or(bar.clone(), |style| bar.with_style(style)),
        }
    }

    /// That much of the file has been read.
    pub(crate) fn position(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    /// The file has been read: no more bar.
    pub(crate) fn done(&self) {
        self.bar.finish_and_clear();
    }

    /// Writes a line. An error means that the output is not read any more: the other end of a pipe is gone.
    pub(crate) fn line(&self, line: &str) -> io::Result<()> {
        self.bar.suspend(|| writeln!(io::stdout().lock(), "{line}"))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.done();
    }
}
