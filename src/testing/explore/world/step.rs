//! A step: how one of the things that may happen is made to happen.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::contain::{contain, drop_contained, drop_payload};
use crate::testing::explore::parts::Part;
use crate::testing::explore::wakes::Parks;
use crate::testing::explore::world::thing::{BlockedItem, Thing, WorldPart, WorldQueue};
use crate::testing::explore::world::{LEAST_LAG, World};

impl World {
    pub(super) fn happen(&self, thing: Thing) {
        let acts = self.acts.replace(self.can_be_overtaken(thing).then(|| self.actor(thing)));
        self.do_it(thing);
        self.acts.set(acts);
    }

    fn do_it(&self, thing: Thing) {
        let doer = self.doer(thing);
        self.hub.record().step(doer);
        self.hub.wakes.stepped();
        self.turns.set(if matches!(thing, Thing::Runtime) { self.turns.get() + 1 } else { 0 });
        match thing {
            Thing::Task(key) => self.poll(key),
            Thing::Queue(at, slot) => {
                let queue = self.queues.borrow()[at].clone();
                queue.since.set(self.hub.wakes.tick());
                if !self.runs_in_parts(&queue) {
                    queue.queue.step(slot);
                    self.forget_if_over(&queue);
                    return;
                }
                let (step, of_part) = (self.hub.record().now(), queue.queue.clone());
                let number = self.number();
                let part = Part::begin(&self.hub, move || of_part.step(slot));
                self.keep_part(part, queue, step, number);
            }
            Thing::Part(at) => {
                let WorldPart { part, queue, step, number, .. } = self.parts.borrow_mut().remove(at);
                self.keep_part(part.go_on(), queue, step, number);
            }
            Thing::Blocking(at) => {
                let BlockedItem { work, .. } = self.blocking.borrow_mut().remove(at);
                work();
            }
            Thing::Runtime => {
                self.hub.wakes.runs();
                // With an event interval of one, one task runs before this goes on.
                self.block_on(tokio::task::yield_now());
            }
            Thing::Clock => {
                let started = Instant::now();
                self.block_on(self.pass_time(self.lag.get(), Parks::Anyway));
                let took = self.note_time(started);
                self.lag.set(self.lag.get().saturating_sub(took.max(LEAST_LAG)));
            }
        }
    }

    /// Whether the next item of a queue may be left in the middle.
    fn runs_in_parts(&self, queue: &WorldQueue) -> bool {
        if !self.hub.may_pause() || queue.queue.is_window() || self.parts.borrow().len() >= MOST_PARTS {
            return false;
        }
        let in_parts = self.hub.chooser().runs_in_parts();
        self.hub.record().chose_alone(usize::from(in_parts));
        in_parts
    }

    /// An item was left in the middle, or has ended.
    fn keep_part(&self, part: Option<Part>, queue: Rc<WorldQueue>, step: usize, number: u64) {
        self.take_given();
        match part {
            Some(part) => {
                let since = self.hub.wakes.tick();
                self.parts.borrow_mut().push(WorldPart { part, queue, step, number, since });
            }
            None => self.forget_if_over(&queue),
        }
        self.hub.wakes.overtakes(self.depth.get() + self.parts.borrow().len());
    }

    fn forget_if_over(&self, queue: &Rc<WorldQueue>) {
        if queue.queue.is_over() {
            self.queues.borrow_mut().retain(|other| !Rc::ptr_eq(other, queue));
        }
    }

    fn poll(&self, key: usize) {
        let (future, wake) = {
            let mut tasks = self.tasks.borrow_mut();
            let task = &mut tasks[key];
            (task.future.take(), task.wake.clone())
        };
        let Some(mut future) = future else { return };
        wake.begin();
        let waker = Waker::from(wake);
        let polled = contain(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
        let is_over = !matches!(polled, Ok(Poll::Pending));
        if let Err(payload) = polled {
            drop_payload(payload);
        }
        if is_over {
            let task = self.tasks.borrow_mut().try_remove(key);
            drop(task);
            drop_contained(future);
        } else if let Some(task) = self.tasks.borrow_mut().get_mut(key) {
            task.future = Some(future);
        }
    }

    /// Lets the runtime's clock go on to its next timer, at most this far; false if there was none.
    pub(super) async fn pass_time(&self, limit: Duration, parks: Parks) -> bool {
        let mut sleep = pin!(sleep_until(Instant::now() + limit));
        let started = Instant::now();
        let mut is_first = true;
        poll_fn(|cx| {
            self.hub.wakes.goes_on(cx.waker());
            if sleep.as_mut().poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            let has_passed = Instant::now() > started && parks == Parks::Anyway;
            if !std::mem::take(&mut is_first) && (has_passed || !self.is_idle()) {
                return Poll::Ready(true);
            }
            self.hub.wakes.may_park(parks);
            if parks == Parks::IfIdle && !self.is_idle() { Poll::Ready(true) } else { Poll::Pending }
        })
        .await
    }

    /// Time has passed for a timer. Returns how much.
    pub(super) fn note_time(&self, started: Instant) -> Duration {
        let took = Instant::now().saturating_duration_since(started);
        if took > Duration::ZERO {
            if took < self.hub.settings.lag {
                self.clock_matters.set(true);
            }
            self.hub.record().time_passed(took);
        }
        took
    }

    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let runtime = self.runtime.borrow().clone().expect("a run has a runtime");
        runtime.block_on(future)
    }
}

/// So many items can be in the middle at the same time.
const MOST_PARTS: usize = 4;
