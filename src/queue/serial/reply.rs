//! Replies: an item of a serial queue that has not ended before its result is invoked, and how the queue waits for that.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::async_result::{AsyncResult, AwaitsReply, CallbackFlags};
use crate::contain::drop_contained;
use crate::observe::Run;
use crate::queue::backend::Backend;
use crate::queue::queued::Queued;
use crate::queue::result_cache::ResultCache;
use crate::queue::serial::{Base, Serial};
use crate::queue::work::Work;
use crate::sync::LockExt;

/// What is known of the reply to the current item.
#[derive(Default)]
pub(super) enum ReplyState {
    /// It needs none.
    #[default]
    None,
    /// Its callback runs, and has not replied yet. The queue holds the result until it does.
    Expected(AsyncResult),
    /// Its callback runs, and the reply came already.
    Came,
    /// Its callback has returned, and the queue waits.
    Awaited(AsyncResult),
}

impl<B: Base> Serial<B> {
    /// No caller can reply any more: the item that awaits its reply has ended, and so has each that comes.
    pub(crate) fn await_no_replies(self: &Arc<Self>) {
        if self.set_unreplied() {
            self.clone().replied();
        }
    }

    /// The handles and the runtime are gone. What waits for a reply is dropped, because a reply would find no queue;
    /// anything else may still run, if the thread below is one of its own.
    pub(crate) fn abort_if_awaiting_reply(&self) {
        if self.set_unreplied() {
            self.abort();
        }
    }

    pub(crate) fn awaits_reply(&self) -> bool {
        matches!(self.batch.locked().reply, ReplyState::Awaited(_))
    }

    /// While an item awaits its reply, lets the engine run the turns of queues above, which wait behind it: the reply may
    /// come from those.
    pub(crate) fn lift_turns(&self) {
        let mut turns = Vec::new();
        {
            let mut batch = self.batch.locked();
            if !matches!(batch.reply, ReplyState::Awaited(_)) {
                return;
            }
            let mut mailbox = self.mailbox.locked();
            let mut lift = |items: &mut VecDeque<Queued>| {
                let (above, own): (VecDeque<_>, VecDeque<_>) =
                    std::mem::take(items).into_iter().partition(Queued::is_turn);
                *items = own;
                turns.extend(above.into_iter().map(Queued::into_work));
            };
            lift(&mut batch.items);
            lift(&mut mailbox.items);
        }
        for mut turn in turns {
            self.engine.put(&mut turn, CallbackFlags::empty());
            turn.into_iter().for_each(Work::abandon);
        }
    }

    /// True if an item awaits its reply.
    fn set_unreplied(&self) -> bool {
        let batch = self.batch.locked();
        self.mailbox.locked().unreplied = true;
        matches!(batch.reply, ReplyState::Awaited(_))
    }

    /// Prepares for the reply to an item that wants one. If its result was put on another serial queue as well, and that
    /// awaits the reply, this one goes on without.
    pub(super) fn expect_reply(self: &Arc<Self>, item: &mut Queued, results: &mut ResultCache) {
        if let Some(result) = item.make_result(results).filter(|result| result.await_reply(self.clone())) {
            self.batch.locked().reply = ReplyState::Expected(result);
        }
    }

    /// The current item's callback has returned, or was dropped un-called. True if the next may run; else the item awaits
    /// its reply and keeps the turn. A callback that panicked, or never ran, is not waited for: whether it would reply
    /// cannot be known.
    #[must_use]
    pub(super) fn has_ended(&self, run: Option<Run>) -> bool {
        let mut batch = self.batch.locked();
        if let Some(run) = run {
            batch.stats.add(run);
        }
        let awaits = run.is_some_and(|run| !run.panicked) && !self.mailbox.locked().unreplied;
        let held = match std::mem::take(&mut batch.reply) {
            ReplyState::Expected(result) if awaits => {
                batch.reply = ReplyState::Awaited(result);
                if let Some(running) = &mut batch.running {
                    running.awaits_reply = true;
                }
                return false;
            }
            held => held,
        };
        (batch.busy, batch.running) = (false, None);
        drop(batch);
        if let ReplyState::Expected(result) = &held {
            drop(result.take_reply());
        }
        drop_contained(held);
        self.waiters.notify();
        true
    }
}

impl<B: Base> AwaitsReply for Serial<B> {
    fn replied(self: Arc<Self>) {
        let mut batch = self.batch.locked();
        match std::mem::take(&mut batch.reply) {
            ReplyState::Expected(result) => {
                batch.reply = ReplyState::Came;
                drop(batch);
                drop_contained(result);
            }
            ReplyState::Awaited(result) => {
                (batch.busy, batch.running) = (false, None);
                drop(batch);
                drop_contained(result);
                self.waiters.notify();
                self.put_turn();
            }
            other => batch.reply = other,
        }
    }
}
