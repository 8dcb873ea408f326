//! Taking: what a drain task is given next, out of its hand, the inbox or the hand of another.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use crate::queue::budget::Budget;
use crate::queue::drain::DrainState;
use crate::queue::item::Item;
use crate::queue::lanes::Priority;
use crate::queue::pool::inbox::{FLOOD, Inbox};
use crate::queue::pool::{Call, Host, Pool, this_thread};
use crate::queue::results::Results;
use crate::sync::atomic::Ordering;

/// What a drain task is told to do.
pub(crate) enum Take {
    /// Run this, and say so at the next take.
    Item(Item),
    /// Nothing is there: first say how long the last callbacks took.
    EndGroup,
    /// There was little, and there will be more in a moment; then come again.
    Gather,
    /// Nothing is there; look for a moment whether something comes.
    Spin,
    /// Nothing is there; a put wakes you.
    Rest,
    /// The pool is closed and empty.
    End,
}

impl Pool {
    /// The next item for a drain task, after what it ran before is written down.
    #[inline]
    pub(crate) fn take(
        self: &Arc<Self>,
        drain: &mut DrainState,
        budget: &Budget,
        results: &Results,
        waker: &Waker,
    ) -> Take {
        if let Some(item) = self.take_from_hand(drain, budget) {
            self.watch.tell();
            return Take::Item(item);
        }
        let group_is_open = budget.is_group_open() || results.has_spare();
        if std::mem::take(&mut drain.chases) && drain.since_spin >= FLOOD {
            drain.since_spin = 0;
            return Take::Gather;
        }
        let of_its_own = matches!(self.host, Host::Thread { .. });
        let summons = if of_its_own { self.hold.summons() } else { 0 };
        let (take, call) = self.take_from_inbox(drain, budget, group_is_open, waker);
        self.answer(call, || true);
        match take {
            Take::EndGroup => {}
            Take::Item(_) => self.watch.tell(),
            _ => self.tell_all(),
        }
        // Last: the clock may go on when everybody who waited for this has been told.
        if of_its_own && matches!(take, Take::Rest | Take::End) {
            self.hold.let_go(summons);
        }
        take
    }

    /// The next item of those in the hand, unless something more urgent came in.
    #[inline]
    fn take_from_hand(&self, drain: &mut DrainState, budget: &Budget) -> Option<Item> {
        // ORDERING: Relaxed, see `put`: something urgent that comes in just now is taken next.
        if !drain.holds || !drain.in_hand || self.urgent.load(Ordering::Relaxed) {
            return None;
        }
        let mut hand = self.hand(drain.number);
        let item = hand.items.pop_front()?;
        hand.finish(drain.ran.take());
        hand.start(&item, budget.now());
        Some(item)
    }

    /// The next item, from the hand, from what was put or from the hand of another; or nothing, and what to
    /// do then.
    #[inline]
    fn take_from_inbox(
        &self,
        drain: &mut DrainState,
        budget: &Budget,
        group_is_open: bool,
        waker: &Waker,
    ) -> (Take, Call) {
        let mut inbox = self.inbox();
        inbox.arrived(drain);
        let next = self.next(&mut inbox, drain, budget.group());
        // ORDERING: Relaxed, see `put`.
        self.backlog.store(!inbox.lanes.is_empty(), Ordering::Relaxed);
        let Some((item, in_hand)) = next else {
            if group_is_open {
                // What it ran counts as running until its time is known, and its result is back.
                return (Take::EndGroup, Call::Nobody);
            }
            self.finish(&mut inbox, drain);
            let may_spin = self.is_put_elsewhere(&inbox);
            return (inbox.rest(drain, waker, may_spin), Call::Nobody);
        };
        self.finish(&mut inbox, drain);
        drain.in_hand = in_hand;
        if in_hand {
            self.hand(drain.number).start(&item, budget.now());
        } else {
            inbox.start(drain.number, &item, budget.now());
        }
        inbox.found(drain);
        drain.chases = self.is_put_elsewhere(&inbox) && inbox.lanes.is_empty();
        let others_wait = drain.holds || !inbox.lanes.is_empty();
        let call = if others_wait { self.call(&mut inbox) } else { Call::Nobody };
        (Take::Item(item), call)
    }

