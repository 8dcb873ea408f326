//! The count and the flag beside it, in every order that there is: the last one back is always noticed, and
//! never before it is back.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use loom::thread;

use super::{Count, Number};

/// Loom takes SeqCst of a load or a store for less than it is; a fence says the same in its words.
impl Number for AtomicUsize {
    fn increment(&self) {
        self.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    fn read(&self) -> usize {
        self.load(Ordering::SeqCst)
    }
}

/// A platform's side of it, as `Lent` has it.
#[derive(Default)]
struct World {
    count: Count<AtomicUsize>,
    closing: AtomicBool,
    reported: AtomicBool,
    /// How many really are out.
    out: std::sync::atomic::AtomicUsize,
}

impl World {
    /// Loom's threads are one thread to the standard library, so each says where it counts.
    fn lend(&self, place: usize) {
        self.out.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.count.places[place].lent.increment();
    }

    fn give_back(&self, place: usize) {
        self.out.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
        self.count.places[place].back.increment();
        if self.closing.load(Ordering::SeqCst) && self.count.out() == 0 {
            assert_eq!(self.out.load(std::sync::atomic::Ordering::SeqCst), 0, "told before all were back");
            self.reported.store(true, Ordering::SeqCst);
        }
    }

    fn close(&self, place: usize) {
        self.closing.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.give_back(place);
    }
}

#[test]
fn the_last_one_back_is_noticed_and_none_before() {
    loom::model(|| {
        let world = Arc::new(World::default());
        // The platform's own, and one that another thread has.
        world.lend(0);
        world.lend(0);
        let other = thread::spawn({
            let world = world.clone();
            move || {
                // A clone, then both are given up.
                world.lend(1);
                world.give_back(1);
                world.give_back(1);
            }
        });
        world.close(0);
        other.join().unwrap();
        assert!(world.reported.load(Ordering::SeqCst), "nobody told that all are back");
    });
}
