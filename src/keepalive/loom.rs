//! Keepalives and the shutdown that waits for them, in every order that there is: what is entered is told or
//! refused, and the last one back ends the waiting, whoever has it.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::future::block_on;
use loom::thread;

use crate::error::{Error, Hresult};
use crate::keepalive::{Armed, Lender};

/// Something outstanding that counts how often it is told.
#[derive(Default)]
struct Told(AtomicUsize);

impl Armed for Told {
    fn shut_down(&self, error: &Error) {
        assert_eq!(error.hresult(), Hresult::MF_E_SHUTDOWN);
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn describe(&self) -> String {
        "a model".to_owned()
    }
}

impl Told {
    fn times(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn down() -> Error {
    Error::shutdown("wait in a model")
}

#[test]
fn what_enters_while_all_are_told_is_told_or_refused() {
    loom::model(|| {
        let lender = Arc::new(Lender::new());
        let keepalive = lender.lend().unwrap();
        let enters = thread::spawn(move || {
            let told = Arc::new(Told::default());
            let armed: Arc<dyn Armed> = told.clone();
            let entry = keepalive.enter(Arc::downgrade(&armed), Location::caller());
            (told, armed, entry)
        });
        lender.shut_down(&down());
        let (told, armed, entry) = enters.join().unwrap();
        assert_eq!(told.times(), usize::from(entry.is_ok()));
        drop((armed, entry));
        assert!(lender.outstanding().is_empty());
    });
}

#[test]
fn what_is_listed_while_all_are_told_is_told_or_refused() {
    loom::model(|| {
        let lender = Arc::new(Lender::new());
        let keepalive = lender.lend().unwrap();
        let begins = thread::spawn(move || {
            let told = Arc::new(Told::default());
            let armed: Arc<dyn Armed> = told.clone();
            let listed = keepalive.list(Arc::downgrade(&armed), Location::caller());
            (told, armed, listed)
        });
        lender.shut_down(&down());
        let (told, armed, listed) = begins.join().unwrap();
        assert_eq!(told.times(), usize::from(listed.is_ok()));
        drop((told, armed));
        assert!(lender.outstanding().is_empty());
    });
}

#[test]
fn a_tenant_that_lends_late_is_seen_or_comes_after_the_end() {
    loom::model(|| {
        let lender = Arc::new(Lender::new());
        let tenant = lender.tenant();
        let late = thread::spawn(move || drop(tenant.lend()));
        lender.give_up();
        block_on(lender.all_back());
        late.join().unwrap();
        assert_eq!(lender.out(), 0);
    });
}

#[test]
fn what_leaves_while_all_are_told_is_told_at_most_once_and_has_left() {
    loom::model(|| {
        let lender = Arc::new(Lender::new());
        let told = Arc::new(Told::default());
        let armed: Arc<dyn Armed> = told.clone();
        let entry = lender.lend().unwrap().enter(Arc::downgrade(&armed), Location::caller()).unwrap();
        let leaves = thread::spawn(move || drop(entry));
        lender.shut_down(&down());
        leaves.join().unwrap();
        assert!(told.times() <= 1);
        assert!(lender.outstanding().is_empty());
    });
}

#[test]
fn the_last_one_back_ends_the_waiting() {
    loom::model(|| {
        let lender = Lender::new();
        let backs: Vec<_> = (0..2)
            .map(|_| {
                let keepalive = lender.lend().unwrap();
                thread::spawn(move || drop(keepalive))
            })
            .collect();
        lender.give_up();
        block_on(lender.all_back());
        assert_eq!(lender.out(), 0);
        backs.into_iter().for_each(|back| back.join().unwrap());
    });
}

#[test]
fn what_is_lent_while_the_platform_gives_up_is_waited_for() {
    loom::model(|| {
        let lender = Arc::new(Lender::new());
        let borrower = thread::spawn({
            let lender = lender.clone();
            move || {
                let keepalive = lender.lend();
                let lent = keepalive.is_some();
                drop(keepalive);
                lent
            }
        });
        lender.give_up();
        block_on(lender.all_back());
        // Once all are back none is lent again.
        assert!(lender.lend().is_none());
        borrower.join().unwrap();
    });
}
