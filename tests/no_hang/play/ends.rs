//! Ends from within: the runtime dropped by a callback, the last handle of a platform by an End.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mf_async::{
    AsyncCallback, AsyncResult, CallbackParameters, Operation, Platform, QueueId, WorkItem, WorkQueueType,
};
use tokio::runtime::{Builder, Runtime};

use super::{Play, Token, with};
use crate::model::Verdict;
use crate::program::{Fault, Flavour, LastEnd, Step};

impl Play<'_> {
    /// A callback drops the runtime: one of this platform, or one that runs on another runtime.
    pub(super) fn drop_runtime_inside(
        &self,
        platform: &Platform,
        runtime: Runtime,
        of_another: bool,
        waits: bool,
    ) {
        let (ended, end) = sync_channel(1);
        let dropped = Arc::new(Mutex::new(Some(runtime)));
        let drops = dropped.clone();
        let callback = |id| {
            with(CallbackParameters::on(id), move |_: &AsyncResult| {
                let runtime = drops.lock().unwrap().take();
                // On a thread of a runtime tokio refuses to wait. By then the runtime is shut down all the same.
                let _ = catch_unwind(AssertUnwindSafe(|| match (runtime, waits) {
                    (Some(runtime), false) => runtime.shutdown_background(),
                    (runtime, _) => drop(runtime),
                }));
                let _ = ended.send(());
            })
        };
        if of_another {
            // Of the other kind.
            let mut builder = match self.program.flavour {
                Flavour::Paused => Builder::new_multi_thread(),
                Flavour::Workers => Builder::new_current_thread(),
            };
            let another = builder.enable_all().build().unwrap();
            another.block_on(async {
                let platform = Platform::startup().unwrap();
                platform.invoke_item(callback(QueueId::MULTITHREADED)).unwrap();
                platform.queue(QueueId::MULTITHREADED).unwrap().quiesce().await.unwrap();
                platform.shutdown().await.unwrap();
            });
            end.recv().unwrap();
            return;
        }
        // Nothing drives a runtime of one thread while it is dropped: the callback is on a thread of its own.
        let put = match self.program.flavour {
            Flavour::Workers => platform.invoke_item(callback(QueueId::MULTITHREADED)).map(|()| None),
            Flavour::Paused => platform
                .allocate_work_queue(WorkQueueType::Window)
                .and_then(|window| platform.invoke_item(callback(window.id())).map(|()| Some(window))),
        };
        match put {
            Ok(window) => {
                end.recv().unwrap();
                drop(window);
            }
            // A shutdown has begun.
            Err(_) => drop(dropped.lock().unwrap().take()),
        }
    }

    /// The End of an operation drops the last handle of the platform.
    pub(super) fn drop_platform_in_end(&mut self, platform: Platform, runtime: &Runtime, last: LastEnd) {
        let step = format!("{:?}", self.program.end);
        self.operations += 1;
        let (number, shared) = (self.operations, self.shared.clone());
        let others = self.shared.platform.lock().unwrap().take();
        drop(others);
        let verdict = runtime.block_on(ended_by_its_end(platform, last, move || shared.value(number)));
        if verdict != Verdict::Value && !(self.shutting_down && verdict == Verdict::Shutdown) {
            self.shared.wrong(format!("{step} ended with {verdict:?}"));
        }
    }

    /// The same for a platform of its own, of which all is known.
    pub(super) async fn last_handle(&mut self, step: &Step, own_runtime: bool, last: LastEnd) {
        let what = self.started(step, 0, Fault::None).what;
        let builder = Platform::builder();
        let platform = if own_runtime { builder.worker_threads(1) } else { builder }.startup().unwrap();
        let mut result = None;
        let begin = |_: &(), callback: Arc<dyn AsyncCallback>| {
            result = Some(platform.result(callback).state(Arc::new(self.shared.token(false))).build()?);
            Ok(())
        };
        let armed: Operation<()> = platform.begin_end(&(), begin, |(), _| Ok(()));
        let (shared, token) = (self.shared.clone(), self.shared.token(false));
        let late = with(CallbackParameters::default(), move |_| {
            let _used = &token;
            shared.wrong("an item was called whose time had not come");
        });
        let state = Arc::new(self.shared.token(false));
        platform.schedule(WorkItem::new(late).state(state), Duration::from_secs(3600)).unwrap();
        let weak = platform.downgrade();
        let (shared, number) = (self.shared.clone(), self.operations);
        let verdict = ended_by_its_end(platform, last, move || shared.value(number)).await;
        if verdict != Verdict::Value {
            self.shared.wrong(format!("{what} ended with {verdict:?}"));
        }
        if weak.upgrade().is_ok() {
            self.shared.wrong(format!("{what}: the platform outlives its last handle"));
        }
        let verdict = Verdict::of(&armed.await);
        if verdict != Verdict::Shutdown {
            self.shared.wrong(format!("{what}: what was armed ended with {verdict:?}"));
        }
        drop(result);
    }
}

/// How an operation ended whose End drops this handle, the last.
async fn ended_by_its_end(
    platform: Platform,
    last: LastEnd,
    value: impl FnOnce() -> Token + Send + 'static,
) -> Verdict {
    let (ends, ended) = tokio::sync::oneshot::channel();
    let (handle, mut result) = (platform.clone(), None);
    let begin = |_: &(), callback: Arc<dyn AsyncCallback>| {
        result = Some(platform.result(callback).build()?);
        Ok(())
    };
    let end = move |_: &(), _: &AsyncResult| {
        drop(handle);
        let _ = ends.send(());
        Ok(value())
    };
    let operation = match last {
        LastEnd::OnItsQueue => {
            platform.begin_end_with(CallbackParameters::on(QueueId::STANDARD), &(), begin, end)
        }
        LastEnd::Awaited | LastEnd::Detached => platform.begin_end(&(), begin, end),
    };
    drop(platform);
    if last == LastEnd::Detached {
        operation.detach();
        let _ = result.map(|result: AsyncResult| result.invoke());
        // An End that was refused is dropped.
        return ended.await.map_or(Verdict::Shutdown, |()| Verdict::Value);
    }
    let _ = result.map(|result: AsyncResult| result.invoke());
    Verdict::of(&operation.await)
}
