//! The injector and the local queues: crossbeam's, or a model's own in its tests, which crossbeam's cannot take part in.

#[cfg(not(all(test, any(mf_async_loom, mf_async_shuttle))))]
mod imp {
    use crossbeam_deque::Steal;

    /// The shared queue of what was put: first in, first out.
    pub(crate) struct Injector<T>(crossbeam_deque::Injector<T>);

    /// A worker's own queue, which it fills from the injector and others may steal from.
    pub(crate) struct LocalQueue<T>(crossbeam_deque::Worker<T>);

    /// The others' view of a local queue.
    pub(crate) struct Stealer<T>(crossbeam_deque::Stealer<T>);

    impl<T> Default for Injector<T> {
        fn default() -> Injector<T> {
            Injector(crossbeam_deque::Injector::new())
        }
    }

    impl<T> Injector<T> {
        #[inline]
        pub(crate) fn push(&self, item: T) {
            self.0.push(item);
        }

        #[inline]
        pub(crate) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }

        /// Takes the oldest item.
        #[inline]
        pub(crate) fn take(&self) -> Option<T> {
            settled(|| self.0.steal())
        }

        /// Moves up to `limit` of the oldest items to the empty local queue, and returns the first of them.
        #[inline]
        pub(crate) fn take_group(&self, local: &LocalQueue<T>, limit: usize) -> Option<T> {
            settled(|| self.0.steal_batch_with_limit_and_pop(&local.0, limit))
        }
    }

    impl<T> LocalQueue<T> {
        pub(crate) fn new() -> LocalQueue<T> {
            LocalQueue(crossbeam_deque::Worker::new_fifo())
        }

        pub(crate) fn stealer(&self) -> Stealer<T> {
            Stealer(self.0.stealer())
        }

        #[inline]
        pub(crate) fn pop(&self) -> Option<T> {
            self.0.pop()
        }

        #[inline]
        pub(crate) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }
    }

    impl<T> Stealer<T> {
        #[inline]
        pub(crate) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }

        /// Takes the oldest item.
        pub(crate) fn take(&self) -> Option<T> {
            settled(|| self.0.steal())
        }

        /// Moves half of the items to the empty local queue, the oldest first, and returns the first of them.
        pub(crate) fn steal_half(&self, local: &LocalQueue<T>) -> Option<T> {
            settled(|| self.0.steal_batch_and_pop(&local.0))
        }
    }

    /// Tries until no other thread interferes.
    #[inline]
    fn settled<T>(steal: impl Fn() -> Steal<T>) -> Option<T> {
        loop {
            match steal() {
                Steal::Success(item) => return Some(item),
                Steal::Empty => return None,
                Steal::Retry => std::hint::spin_loop(),
            }
        }
    }
}

#[cfg(all(test, any(mf_async_loom, mf_async_shuttle)))]
mod imp {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use crate::sync::atomic::{AtomicUsize, Ordering};
    use crate::sync::{Mutex, MutexGuard};

    /// The items, and their number apart from them: looking at it orders nothing.
    pub(crate) struct Injector<T>(Mutex<VecDeque<T>>, AtomicUsize);
    pub(crate) struct LocalQueue<T>(Arc<Injector<T>>);
    pub(crate) struct Stealer<T>(Arc<Injector<T>>);

    impl<T> Default for Injector<T> {
        fn default() -> Injector<T> {
            Injector(Mutex::new(VecDeque::new()), AtomicUsize::new(0))
        }
    }

    impl<T> Injector<T> {
        fn change<R>(&self, change: impl FnOnce(&mut VecDeque<T>) -> R) -> R {
            let mut items: MutexGuard<'_, VecDeque<T>> = self.0.lock().unwrap();
            let changed = change(&mut items);
            // ORDERING: Relaxed, so that the engine's own fences must do.
            self.1.store(items.len(), Ordering::Relaxed);
            changed
        }

        pub(crate) fn push(&self, item: T) {
            self.change(|items| items.push_back(item));
        }

        pub(crate) fn is_empty(&self) -> bool {
            // ORDERING: Relaxed, see `change`.
            self.1.load(Ordering::Relaxed) == 0
        }

        pub(crate) fn take(&self) -> Option<T> {
            self.change(VecDeque::pop_front)
        }

        pub(crate) fn take_group(&self, local: &LocalQueue<T>, limit: usize) -> Option<T> {
            let group: Vec<T> = self.change(|items| {
                let count = items.len().div_ceil(2).min(limit);
                items.drain(..count).collect()
            });
            local.0.change(|items| {
                items.extend(group);
                items.pop_front()
            })
        }
    }

    impl<T> LocalQueue<T> {
        pub(crate) fn new() -> LocalQueue<T> {
            LocalQueue(Arc::default())
        }

        pub(crate) fn stealer(&self) -> Stealer<T> {
            Stealer(self.0.clone())
        }

        pub(crate) fn pop(&self) -> Option<T> {
            self.0.take()
        }

        pub(crate) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }
    }

    impl<T> Stealer<T> {
        pub(crate) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }

        pub(crate) fn take(&self) -> Option<T> {
            self.0.take()
        }

        pub(crate) fn steal_half(&self, local: &LocalQueue<T>) -> Option<T> {
            self.0.take_group(local, usize::MAX)
        }
    }
}

pub(crate) use self::imp::{Injector, LocalQueue, Stealer};
