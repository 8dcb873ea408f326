//! `Settings`: what the environment says about the DLL.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What the environment's variables say, read at each start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// `MF_ASYNC_RTWORKQ=system`: the system's own DLL is to be used, as if this one were not there.
    pub system: bool,
    /// `MF_ASYNC_RTWORKQ_WORKERS`: the number of tokio's worker threads; by default that of the processors, and 2 at least.
    pub workers: usize,
    /// `MF_ASYNC_RTWORKQ_REPORT`: reports go to standard error, every so many seconds and at the last shutdown; with 0 only
    /// then.
    pub report: Option<Duration>,
    /// `MF_ASYNC_RTWORKQ_TRACE`: what every queue did is written to this file at the last shutdown, as a picture if its
    /// name ends in `.svg`, else as a trace for Perfetto.
    pub trace: Option<PathBuf>,
    /// `MF_ASYNC_RTWORKQ_STEP=1`: everything that is put runs on one queue, one at a time, in the order of the puts.
    pub one_at_a_time: bool,
}

impl Settings {
    /// The environment's.
    #[must_use]
    pub fn of_environment() -> Settings {
        Settings::read(|name| std::env::var_os(name))
    }

    fn read(variable: impl Fn(&str) -> Option<OsString>) -> Settings {
        let text = |name| variable(name).and_then(|value| value.into_string().ok());
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Settings {
            system: text("MF_ASYNC_RTWORKQ").is_some_and(|value| value.eq_ignore_ascii_case("system")),
            workers: text("MF_ASYNC_RTWORKQ_WORKERS")
                .and_then(|value| value.parse().ok())
                .map_or(processors.max(2), |workers: usize| workers.clamp(1, 1024)),
            report: text("MF_ASYNC_RTWORKQ_REPORT")
                .and_then(|value| value.parse().ok())
                .map(Duration::from_secs),
            trace: variable("MF_ASYNC_RTWORKQ_TRACE").filter(|path| !path.is_empty()).map(PathBuf::from),
            one_at_a_time: text("MF_ASYNC_RTWORKQ_STEP").is_some_and(|value| value != "0"),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Promise: what is not set has a default, and what cannot be read counts as not set.

    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Settings {
        Settings::read(|name| {
            pairs.iter().find(|(key, _)| name == *key).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn nothing_is_set() {
        let settings = with(&[]);
        assert!(!settings.system && !settings.one_at_a_time && settings.workers >= 2);
        assert_eq!((settings.report, settings.trace), (None, None));
    }

    #[test]
    fn everything_is_set() {
        let settings = with(&[
            ("MF_ASYNC_RTWORKQ", "System"),
            ("MF_ASYNC_RTWORKQ_WORKERS", "7"),
            ("MF_ASYNC_RTWORKQ_REPORT", "3"),
            ("MF_ASYNC_RTWORKQ_TRACE", "run.svg"),
            ("MF_ASYNC_RTWORKQ_STEP", "1"),
        ]);
        assert!(settings.system && settings.one_at_a_time);
        assert_eq!((settings.workers, settings.report), (7, Some(Duration::from_secs(3))));
        assert_eq!(settings.trace, Some(PathBuf::from("run.svg")));
    }

    #[test]
    fn what_cannot_be_is_not_taken() {
        let settings = with(&[("MF_ASYNC_RTWORKQ_WORKERS", "0"), ("MF_ASYNC_RTWORKQ_REPORT", "often")]);
        assert_eq!((settings.workers, settings.report), (1, None));
        assert!(with(&[("MF_ASYNC_RTWORKQ_WORKERS", "many")]).workers >= 2);
        assert!(!with(&[("MF_ASYNC_RTWORKQ_STEP", "0")]).one_at_a_time);
    }
}
