//! The register while a platform shuts down, in every order that there is: what is registered is released and shut
//! down, what comes too late is refused, and nothing stays in the register.
//!
//! Tokens are owners of a standard `Arc`, which the checker does not see: they have no model here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::thread;

use crate::error::{Error, Hresult, Result};
use crate::tracker::{Outstanding, Phase, Registration, Tracker, TrackerHandle};

/// Something outstanding that counts what it is called for.
#[derive(Default)]
struct Counting {
    releases: AtomicUsize,
    ends: AtomicUsize,
}

impl Outstanding for Counting {
    fn release(&self) {
        self.releases.fetch_add(1, Ordering::Relaxed);
    }

    fn shut_down(&self, error: &Error) {
        assert_eq!(error.hresult(), Hresult::MF_E_SHUTDOWN);
        self.ends.fetch_add(1, Ordering::Relaxed);
    }

    fn describe(&self) -> String {
        "a model".to_owned()
    }
}

impl Counting {
    fn register(self: &Arc<Counting>, tracker: &TrackerHandle) -> Result<Registration> {
        let what: Arc<dyn Outstanding> = self.clone();
        tracker.register(Arc::downgrade(&what), std::panic::Location::caller(), None)
    }

    fn list_in_hand(self: &Arc<Counting>, tracker: &TrackerHandle) {
        let what: Arc<dyn Outstanding> = self.clone();
        tracker.list_in_hand(Arc::downgrade(&what), std::panic::Location::caller());
    }

    fn releases(&self) -> usize {
        self.releases.load(Ordering::Relaxed)
    }

    fn ends(&self) -> usize {
        self.ends.load(Ordering::Relaxed)
    }
}

fn tracker() -> (Tracker<()>, TrackerHandle) {
    let tracker = Tracker::new((), None);
    let handle = tracker.handle().clone();
    (tracker, handle)
}

fn down() -> Error {
    Error::shutdown("wait in a model")
}

#[test]
fn what_registers_while_the_platform_drains_is_released() {
    loom::model(|| {
        let (tracker, handle) = tracker();
        let registers = thread::spawn(move || {
            let what = Arc::new(Counting::default());
            let registration = what.register(&handle);
            (what, registration)
        });
        assert!(tracker.start_draining());
        let (what, registration) = registers.join().unwrap();
        assert!(registration.is_ok());
        // By the shutdown, by the register, or by both: a second release finds nothing to do.
        assert!(matches!(what.releases(), 1 | 2));
        assert_eq!(what.ends(), 0);
        drop(registration);
        assert!(tracker.handle().outstanding().is_empty());
    });
}

#[test]
fn what_is_listed_in_hand_while_the_platform_drains_is_released() {
    loom::model(|| {
        let (tracker, handle) = tracker();
        let lists = thread::spawn(move || {
            let what = Arc::new(Counting::default());
            what.list_in_hand(&handle);
            what
        });
        assert!(tracker.start_draining());
        let what = lists.join().unwrap();
        assert!(what.releases() >= 1);
        drop(what);
        assert!(tracker.handle().outstanding().is_empty());
    });
}

#[test]
fn what_registers_while_the_platform_closes_is_shut_down_once_or_refused() {
    loom::model(|| {
        let (tracker, handle) = tracker();
        let registers = thread::spawn(move || {
            let what = Arc::new(Counting::default());
            let registration = what.register(&handle);
            (what, registration)
        });
        tracker.close(&down());
        let (what, registration) = registers.join().unwrap();
        match &registration {
            Ok(_) => assert_eq!(what.ends(), 1),
            Err(error) => assert!(error.is_shutdown() && what.ends() == 0),
        }
        drop(registration);
        assert!(tracker.handle().outstanding().is_empty());
    });
}

#[test]
fn what_registers_during_a_whole_shutdown_is_released_and_shut_down_once_or_refused() {
    loom::model(|| {
        let (tracker, handle) = tracker();
        let registers = thread::spawn(move || {
            let what = Arc::new(Counting::default());
            let registration = what.register(&handle);
            (what, registration)
        });
        assert!(tracker.start_draining());
        tracker.close(&down());
        let (what, registration) = registers.join().unwrap();
        match &registration {
            Ok(_) => assert!(what.releases() >= 1 && what.ends() == 1),
            Err(error) => assert!(error.is_shutdown() && what.ends() == 0),
        }
        drop(registration);
        assert!(tracker.handle().outstanding().is_empty());
    });
}

#[test]
fn a_registration_dropped_while_all_are_shut_down_leaves_nothing() {
    loom::model(|| {
        let (tracker, handle) = tracker();
        let what = Arc::new(Counting::default());
        let registration = what.register(&handle).unwrap();
        let drops = thread::spawn(move || drop(registration));
        assert!(tracker.start_draining());
        tracker.close(&down());
        drops.join().unwrap();
        assert!(what.releases() <= 1 && what.ends() <= 1);
        assert!(tracker.handle().outstanding().is_empty());
    });
}

#[test]
fn of_two_that_begin_a_shutdown_one_does() {
    loom::model(|| {
        let (tracker, handle) = tracker();
        let what = Arc::new(Counting::default());
        let registration = what.register(&handle).unwrap();
        let tracker = Arc::new(tracker);
        let other = thread::spawn({
            let tracker = tracker.clone();
            move || tracker.start_draining()
        });
        let began = tracker.start_draining();
        assert_ne!(other.join().unwrap(), began);
        assert_eq!((what.releases(), handle.phase()), (1, Phase::Draining));
        drop(registration);
    });
}
