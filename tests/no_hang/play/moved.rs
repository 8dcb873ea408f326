//! A Begin that takes something across platforms: a result, a queue, a key or a cookie.

use std::sync::Arc;
use std::time::Duration;

use mf_async::{
    AsyncCallback, CallbackParameters, CancelCookie, Operation, Platform, Result, WorkItemKey, WorkQueueType,
};

use super::{Begun, Play, Token};
use crate::model::{self, Verdict};
use crate::program::{Fault, Moved, Step};

impl Play<'_> {
    pub(super) async fn move_across(
        &mut self,
        platform: &Platform,
        step: &Step,
        slot: usize,
        what: Moved,
        cancelled: bool,
    ) {
        let started = self.started(step, slot, Fault::None);
        let (shared, number) = (self.shared.clone(), started.number);
        let (here, there, slot) = (platform, self.other.clone(), &self.slots[slot]);
        let end = {
            let token = shared.token(false);
            move |_: &(), result: &mf_async::AsyncResult| -> Result<Token> {
                let _used = token;
                result.status().ok()?;
                Ok(shared.value(number))
            }
        };
        let on_slot = CallbackParameters::on(slot.id);
        let foreign = there.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let on_foreign = CallbackParameters::on(&foreign);
        let operation: Operation<Token> = match what {
            Moved::Result => here.begin_end_with(
                on_slot,
                &(),
                |(), callback| here.invoke_callback(&there.result(callback).build()?),
                end,
            ),
            Moved::ResultByItself => here.begin_end_with(
                on_slot,
                &(),
                |(), callback| there.result(callback).build()?.invoke(),
                end,
            ),
            Moved::Queue => here.begin_end_with(
                on_foreign,
                &(),
                |(), callback| here.invoke_callback(&here.result(callback).build()?),
                end,
            ),
            Moved::QueueAndResult => here.begin_end_with(
                on_foreign,
                &(),
                |(), callback| there.result(callback).build()?.invoke(),
                end,
            ),
            Moved::Key => {
                let after = self.time(20);
                let begin = |_: &(), callback: Arc<dyn AsyncCallback>| -> Result<WorkItemKey> {
                    there.schedule(&there.result(callback).build()?, after)
                };
                here.begin_end(&(), begin, end)
            }
            Moved::Cookie => {
                let method = there.method::<Token>();
                let (begins, shared) = (method.clone(), self.shared.clone());
                let begin = move |_: &(), callback: Arc<dyn AsyncCallback>| -> Result<CancelCookie> {
                    let token = shared.value(number);
                    let body = async move {
                        if cancelled {
                            tokio::time::sleep(Duration::from_secs(3600)).await;
                        }
                        Ok(token)
                    };
                    // A body that nothing can wake is abandoned: this one has an hour.
                    begins.begin(callback, body)
                };
                here.begin_end(&(), begin, move |(), result| method.end(result))
            }
        };
        drop(foreign);
        if slot.stuck && what == Moved::Result {
            // It waits for a reply that does not come.
            self.begun.push(Begun { started, operation });
            return;
        }
        let value = if cancelled { operation.cancel().await } else { operation.await };
        let verdict = Verdict::of(&value);
        let private = slot.id.is_private();
        let closed = private && slot.handle.is_none();
        let expected = model::moved(what, private, cancelled);
        let no_queue = Verdict::Failed(mf_async::Hresult::MF_E_INVALID_WORKQUEUE);
        let right = verdict == expected
            || what == Moved::Result
                && closed
                && matches!(verdict, Verdict::Abandoned) | (verdict == no_queue)
            || self.shutting_down && verdict == Verdict::Shutdown;
        if !right {
            self.shared.wrong(format!("{} ended with {verdict:?}, should with {expected:?}", started.what));
        }
        if let Ok(token) = value {
            if token.number != number {
                self.shared.wrong(format!("{} ended with the value of another", started.what));
            }
        }
    }
}
