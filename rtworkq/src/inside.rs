//! Whether the current thread is inside a callback, where a shutdown would wait for itself.

use std::cell::Cell;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Calls `call`, which calls a callback.
pub(crate) fn enter<T>(call: impl FnOnce() -> T) -> T {
    let _leave = Leave(DEPTH.replace(DEPTH.get() + 1));
    call()
}

/// Whether a callback is on this thread's stack.
pub(crate) fn is_here() -> bool {
    DEPTH.get() > 0
}

/// Sets the depth back, however the call ends.
struct Leave(usize);

impl Drop for Leave {
    fn drop(&mut self) {
        DEPTH.set(self.0);
    }
}
