//! A lane: items in the order of their puts, in blocks that are used again.
//!
//! A queue that has grown large copies no item, and one from which as much is taken as is put allocates nothing. A million
//! items that put themselves again are written to memory that was read last.

use std::collections::VecDeque;

use crate::queue::queued::Queued;
use crate::sync::MODELLED;

/// At most [`BLOCK`] items.
pub(super) type Block = VecDeque<Queued>;

/// What waits in an injector with one priority, or in a local queue.
#[derive(Default)]
pub(super) struct Lane {
    /// What is taken out next.
    first: Block,
    full: VecDeque<Block>,
    /// What was put last.
    last: Block,
    /// Empty ones, for the next puts.
    spare: Vec<Block>,
}

impl Lane {
    /// Where the next item is pushed. It is made there: an item that is made before is copied once more.
    #[inline(always)]
    pub(super) fn back(&mut self) -> &mut Block {
        if self.last.len() == BLOCK {
            self.begin_block();
        }
        &mut self.last
    }

    /// Takes the oldest item.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<Queued> {
        if self.first.is_empty() {
            self.next_block();
        }
        self.first.pop_front()
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.last.is_empty() && self.full.is_empty()
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.first.len() + self.full.iter().map(Block::len).sum::<usize>() + self.last.len()
    }

    /// All of them, the oldest first.
    pub(super) fn into_items(self) -> impl Iterator<Item = Queued> + use<> {
        [self.first].into_iter().chain(self.full).chain([self.last]).flatten()
    }

    /// Whether it has empty blocks, which another lane may need.
    #[inline(always)]
    pub(super) fn has_spare(&self) -> bool {
        !self.spare.is_empty()
    }

    /// Gives the empty blocks to another lane.
    #[cold]
    pub(super) fn give_spare(&mut self, other: &mut Lane) {
        self.spare.truncate(SPARE.saturating_sub(other.spare.len()));
        other.spare.append(&mut self.spare);
    }

    #[cold]
    fn begin_block(&mut self) {
        let next = self.spare.pop().unwrap_or_else(|| Block::with_capacity(BLOCK));
        self.full.push_back(std::mem::replace(&mut self.last, next));
    }

    /// The first block is empty: the next one takes its place.
    fn next_block(&mut self) {
        let Some(next) = self.full.pop_front() else {
            return std::mem::swap(&mut self.first, &mut self.last);
        };
        let emptied = std::mem::replace(&mut self.first, next);
        if emptied.capacity() >= BLOCK && self.spare.len() < SPARE {
            self.spare.push(emptied);
        }
    }
}

/// So many items are in a full block, 230 kB.
const BLOCK: usize = if MODELLED { 2 } else { 4096 };

/// At most so many empty blocks are kept.
const SPARE: usize = 256;
