//! One item of a work queue, and what it is to run it: nothing a callback does gets past here.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::async_result::{AsyncCallback, AsyncResult, CallbackFlags, QueueId, Unknown};
use crate::contain::{contain, drop_contained, drop_payload};
use crate::error::Error;
use crate::observe::{Run, Running, Span};
use crate::queue::budget::{Budget, is_timed_alone};
use crate::queue::lanes::Priority;
use crate::queue::results::Results;
use crate::queue::serial::Serial;
use crate::sync::thread_local;

/// What waits in a queue.
pub(crate) struct Item {
    pub(crate) work: Work,
    pub(crate) flags: CallbackFlags,
    pub(crate) priority: Priority,
    /// The number of the put, counted per queue; the queue sets it.
    pub(crate) ticket: u64,
    /// When it was put; the queue says for which items that is measured.
    pub(crate) put_at: Option<Instant>,
    /// The callback's name. It is the callback's own code that tells it: asked for at the put, where no
    /// lock is held, and where a panic is the putter's.
    name: &'static str,
    span: Span,
}

/// What there is to do.
pub(crate) enum Work {
    /// Call the callback with a result that is made when it is wanted: on the thread that runs the item, which
    /// also lets go of it.
    Call(Call),
    /// Call the result's callback.
    Invoke(AsyncResult),
    /// Let the serial queue above run what it has.
    Turn(Arc<Serial>),
}

/// A callback that was put with nothing but a state.
pub(crate) struct Call {
    pub(crate) callback: Arc<dyn AsyncCallback>,
    pub(crate) state: Option<Unknown>,
}

impl Item {
    #[inline]
    pub(crate) fn call(call: Call, flags: CallbackFlags, priority: Priority) -> Item {
        let name = call.callback.name();
        Item::new(Work::Call(call), flags, priority, name)
    }

    #[inline]
    pub(crate) fn invoke(result: AsyncResult, flags: CallbackFlags, priority: Priority) -> Item {
        let name = result.callback().map_or("", |callback| callback.name());
        Item::new(Work::Invoke(result), flags, priority, name)
    }

    pub(crate) fn turn(of: Arc<Serial>, priority: Priority) -> Item {
        Item::new(Work::Turn(of), CallbackFlags::empty(), priority, "a serial queue's turn")
    }

    #[inline]
    fn new(work: Work, flags: CallbackFlags, priority: Priority, name: &'static str) -> Item {
        Item { work, flags, priority, ticket: 0, put_at: None, name, span: Span::current() }
    }

    #[inline]
    pub(crate) fn is_turn(&self) -> bool {
        matches!(self.work, Work::Turn(_))
    }

    /// Lets go of the item un-called; how many callbacks that leaves un-called. A turn that will not come
    /// ends the serial queue above, whose items would wait for it for ever.
    pub(crate) fn abandon(self) -> u64 {
        match self.work {
            Work::Call(call) => {
                drop_contained(call);
                1
            }
            Work::Invoke(result) => {
                drop_contained(result);
                1
            }
            Work::Turn(serial) => {
                serial.kill();
                0
            }
        }
    }

    /// The item with its result made, and the result; a turn has none.
    pub(crate) fn with_result(self, results: &mut Results) -> (Item, Option<AsyncResult>) {
        let result = match self.work {
            Work::Call(call) => results.make(call),
            Work::Invoke(result) => result,
            Work::Turn(_) => return (self, None),
        };
        (Item { work: Work::Invoke(result.clone()), ..self }, Some(result))
    }

    /// Whether the clock is read right before it runs, too.
    #[inline]
    pub(crate) fn is_timed_alone(&self) -> bool {
        self.is_turn() || is_timed_alone(self.flags)
    }

    /// How long it has waited, if that is measured; a turn's wait is nobody's.
    #[inline]
    pub(crate) fn waited(&self, now: Instant) -> Option<Duration> {
        self.put_at.filter(|_| !self.is_turn()).map(|put_at| now.saturating_duration_since(put_at))
    }

