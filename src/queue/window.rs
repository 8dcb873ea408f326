//! The thread of a window queue: it runs the queue's items and is home to futures that are not `Send`.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
///
/// Every summons counts: a hold that was taken for one is not given up for a rest before it.
#[derive(Default)]
pub(crate) struct Hold(Mutex<Held>);

#[derive(Default)]
struct Held {
    summons: u64,
    until: Option<mpsc::UnboundedSender<()>>,
}

impl Hold {
    /// The thread was summoned.
    pub(crate) fn hold(&self, runtime: &Handle) {
        let mut held = self.held();
        held.summons += 1;
        if held.until.is_none() {
            let (hold, mut released) = mpsc::unbounded_channel();
            held.until = Some(hold);
            drop(held);
            drop(runtime.spawn_blocking(move || released.blocking_recv()));
        }
    }

    /// How often the thread was summoned.
    pub(crate) fn summons(&self) -> u64 {
        self.held().summons
    }

    /// The thread rests, unless it was summoned since.
    pub(crate) fn let_go(&self, summons: u64) {
        let released = {
            let mut held = self.held();
            if held.summons == summons { held.until.take() } else { None }
        };
        drop(released);
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