    /// What a drain task ran last has ended.
    #[inline]
    pub(super) fn finish(&self, inbox: &mut Inbox, drain: &mut DrainState) {
        let run = drain.ran.take();
        if std::mem::take(&mut drain.in_hand) {
            self.hand(drain.number).finish(run);
        } else {
            inbox.finish(drain.number, run);
        }
    }

    /// What is next for a drain task, and whether it comes out of a hand: then there may be more in it.
    #[inline]
    fn next(&self, inbox: &mut Inbox, drain: &mut DrainState, group: usize) -> Option<(Item, bool)> {
        // ORDERING: Relaxed, see `put`.
        if self.urgent.load(Ordering::Relaxed) {
            let urgent = inbox.lanes.pop(Priority::High);
            self.urgent.store(inbox.lanes.has_high(), Ordering::Relaxed);
            if let Some(item) = urgent {
                return Some((item, false));
            }
        }
        if drain.holds {
            if let Some(item) = self.hand(drain.number).items.pop_front() {
                return Some((item, true));
            }
            drain.holds = false;
            inbox.holders -= 1;
        }
        // What another one holds was put before what lies in the inbox; but nearly always it is being run.
        let from_another = if inbox.holders > 0 { self.suspect(inbox, drain.number) } else { None };
        if let Some(other) = from_another {
            return self.fill_hand(inbox, drain, |_, items| self.take_over(other, items));
        }
        if group > 1 && inbox.lanes.len() > 1 {
            // Where nobody else takes, all may be taken: as before, what is more urgent is looked for first.
            let about = if self.width == 1 { usize::MAX } else { group };
            return self.fill_hand(inbox, drain, |inbox, items| inbox.lanes.take(about, items));
        }
        if let Some(item) = inbox.lanes.pop(Priority::Low) {
            return Some((item, false));
        }
        if inbox.holders > 0 {
            let number = drain.number;
            return self.fill_hand(inbox, drain, |_, items| {
                for further in 1..self.width {
                    if items.is_empty() {
                        self.take_over((number + further) % self.width, items);
                    }
                }
            });
        }
        None
    }

    /// Fills an empty hand, and takes the first item out.
    fn fill_hand(
        &self,
        inbox: &mut Inbox,
        drain: &mut DrainState,
        fill: impl FnOnce(&mut Inbox, &mut VecDeque<Item>),
    ) -> Option<(Item, bool)> {
        let mut hand = self.hand(drain.number);
        fill(inbox, &mut hand.items);
        let item = hand.items.pop_front()?;
        drain.holds = !hand.items.is_empty();
        inbox.holders += usize::from(drain.holds);
        Some((item, true))
    }

    /// Takes half of what lies in another hand, what is next there first.
    fn take_over(&self, other: usize, items: &mut VecDeque<Item>) {
        let mut other = self.hand(other);
        let half = other.items.len().div_ceil(2);
        items.extend(other.items.drain(..half));
    }

    /// Looks into one other hand, each time another's: if nothing has run from it since the last time, its
    /// drain task is held up, and what lies there is to be taken over.
    fn suspect(&self, inbox: &mut Inbox, number: usize) -> Option<usize> {
        let (suspect, before) = inbox.suspect;
        let next = (suspect + 1) % self.width;
        let held_up = suspect != number && {
            let other = self.hand(suspect);
            other.stats.run == before && !other.items.is_empty()
        };
        inbox.suspect = (next, self.hand(next).stats.run);
        held_up.then_some(suspect)
    }

    /// Whether another thread puts, one that is likely to go on with it: on this one nobody can meanwhile.
    #[inline]
    fn is_put_elsewhere(&self, inbox: &Inbox) -> bool {
        inbox.put_by != this_thread() && self.host.has_workers()
    }
}
