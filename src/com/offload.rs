//! A call of Media Foundation's that blocks, made on a thread of its own.

use crate::async_result::QueueId;
use crate::com::Platform;
use crate::contain::contain;
use crate::error::{Error, Result};
use crate::operation::Operation;

/// Makes the call on a thread of its own, so that none of the runtime's waits. Begins at once. `what` names the call, as
/// in "open a source".
#[track_caller]
pub(crate) fn offload<T: Send + 'static>(
    platform: &Platform,
    what: &'static str,
    call: impl FnOnce() -> Result<T> + Send + 'static,
) -> Operation<T> {
    let (promise, operation) = match platform.promise(QueueId::MULTITHREADED) {
        Ok(promised) => promised,
        Err(error) => return Operation::failed(error),
    };
    // What the call uses may be the last that keeps Media Foundation started, and shall not be before it is over.
    let platform = platform.clone();
    let spawned = std::thread::Builder::new().name(format!("mf-async: {what}")).spawn(move || {
        let value = contain(call)
            .unwrap_or_else(|payload| Err(Error::panicked(&format!("the call to {what}"), payload)));
        promise.complete(value);
        drop(platform);
    });
    match spawned {
        Ok(_) => operation,
        Err(error) => Operation::failed(Error::io(format_args!("start a thread to {what}"), error)),
    }
}
