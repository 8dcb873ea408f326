//! An engine without workers whose items are taken out by the stepper of its thread, which chooses among those that may be
//! next.

use std::sync::Arc;

use crate::async_result::CallbackFlags;
use crate::queue::backend::Backend;
use crate::queue::blocking::run_blocking;
use crate::queue::engine::manual::{begin_here, run_here};
use crate::queue::engine::{Engine, Spawner};
use crate::queue::result_cache::ResultCache;
use crate::stepping::{self, SteppedQueue};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The engine as its stepper sees it.
struct SteppedEngine {
    engine: Engine,
    /// How many items run at the same time: a thread that has taken one may be overtaken by that many others.
    width: usize,
    /// An item of a serial engine has not ended, and the next waits for it.
    is_blocked: Arc<AtomicBool>,
    /// How many of its items are in the middle of their callbacks.
    running: AtomicUsize,
}

impl Engine {
    /// Hands the engine to the stepper.
    pub(super) fn hand_to_stepper(&self) {
        // No monitor looks at it: it makes no progress by itself.
        // ORDERING: Relaxed, before any other thread has the engine.
        self.0.watched.store(true, Ordering::Relaxed);
        stepping::add_queue(|width| SteppedEngine {
            engine: self.clone(),
            width: if self.0.serial { 1 } else { width.max(1) },
            is_blocked: Arc::default(),
            running: AtomicUsize::new(0),
        });
    }
}

impl SteppedQueue for SteppedEngine {
    fn ready(&self) -> usize {
        // ORDERING: Relaxed, here and below: all happens on one thread.
        if self.is_blocked.load(Ordering::Relaxed) {
            return 0;
        }
        let free = self.width.saturating_sub(self.running.load(Ordering::Relaxed));
        self.engine.0.injector.len().min(free)
    }

    fn step(&self, index: usize) {
        let engine = self.engine.0.clone();
        let Some(item) = engine.injector.take_at(index) else { return };
        let blocks =
            item.flags.contains(CallbackFlags::BLOCKING) || engine.long_running.load(Ordering::Relaxed);
        let running = InCallback::new(&self.running);
        if item.is_turn() || !blocks {
            return run_here(&engine, item, running);
        }
        let generation = item.generation;
        let (key, _) = begin_here(&engine, &item);
        drop(running);
        self.is_blocked.store(engine.serial, Ordering::Relaxed);
        let (on, is_blocked) = (engine.on, self.is_blocked.clone());
        let results = ResultCache::new(engine.tokens.clone());
        run_blocking(self.engine.runtime(), item, on, results, move |run| {
            engine.end_outside(key, generation, run);
            is_blocked.store(false, Ordering::Relaxed);
        });
    }

    fn id(&self) -> u32 {
        self.engine.0.on.queue.0
    }

    fn is_window(&self) -> bool {
        matches!(self.engine.0.spawner, Spawner::Stepped { is_window: true, .. })
    }

    fn is_over(&self) -> bool {
        !self.engine.0.is_open() && self.engine.0.is_quiet()
    }
}

/// An item is in the middle of its callback.
struct InCallback<'a>(&'a AtomicUsize);

impl<'a> InCallback<'a> {
    fn new(running: &'a AtomicUsize) -> InCallback<'a> {
        running.fetch_add(1, Ordering::Relaxed);
        InCallback(running)
    }
}

impl Drop for InCallback<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
