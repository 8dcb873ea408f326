//! `PlatformEvents`: a listener for the beginning and the end of a platform.

use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use crate::contain::{Contained, contain, drop_contained, drop_payload};
use crate::platform::Platform;
use crate::queue::Queues;
use crate::sync::LockExt;

/// A listener for a platform's beginning and end: `IRtwqPlatformEvents`.
#[doc(alias = "IRtwqPlatformEvents")]
pub trait PlatformEvents: Send + Sync {
    /// The platform is ready.
    fn initialization_complete(&self) {}
    /// A shutdown begins.
    fn shutdown_start(&self) {}
    /// The shutdown has ended.
    fn shutdown_complete(&self) {}
}

impl Platform {
    /// Registers a listener for the platform's shutdown. `initialization_complete` is called at once, because it is.
    ///
    /// Dropping what this returns unregisters.
    #[doc(alias = "RtwqRegisterPlatformEvents")]
    #[doc(alias = "RtwqUnregisterPlatformEvents")]
    #[must_use = "dropping it unregisters"]
    pub fn register_platform_events(&self, events: Arc<dyn PlatformEvents>) -> PlatformEventsGuard {
        if let Err(payload) = contain(|| events.initialization_complete()) {
            drop_payload(payload);
        }
        PlatformEventsGuard { _registered: self.0.events.add(events) }
    }
}

/// A registration of [`PlatformEvents`]; dropping it unregisters.
pub struct PlatformEventsGuard {
    _registered: Arc<Registered>,
}

/// What a guard owns alone, though others may own the listener.
struct Registered(Contained<Arc<dyn PlatformEvents>>);

impl fmt::Debug for PlatformEventsGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlatformEventsGuard")
    }
}

/// The listeners of a platform.
#[derive(Default)]
pub(super) struct Listeners(Mutex<Vec<Weak<Registered>>>);

impl Listeners {
    fn add(&self, events: Arc<dyn PlatformEvents>) -> Arc<Registered> {
        let registered = Arc::new(Registered(Contained::new(events)));
        let mut all = self.0.locked();
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&registered));
        registered
    }

    /// Calls every listener on behalf of the end of the platform with these queues.
    pub(super) fn notify(&self, queues: &Queues, what: impl Fn(&dyn PlatformEvents)) {
        let listeners = self.0.locked().clone();
        for listener in listeners.iter().filter_map(Weak::upgrade) {
            // A listener that panics stops neither the shutdown nor the others.
            if let Err(payload) = contain(|| queues.call_out(|| what(&**listener.0))) {
                drop_payload(payload);
            }
            queues.call_out(|| drop_contained(listener));
        }
    }
}
