//! `MfAsyncManual` and `MfAsyncStep`: the stepping of a program that is not written in Rust.

use std::sync::{Mutex, PoisonError};

use mf_async_rtworkq::{Stepper, step_by_hand_on_started};

static STEPPER: Mutex<Option<std::sync::Arc<Stepper>>> = Mutex::new(None);

/// With 1 everything that Media Foundation puts from now on waits until it is stepped; with 0 it runs by itself again, and
/// what waits is released without a call. 0 is returned if Media Foundation is not started on this file's platform.
#[unsafe(no_mangle)]
pub extern "system" fn MfAsyncManual(on: i32) -> i32 {
    let set = || {
        let stepper = if on == 0 { None } else { step_by_hand_on_started().map(std::sync::Arc::new) };
        let done = on == 0 || stepper.is_some();
        let former = std::mem::replace(&mut *STEPPER.lock().unwrap_or_else(PoisonError::into_inner), stepper);
        drop(former);
        done
    };
    i32::from(std::panic::catch_unwind(set).unwrap_or(false))
}

/// Runs the next callback on the calling thread; 0 if none is queued.
#[unsafe(no_mangle)]
pub extern "system" fn MfAsyncStep() -> i32 {
    let step = || {
        let stepper = STEPPER.lock().unwrap_or_else(PoisonError::into_inner).clone();
        stepper.is_some_and(|stepper| stepper.step())
    };
    i32::from(std::panic::catch_unwind(step).unwrap_or(false))
}
