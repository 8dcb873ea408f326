//! `Position`: where the next request to a stream begins, and whether a former request may still correct it.

/// The position of a stream.
///
/// A request claims its range when it begins, which moves the position. If it turns out to need another range, because
/// it is cancelled or the stream is shorter or longer than it was known to be, it corrects the position, unless
/// something else has set it meanwhile.
#[derive(Default)]
pub(crate) struct Position {
    at: u64,
    /// How often it was set.
    moves: u64,
}

/// The right of a request to correct the position that it has left.
#[derive(Clone, Copy)]
pub(crate) struct Claim(u64);

impl Position {
    pub(crate) fn new(at: u64) -> Position {
        Position { at, moves: 0 }
    }

    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    pub(crate) fn set(&mut self, at: u64) {
        self.at = at;
        self.moves += 1;
    }

    /// Moves to the end of a request's range.
    pub(crate) fn claim(&mut self, end: u64) -> Claim {
        self.set(end);
        Claim(self.moves)
    }

    /// Whether nothing has set the position since the claim.
    pub(crate) fn is_left_by(&self, claim: Claim) -> bool {
        self.moves == claim.0
    }

    /// Moves back to `at`, unless something has set the position since the claim, which ends here.
    pub(crate) fn give_back(&mut self, claim: Claim, at: u64) {
        if self.is_left_by(claim) {
            self.set(at);
        }
    }

    /// Moves to `at`, unless something has set the position since the claim. The claim stays good.
    pub(crate) fn correct(&mut self, claim: Claim, at: u64) {
        if self.is_left_by(claim) {
            self.at = at;
        }
    }
}
