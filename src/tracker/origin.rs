//! `Origin`: the source line that put a work item or made a result, for reports.
//!
//! Items and results are too frequent to pay for that always. Builds with debug assertions keep the lines in a list; in
//! other builds an origin has no size, and its functions are empty.

#[cfg(debug_assertions)]
pub(crate) use self::kept::{Origin, Origins};
#[cfg(not(debug_assertions))]
pub(crate) use self::not_kept::{Origin, Origins};

use crate::register::Begun;

/// An item or a result that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// The name of its callback; empty if the callback is gone.
    pub(crate) name: &'static str,
    pub(crate) begun: Begun,
    /// The number of the queue in which it waits.
    pub(crate) queued: Option<u32>,
}

/// With debug assertions: a list of what exists.
#[cfg(debug_assertions)]
mod kept {
    // Not the checkers' locks: the models are about the road, and this is beside it.
    use std::sync::{Arc, Mutex};

    use slab::Slab;

    use super::Known;
    use crate::register::Begun;
    use crate::sync::LockExt;

    /// The items and results of a platform that have an origin.
    #[derive(Clone, Default)]
    pub(crate) struct Origins(Arc<Mutex<Slab<Entry>>>);

    #[derive(Clone)]
    struct Entry {
        name: Arc<dyn Fn() -> &'static str + Send + Sync>,
        begun: Begun,
        queued: Option<u32>,
    }

    impl Origins {
        /// Lists something until its origin is dropped. What `name` makes is called for reports, with no lock held.
        pub(crate) fn list<N>(&self, begun: Begun, queued: Option<u32>, name: impl FnOnce() -> N) -> Origin
        where
            N: Fn() -> &'static str + Send + Sync + 'static,
        {
            let key = self.0.locked().insert(Entry { name: Arc::new(name()), begun, queued });
            Origin(Some((self.clone(), key)))
        }

        /// What exists now.
        pub(crate) fn known(&self) -> Vec<Known> {
            let entries: Vec<Entry> = self.0.locked().iter().map(|(_, entry)| entry.clone()).collect();
            entries.iter().map(|e| Known { name: (e.name)(), begun: e.begun, queued: e.queued }).collect()
        }
    }

    /// The origin of one item or result; empty for one that this crate made for itself.
    #[derive(Default)]
    pub(crate) struct Origin(Option<(Origins, usize)>);

    impl Origin {
        /// It no longer waits in a queue.
        pub(crate) fn leave_queue(&self) {
            if let Some((origins, key)) = &self.0 {
                origins.0.locked()[*key].queued = None;
            }
        }
    }

    impl Drop for Origin {
        fn drop(&mut self) {
            if let Some((origins, key)) = &self.0 {
                let entry = origins.0.locked().try_remove(*key);
                drop(entry);
            }
        }
    }
}

/// Without: nothing, in zero bytes.
#[cfg(not(debug_assertions))]
mod not_kept {
    use super::Known;
    use crate::register::Begun;

    #[derive(Clone, Default)]
    pub(crate) struct NoOrigins;

    pub(crate) use NoOrigins as Origins;

    impl NoOrigins {
        #[inline(always)]
        pub(crate) fn list<N>(&self, _: Begun, _: Option<u32>, _: impl FnOnce() -> N) -> NoOrigin {
            NoOrigin
        }

        pub(crate) fn known(&self) -> Vec<Known> {
            Vec::new()
        }
    }

    #[derive(Default)]
    pub(crate) struct NoOrigin;

    pub(crate) use NoOrigin as Origin;

    impl NoOrigin {
        #[inline(always)]
        pub(crate) fn leave_queue(&self) {}
    }
}
