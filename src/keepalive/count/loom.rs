//! The count and the flag beside it, in every order that there is: the last one back is always noticed, and
//! never before it is back.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use loom::thread;

use super::{Count, HERE, Number};

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
    fn lend(&self) {
        self.out.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.count.lend();
    }

    fn give_back(&self) {
        self.out.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
        self.count.give_back();
        if self.closing.load(Ordering::SeqCst) && self.count.out() == 0 {
            assert_eq!(self.out.load(std::sync::atomic::Ordering::SeqCst), 0, "told before all were back");
            self.reported.store(true, Ordering::SeqCst);
        }
    }

    fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.give_back();
    }
}

fn count_at(place: usize) {
    HERE.with(|here| here.set(place));
}

#[test]
fn the_last_one_back_is_noticed_and_none_before() {
    loom::model(|| {
        let world = Arc::new(World::default());
        count_at(0);
        // The platform's own, and one that another thread has.
        world.lend();
        world.lend();
        let other = thread::spawn({
            let world = world.clone();
            move || {
                count_at(1);
                // A clone, then both are given up.
                world.lend();
                world.give_back();
                world.give_back();
            }
        });
        world.close();
        other.join().unwrap();
        assert!(world.reported.load(Ordering::SeqCst), "nobody told that all are back");
    });
}
