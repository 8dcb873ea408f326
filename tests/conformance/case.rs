//! A case: what it stands for, what Media Foundation does, and how to see what a subject does.

/// One case, for the subject `S`.
pub(crate) struct Case<S> {
    pub(crate) family: &'static str,
    pub(crate) name: &'static str,
    /// The page of MF's documentation by its name, or the observation, and what it says.
    pub(crate) stands_for: &'static str,
    /// What is seen of Windows' Media Foundation: codes and facts, as a line of text.
    pub(crate) expected: &'static str,
    /// Whether the subject is started before, and shut down afterwards.
    pub(crate) started: bool,
    /// Says what is seen.
    pub(crate) run: fn(&S) -> String,
}

impl<S> Case<S> {
    /// Its name with that of its family.
    pub(crate) fn path(&self) -> String {
        format!("{}::{}", self.family, self.name)
    }
}

/// The cases about one thing.
pub(crate) struct Family<S> {
    name: &'static str,
    pub(crate) cases: Vec<Case<S>>,
}

impl<S> Family<S> {
    pub(crate) fn new(name: &'static str) -> Family<S> {
        Family { name, cases: Vec::new() }
    }

    /// A case on a platform that is started.
    pub(crate) fn case(
        &mut self,
        name: &'static str,
        stands_for: &'static str,
        expected: &'static str,
        run: fn(&S) -> String,
    ) {
        self.cases.push(Case { family: self.name, name, stands_for, expected, started: true, run });
    }

    /// A case that starts and shuts down by itself.
    pub(crate) fn unstarted(
        &mut self,
        name: &'static str,
        stands_for: &'static str,
        expected: &'static str,
        run: fn(&S) -> String,
    ) {
        self.cases.push(Case { family: self.name, name, stands_for, expected, started: false, run });
    }
}
