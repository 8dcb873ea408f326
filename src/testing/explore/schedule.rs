//! `Schedule`: the choices that make one run, as numbers that can be written down and played again.

use std::fmt;
use std::str::FromStr;

/// The choices of one run. Each is a place in the list of what may happen next, the oldest first: 0 is what happens first
/// in, first out. After the last choice all is 0.
///
/// Its text is the seed that it came from and the choices: `3fa9:2,0,1,0*12,4`, where `0*12` stands for twelve zeros. After
/// a seed with a `w` every callback runs whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Choices {
    pub(super) seed: u64,
    /// Whether every callback runs whole.
    pub(super) whole: bool,
    pub(super) choices: Vec<u32>,
}

impl Choices {
    pub(super) fn new(seed: u64, whole: bool, mut choices: Vec<u32>) -> Choices {
        while choices.last() == Some(&0) {
            choices.pop();
        }
        Choices { seed, whole, choices }
    }

    /// The same schedule with other choices.
    pub(super) fn with(&self, choices: Vec<u32>) -> Choices {
        Choices::new(self.seed, self.whole, choices)
    }

    /// How many choices are not the first in, first out.
    pub(super) fn deviations(&self) -> usize {
        self.choices.iter().filter(|&&choice| choice != 0).count()
    }
}

impl fmt::Display for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}{}:", self.seed, if self.whole { "w" } else { "" })?;
        let mut rest = &self.choices[..];
        let mut comma = "";
        while let [first, after @ ..] = rest {
            let zeros = rest.iter().take_while(|&&choice| choice == 0).count();
            if zeros >= SHORTENED {
                write!(f, "{comma}0*{zeros}")?;
                rest = &rest[zeros..];
            } else {
                write!(f, "{comma}{first}")?;
                rest = after;
            }
            comma = ",";
        }
        Ok(())
    }
}

impl FromStr for Choices {
    type Err = String;

    fn from_str(text: &str) -> Result<Choices, String> {
        let wrong = |what: &str| format!("`{text}` is not a schedule: {what}");
        let (seed, list) = text.trim().split_once(':').ok_or_else(|| wrong("it has no `:`"))?;
        let (seed, whole) = seed.strip_suffix('w').map_or((seed, false), |seed| (seed, true));
        let seed = u64::from_str_radix(seed, 16).map_err(|_| wrong("its seed is no hexadecimal number"))?;
        let mut choices = Vec::new();
        for part in list.split(',').filter(|part| !part.is_empty()) {
            let (choice, times) = part.split_once('*').unwrap_or((part, "1"));
            let choice: u32 = choice.parse().map_err(|_| wrong("a choice is no number"))?;
            let times: usize = times.parse().map_err(|_| wrong("a count is no number"))?;
            if times > LONGEST - choices.len() {
                return Err(wrong("it is too long"));
            }
            choices.extend(std::iter::repeat_n(choice, times));
        }
        Ok(Choices::new(seed, whole, choices))
    }
}

/// So many zeros in a row are written as one.
const SHORTENED: usize = 4;

/// No run takes so many choices.
const LONGEST: usize = 10_000_000;

#[cfg(test)]
#[cfg(not(any(mf_async_loom, mf_async_shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_reads_what_it_writes() {
        for choices in [vec![], vec![2, 0, 1], vec![0, 0, 0, 0, 0, 3, 0, 0, 1], vec![7; 9]] {
            for whole in [false, true] {
                let written = Choices::new(0x3fa9, whole, choices.clone());
                assert_eq!(written.to_string().parse(), Ok(written));
            }
        }
        assert_eq!(Choices::new(1, false, vec![2, 0, 0, 0, 0, 1, 0]).to_string(), "1:2,0*4,1");
        for wrong in ["", "12", "x:1", "1:a", "1:0*x", "1:0*99999999999"] {
            assert!(wrong.parse::<Choices>().is_err(), "{wrong}");
        }
    }
}
