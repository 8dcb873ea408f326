//! The thread of a window queue: it runs the queue's items and is home to futures that are not `Send`.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::async_result::QueueId;
use crate::error::{Error, Result};
use crate::queue::pool::Host;

/// Keeps tokio's clock, when it is paused, from running ahead of a thread that it does not know of.
///
/// A paused clock jumps to the next timer when the runtime has nothing to do; a blocking task is something
/// to do, so one waits here while the thread works. Without a paused clock it is a few microseconds per
/// burst, and without any other effect.
#[derive(Default)]
pub(crate) struct Hold(Mutex<Option<mpsc::UnboundedSender<()>>>);

impl Hold {
    pub(crate) fn hold(&self, runtime: &Handle) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            let (hold, mut released) = mpsc::unbounded_channel();
            *held = Some(hold);
            drop(held);
            drop(runtime.spawn_blocking(move || released.blocking_recv()));
        }
    }

    pub(crate) fn let_go(&self) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(held);
    }
}

/// A future that its thread keeps to itself.
pub(crate) type Local = Pin<Box<dyn Future<Output = ()>>>;

/// What the thread is asked to do: make a future there, and run it.
pub(crate) type Start = Box<dyn FnOnce() -> Local + Send>;

/// Starts the thread of a window queue. It ends when the queue has ended and its futures have.
///
/// # Errors
/// The system's, when it gives no thread.
pub(crate) fn host(runtime: &Handle, id: QueueId) -> Result<Host> {
    let (start, mut starts) = mpsc::unbounded_channel::<Start>();
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
    Ok(Host::Thread { runtime: runtime.clone(), start })
}
