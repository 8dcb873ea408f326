//! The subscription of an event stream: the state of each of its requests, by which an event queue recognises it.
//!
//! A generator hands the state of a request on as it is, also one that wraps another. So the queue at the bottom
//! finds the subscription by the type of the state, and attaches itself; from then on the stream reaches its queue
//! through the subscription, and no generator in between has to forward anything but the calls of its contract.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use crate::async_result::{AsyncCallback, AsyncResult, Unknown};
use crate::error::{Hresult, Result};
use crate::event::media_event::MediaEvent;
use crate::sync::{LockExt, Mutex};

/// One stream's claim to the events of a generator. It is recognised by its address.
#[derive(Default)]
pub(crate) struct Subscription {
    queue: Mutex<Option<Weak<dyn SubscribedQueue>>>,
}

/// An event queue, as a stream that has subscribed to it sees it.
pub(crate) trait SubscribedQueue: Send + Sync {
    /// Begins a request, as [`MediaEventGenerator::begin_get_event`](crate::MediaEventGenerator::begin_get_event)
    /// with the subscription as its state.
    fn begin(
        self: Arc<Self>,
        callback: Arc<dyn AsyncCallback>,
        subscription: &Arc<Subscription>,
    ) -> Result<Hresult>;

    /// Takes up to `most` events into the empty `into` without waiting, and ends the request of the result `ended`.
    fn take(
        &self,
        subscription: &Arc<Subscription>,
        ended: Option<&AsyncResult>,
        most: usize,
        into: &mut VecDeque<MediaEvent>,
    ) -> Result<()>;

    /// The stream is gone: its request is dropped, and another may subscribe. The stream may still hold events that
    /// it took, so that until it has finished nothing behind them is given away.
    fn begin_unsubscribe(&self, subscription: &Arc<Subscription>);

    /// The stream gives back what it took and was not read, to the front. It may come again with more, when a
    /// callback was late.
    fn finish_unsubscribe(&self, subscription: &Arc<Subscription>, unread: Vec<MediaEvent>);
}

impl Subscription {
    /// The subscription that a request was begun with.
    pub(crate) fn of(state: Option<&Unknown>) -> Option<Arc<Subscription>> {
        state.filter(|state| state.is::<Subscription>())?.clone().downcast().ok()
    }

    /// The subscription as the state of a request.
    pub(crate) fn as_state(self: &Arc<Self>) -> Unknown {
        self.clone()
    }

    /// Its requests go to this queue from now on. A queue that they went to before is left.
    pub(crate) fn attach(self: &Arc<Self>, queue: Weak<dyn SubscribedQueue>) {
        let former = {
            let mut attached = self.queue.locked();
            let is_attached = attached
                .as_ref()
                .is_some_and(|attached| std::ptr::addr_eq(attached.as_ptr(), queue.as_ptr()));
            if is_attached {
                return;
            }
            attached.replace(queue)
        };
        if let Some(former) = former.and_then(|former| former.upgrade()) {
            former.begin_unsubscribe(self);
            former.finish_unsubscribe(self, Vec::new());
        }
    }

    /// The queue that its requests go to, if one has recognised it and exists.
    pub(crate) fn queue(&self) -> Option<Arc<dyn SubscribedQueue>> {
        self.queue.locked().as_ref()?.upgrade()
    }
}
