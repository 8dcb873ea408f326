//! The markers that were placed in a transform's input, and the promises for them.

use std::collections::{BTreeMap, VecDeque};

use crate::operation::Promise;

/// Markers, by the number that goes through the transform with each. The numbers fit into a pointer of 32 bits, as
/// the message's parameter must.
#[derive(Default)]
pub(super) struct Markers {
    last: u32,
    /// Placed, and not sent to the transform yet: a sample before them was not taken yet.
    unsent: VecDeque<u32>,
    promises: BTreeMap<u32, Promise<()>>,
}

impl Markers {
    pub(super) fn place(&mut self, promise: Promise<()>) {
        // After four thousand million markers the first is long reached.
        self.last = self.last.wrapping_add(1);
        self.unsent.push_back(self.last);
        self.promises.insert(self.last, promise);
    }

    pub(super) fn next_unsent(&mut self) -> Option<u32> {
        self.unsent.pop_front()
    }

    /// The promise for a number that came back. Of a flush's time there may be one that is not known any more.
    pub(super) fn take(&mut self, context: u64) -> Option<Promise<()>> {
        self.promises.remove(&u32::try_from(context).ok()?)
    }

    /// The promises for all that were sent.
    pub(super) fn take_sent(&mut self) -> Vec<Promise<()>> {
        let unsent = &self.unsent;
        let (sent, kept) = std::mem::take(&mut self.promises)
            .into_iter()
            .partition(|(context, _)| !unsent.contains(context));
        self.promises = kept;
        let sent: BTreeMap<_, _> = sent;
        sent.into_values().collect()
    }

    /// All of them.
    pub(super) fn take_all(&mut self) -> Vec<Promise<()>> {
        self.unsent.clear();
        std::mem::take(&mut self.promises).into_values().collect()
    }
}
