//! The seam by which a test decides what a platform does next: what would run by itself is handed to a [`Stepper`].
//!
//! A stepper is installed for a thread. While it is, platforms that start there have queues without workers, tasks without
//! a runtime, and items that block without a blocking pool: all of them wait for the stepper. Without the feature
//! `test-util` there is none, and every call here is empty.

#[cfg(feature = "test-util")]
pub(crate) use self::imp::{LocalTask, SendTask, SteppedQueue, Stepper, add_queue, install, set_recording};
pub(crate) use self::imp::{block, has_begun, is_on, note, pause, put, spawn, spawn_local};

#[cfg(feature = "test-util")]
mod imp {
    use std::cell::{Cell, RefCell};
    use std::fmt;
    use std::future::Future;
    use std::pin::Pin;
    use std::rc::Rc;
    use std::sync::Arc;

    /// A future that stays on its thread.
    pub(crate) type LocalTask = Pin<Box<dyn Future<Output = ()>>>;

    /// A future that any thread may poll.
    pub(crate) type SendTask = Pin<Box<dyn Future<Output = ()> + Send>>;

    /// What decides what happens next on its thread.
    pub(crate) trait Stepper {
        /// How many items a parallel queue runs at the same time.
        fn width(&self) -> usize;

        /// A queue that waits to be stepped.
        fn add_queue(&self, queue: Arc<dyn SteppedQueue>);

        /// A task that waits to be polled.
        fn add_task(&self, name: String, task: SendTask);

        /// A task that stays on the thread of a window queue, where it is made.
        fn add_local(&self, name: String, make: Box<dyn FnOnce() -> LocalTask + Send>);

        /// An item that would block a thread, and waits for its end.
        fn add_blocking(&self, work: Box<dyn FnOnce() + Send>);

        /// A callback of this name is about to be called on a queue.
        fn has_begun(&self, queue: u32, name: &'static str);

        /// Another thread may go on here, before the one that calls.
        fn pause(&self);

        /// An item of this name was put on a queue. Only while it records.
        fn put(&self, queue: u32, name: &'static str);

        /// Something else was done that a reader wants to know of. Only while it records.
        fn note(&self, text: String);
    }

    /// A queue whose items are run by steps.
    pub(crate) trait SteppedQueue: Send + Sync {
        /// How many of its items may be the next, the first of them in the queue's order.
        fn ready(&self) -> usize;

        /// Runs one of those.
        fn step(&self, index: usize);

        /// Its number.
        fn id(&self) -> u32;

        /// Whether it has one thread, which is home to tasks as well.
        fn is_window(&self) -> bool;

        /// Whether it is closed, and will have no more items.
        fn is_over(&self) -> bool;
    }

    /// Installs the stepper of this thread until the guard is dropped.
    pub(crate) fn install(stepper: Rc<dyn Stepper>) -> StepperGuard {
        MODE.set(Mode::On);
        StepperGuard(STEPPER.replace(Some(stepper)))
    }

    /// From now on puts and notes are recorded, or not.
    pub(crate) fn set_recording(records: bool) {
        MODE.set(if records { Mode::Recording } else { Mode::On });
    }

    /// Takes the stepper away again.
    pub(crate) struct StepperGuard(Option<Rc<dyn Stepper>>);

    impl Drop for StepperGuard {
        fn drop(&mut self) {
            MODE.set(Mode::Off);
            drop(STEPPER.replace(self.0.take()));
        }
    }

    /// Whether a stepper decides on this thread.
    #[inline]
    pub(crate) fn is_on() -> bool {
        MODE.get() != Mode::Off
    }

    /// Hands a task over; gives it back if there is no stepper.
    pub(crate) fn spawn<F>(name: fmt::Arguments<'_>, task: F) -> Result<(), F>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match current() {
            Some(stepper) => {
                stepper.add_task(name.to_string(), Box::pin(task));
                Ok(())
            }
            None => Err(task),
        }
    }

    /// Hands a task over that stays on this thread; false if there is no stepper.
    pub(crate) fn spawn_local(
        name: fmt::Arguments<'_>,
        make: impl FnOnce() -> LocalTask + Send + 'static,
    ) -> bool {
        let stepper = current();
        let is_on = stepper.is_some();
        if let Some(stepper) = stepper {
            stepper.add_local(name.to_string(), Box::new(make));
        }
        is_on
    }

    /// Hands an item over that blocks; gives it back if there is no stepper.
    pub(crate) fn block<W: FnOnce() + Send + 'static>(work: W) -> Result<(), W> {
        match current() {
            Some(stepper) => {
                stepper.add_blocking(Box::new(work));
                Ok(())
            }
            None => Err(work),
        }
    }

    /// Hands a queue over, which is made with the stepper's width.
    pub(crate) fn add_queue<Q: SteppedQueue + 'static>(make: impl FnOnce(usize) -> Q) {
        if let Some(stepper) = current() {
            stepper.add_queue(Arc::new(make(stepper.width())));
        }
    }

    /// A callback is about to be called.
    #[inline]
    pub(crate) fn has_begun(callback: impl FnOnce() -> (u32, &'static str)) {
        if is_on() {
            let (queue, name) = callback();
            current().iter().for_each(|stepper| stepper.has_begun(queue, name));
        }
    }

    /// Another thread may go on here. Called where this crate is called, and with no lock held.
    #[inline]
    pub(crate) fn pause() {
        if is_on() {
            current().iter().for_each(|stepper| stepper.pause());
        }
    }

    /// An item was put.
    #[inline]
    pub(crate) fn put(item: impl FnOnce() -> (u32, &'static str)) {
        if MODE.get() == Mode::Recording {
            let (queue, name) = item();
            current().iter().for_each(|stepper| stepper.put(queue, name));
        }
    }

    /// Something was done that a reader wants to know of.
    #[inline]
    pub(crate) fn note(text: impl FnOnce() -> String) {
        if MODE.get() == Mode::Recording {
            let text = text();
            current().iter().for_each(|stepper| stepper.note(text.clone()));
        }
    }

    fn current() -> Option<Rc<dyn Stepper>> {
        STEPPER.with_borrow(Clone::clone)
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Mode {
        Off,
        On,
        Recording,
    }

    thread_local! {
        static STEPPER: RefCell<Option<Rc<dyn Stepper>>> = const { RefCell::new(None) };
        static MODE: Cell<Mode> = const { Cell::new(Mode::Off) };
    }
}

#[cfg(not(feature = "test-util"))]
mod imp {
    use std::fmt;

    #[inline(always)]
    pub(crate) fn is_on() -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn spawn<F>(_: fmt::Arguments<'_>, task: F) -> Result<(), F> {
        Err(task)
    }

    #[inline(always)]
    pub(crate) fn spawn_local<T>(_: fmt::Arguments<'_>, _: impl FnOnce() -> T) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn block<W>(work: W) -> Result<(), W> {
        Err(work)
    }

    #[inline(always)]
    pub(crate) fn has_begun(_: impl FnOnce() -> (u32, &'static str)) {}

    #[inline(always)]
    pub(crate) fn pause() {}

    #[inline(always)]
    pub(crate) fn put(_: impl FnOnce() -> (u32, &'static str)) {}

    #[inline(always)]
    pub(crate) fn note(_: impl FnOnce() -> String) {}
}