    /// What a report says while the item runs.
    #[inline]
    pub(crate) fn running(&self, since: Instant) -> Running {
        Running { ticket: self.ticket, name: self.name, since, awaits_reply: false }
    }

    /// Runs the item and lets go of it. Returns what it adds to the counters; a turn adds nothing here,
    /// since its items are the serial queue's.
    pub(crate) fn run(self, on: Place, budget: &mut Budget, results: &mut Results) -> Option<Run> {
        let (name, span) = (self.name, self.span);
        let invoke = |result: &AsyncResult| span.enter(on.queue, name, || invoke(result, name, on.queue));
        let panicked = match self.work {
            // The next turn is put from here, on a thread that runs callbacks.
            Work::Turn(serial) => {
                on.enter(|| serial.run_turn(budget, results));
                return None;
            }
            Work::Call(call) => {
                let result = results.make(call);
                on.enter(|| invoke(&result) | panics(|| results.take_back(result)))
            }
            Work::Invoke(result) => on.enter(|| invoke(&result) | drop_contained(result)),
        };
        Some(Run { panicked, time: budget.ran(on.queue, self.flags, name) })
    }
}

/// Runs an item on the blocking pool. `ended` is told once, with `None` if the item never ran, because
/// the runtime is gone: it drops the closure un-run, and the guard in it tells.
pub(crate) fn run_blocking(
    runtime: &Handle,
    item: Item,
    place: Place,
    results: Results,
    ended: impl FnOnce(Option<Run>) + Send + 'static,
) {
    struct Guard<E: FnOnce(Option<Run>)>(Option<Run>, Option<E>);
    impl<E: FnOnce(Option<Run>)> Drop for Guard<E> {
        fn drop(&mut self) {
            if let Some(ended) = self.1.take() {
                ended(self.0);
            }
        }
    }
    let guard = Guard(None, Some(ended));
    drop(runtime.spawn_blocking(move || {
        // In this order: the end is told when the result is back.
        let mut guard = guard;
        let mut results = results;
        guard.0 = item.run(place, &mut Budget::single(Instant::now()), &mut results);
    }));
}

/// Where a callback runs: told to the thread while it does, so that waiting for oneself is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The address of the platform's queues, as a number that is theirs alone while they live.
    pub(crate) platform: usize,
    pub(crate) queue: QueueId,
}

impl Place {
    /// Where the current thread runs a callback, if it does.
    #[inline]
    pub(crate) fn current() -> Option<Place> {
        PLACE.with(Cell::get)
    }

    /// Whether it runs one, of whatever platform.
    #[inline]
    pub(crate) fn is_any() -> bool {
        Place::current().is_some()
    }

    #[inline]
    pub(crate) fn enter<T>(self, call: impl FnOnce() -> T) -> T {
        /// Puts the former place back even when `call` unwinds.
        struct Back(Option<Place>);
        impl Drop for Back {
            fn drop(&mut self) {
                PLACE.with(|place| place.set(self.0));
            }
        }
        let _back = Back(PLACE.with(|place| place.replace(Some(self))));
        call()
    }
}

thread_local! {
    static PLACE: Cell<Option<Place>> = const { Cell::new(None) };
}

/// Calls the callback; true if it panicked. Does not unwind: a panic of the callback fails what depends on the
/// result.
#[inline]
fn invoke(result: &AsyncResult, name: &'static str, queue: QueueId) -> bool {
    let Some(callback) = result.callback() else { return false };
    result.set_invoked();
    let outcome = catch_unwind(AssertUnwindSafe(|| callback.invoke(result)));
    let Err(payload) = outcome else { return false };
    // A component's own item carries its caller's result as state: whoever awaits that is told why
    // nobody will complete it.
    if let Some(waiting) = result.state::<AsyncResult>() {
        waiting.fail(Error::panicked(&format!("callback {name} on queue {queue}"), payload));
    } else {
        drop_payload(payload);
    }
    true
}

/// Whether `call`, which drops user values, panics.
#[inline]
fn panics(call: impl FnOnce()) -> bool {
    contain(call).map_err(drop_payload).is_err()
}
