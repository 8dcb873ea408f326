//! One result, kept by three parties: the component that made it, its callback, and the task that awaits. Any of them is
//! the last that drops it, on this thread or another, before the platform ends or after. What the result owns is there
//! until then, and not longer; where no callback was called, the operation ends then, as abandoned.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use mf_async::{AsyncCallback, AsyncResult, CallbackParameters, Platform};

use super::{Begun, Play, Started, Token, soon};
use crate::program::{Fault, Step};

/// How the parties drop the result.
pub(super) struct Drops {
    /// The number of their order, of six.
    pub(super) order: u8,
    /// On another thread.
    pub(super) elsewhere: bool,
    /// The last drops it only after the platform has ended.
    pub(super) outlives: bool,
}

/// Where a party keeps the result.
type Kept = Arc<Mutex<Option<AsyncResult>>>;

/// The component's callback around that of its caller: it keeps the result that it is called with.
struct Keeps {
    callback: Arc<dyn AsyncCallback>,
    kept: Kept,
}

impl AsyncCallback for Keeps {
    fn parameters(&self) -> CallbackParameters {
        self.callback.parameters()
    }

    fn invoke(&self, result: &AsyncResult) {
        *self.kept.lock().unwrap() = Some(result.clone());
        self.callback.invoke(result);
    }
}

/// What the result owns.
struct Owned {
    is_gone: Arc<AtomicBool>,
    _token: Token,
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.is_gone.store(true, SeqCst);
    }
}

impl Play<'_> {
    pub(super) async fn share(
        &mut self,
        platform: &Platform,
        step: &Step,
        slot: usize,
        called: bool,
        panics: bool,
        drops: Drops,
    ) {
        let fault = if called { Fault::None } else { Fault::Never };
        let started = self.started(step, slot, fault);
        let number = started.number;
        let [component, callback, task]: [Kept; 3] = Default::default();
        let is_gone = Arc::new(AtomicBool::new(false));
        let owned = Arc::new(Owned { is_gone: is_gone.clone(), _token: self.shared.token(panics) });
        let (shared, takes) = (self.shared.clone(), task.clone());
        let mut operation = platform.begin_end(
            &(),
            |(), own| {
                let keeps = Arc::new(Keeps { callback: own, kept: callback.clone() });
                let result = platform.result(keeps).state(owned).build()?;
                *component.lock().unwrap() = Some(result.clone());
                if called {
                    return platform.invoke_callback(&result);
                }
                *callback.lock().unwrap() = Some(result.clone());
                *task.lock().unwrap() = Some(result);
                Ok(())
            },
            move |(), result| {
                *takes.lock().unwrap() = Some(result.clone());
                Ok(shared.value(number))
            },
        );
        if called {
            let value = (&mut operation).await;
            self.judge(&started, &value, self.doubt_now());
        }
        let mut parties = in_order([component, callback, task], drops.order);
        let last = parties.pop();
        let held = last.as_ref().is_some_and(|last| last.lock().unwrap().is_some());
        for party in parties {
            self.drop_one(&started, party, drops.elsewhere);
        }
        if held && is_gone.load(SeqCst) {
            self.shared.wrong(format!("{}: what the result owns was dropped before it", started.what));
        }
        if !called && held && operation.is_ended() && !self.shutting_down {
            self.shared.wrong(format!("{} has ended while its result is kept", started.what));
        }
        if drops.outlives {
            if let Some(result) = last.and_then(|last| last.lock().unwrap().take()) {
                self.kept = true;
                self.shared.kept.lock().unwrap().push(result);
            }
            if !called {
                self.begun.push(Begun { started, operation });
            }
            return;
        }
        self.drop_one(&started, last.unwrap_or_default(), drops.elsewhere);
        // The queue that has called the callback is one more owner for a moment.
        let runtime = tokio::runtime::Handle::current();
        let turns = || runtime.runtime_flavor() == tokio::runtime::RuntimeFlavor::CurrentThread;
        while turns() && !is_gone.load(SeqCst) {
            tokio::task::yield_now().await;
        }
        if !soon(None, || is_gone.load(SeqCst)) {
            self.shared.wrong(format!("{}: what the result owns outlives its owners", started.what));
        }
        if !called {
            let value = operation.await;
            self.judge(&started, &value, self.doubt_now());
        }
    }

    /// A party drops the result. Nothing that it owns panics out of that.
    fn drop_one(&self, started: &Started, party: Kept, elsewhere: bool) {
        let result = party.lock().unwrap().take();
        let drops = move || catch_unwind(AssertUnwindSafe(|| drop(result))).is_err();
        let panicked = if elsewhere { std::thread::spawn(drops).join().unwrap_or(true) } else { drops() };
        if panicked {
            self.shared.wrong(format!("{}: the drop of a result panicked", started.what));
        }
    }
}

/// The three in the order of this number.
fn in_order(parties: [Kept; 3], number: u8) -> Vec<Kept> {
    let mut left = parties.to_vec();
    let first = left.remove(usize::from(number / 2 % 3));
    let second = left.remove(usize::from(number % 2));
    vec![first, second, left.remove(0)]
}
