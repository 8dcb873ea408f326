//! The thread of a window queue: it runs the queue's items and is home to futures that are not `Send`.

use tokio::runtime::Handle;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::LocalSet;

use crate::async_result::QueueId;
use crate::error::{Error, Result};
use crate::queue::engine::{ClockHold, Spawner, Start};

/// Starts the thread of a window queue. It ends when the queue has ended and its futures have.
///
/// # Errors
/// The system's, when it gives no thread.
pub(crate) fn spawner(runtime: &Handle, id: QueueId) -> Result<Spawner> {
    let (start, mut starts) = unbounded_channel::<Start>();
    let handle = runtime.clone();
    std::thread::Builder::new()
        .name(format!("mf-window-{id}"))
        .spawn(move || {
            let local = LocalSet::new();
            handle.block_on(local.run_until(async {
                while let Some(start) = starts.recv().await {
                    drop(tokio::task::spawn_local(start()));
                }
            }));
            handle.block_on(local);
        })
        .map_err(|error| Error::io(format_args!("start the thread of window queue {id}"), error))?;
    Ok(Spawner::Thread { runtime: runtime.clone(), start, hold: ClockHold::default() })
}
