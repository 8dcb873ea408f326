//! The state of an `EventGenerator`: what is outstanding at its object and here, and the code for every call.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};

use windows::Win32::Media::MediaFoundation::IMFAsyncResult;

use crate::async_result::{AsyncCallback, AsyncResult, Parts, QueueId, Unknown};
use crate::com::work_queue::put_once;
use crate::com::{Mta, async_result};
use crate::error::{Error, Hresult, Result};
use crate::event::MediaEvent;
use crate::event::subscription::Subscription;
use crate::sync::LockExt;

#[derive(Default)]
pub(crate) struct State {
    /// How many `EventGenerator`s there are of the object.
    pub(crate) handles: usize,
    /// The object's queue was looked through for events that were given back to it.
    pub(crate) looked_through: bool,
    /// What was taken from the object, and has not been read.
    pub(crate) unread: VecDeque<MediaEvent>,
    pub(crate) asked: Asked,
    /// What is to be called when an event comes.
    pub(crate) target: Option<RequestTarget>,
    /// What was called, and has not ended the request.
    pub(crate) called: Option<CalledTarget>,
    /// The stream that has the events to itself, from its first request until it is gone.
    pub(crate) subscriber: Option<Arc<Subscription>>,
    /// Streams that are gone, and have not given back what they took: until they have, no event that came later is
    /// read.
    pub(crate) leaving: Vec<LeavingStream>,
}

/// A stream that is gone.
pub(crate) struct LeavingStream {
    pub(crate) stream: Arc<Subscription>,
    /// It was called, and its End is still to come: before that, the object takes no other request.
    pub(crate) end_pending: bool,
}

/// What is outstanding at the object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nothing, or a request whose callback was called by now.
    #[default]
    No,
    /// A request, wanted or not.
    Yes,
    /// A request that is not wanted any more is being ended.
    Ending,
}

/// The callback of a request, and its state.
#[derive(Clone)]
pub(crate) struct RequestTarget {
    pub(crate) callback: Arc<dyn AsyncCallback>,
    pub(crate) state: Option<Unknown>,
}

/// The callback that was called for a request.
pub(crate) struct CalledTarget {
    pub(crate) callback: Weak<dyn AsyncCallback>,
    pub(crate) state: Option<Weak<dyn Any + Send + Sync>>,
    /// The result of a call for an event that was there already: the object knows nothing of it.
    pub(crate) synthetic: Option<Mta<IMFAsyncResult>>,
}

impl State {
    /// No request that was begun here and is wanted is outstanding, and no stream subscribed.
    pub(crate) fn free(&self) -> Result<()> {
        if self.target.is_some() || self.called.is_some() {
            let what = "get an event of a generator while a request for the next is outstanding";
            return Err(Error::new(Hresult::MF_E_MULTIPLE_SUBSCRIBERS, what));
        }
        if self.subscriber.is_some() {
            let what = "get an event of a generator whose events a stream receives";
            return Err(Error::new(Hresult::MF_E_MULTIPLE_SUBSCRIBERS, what));
        }
        Ok(())
    }

    pub(crate) fn is_subscriber(&self, subscription: &Arc<Subscription>) -> bool {
        self.subscriber.as_ref().is_some_and(|subscriber| Arc::ptr_eq(subscriber, subscription))
    }

    /// A stream is gone: another may subscribe. Returns what is to be dropped.
    #[must_use]
    pub(crate) fn begin_unsubscribe(
        &mut self,
        subscription: &Arc<Subscription>,
    ) -> (Option<RequestTarget>, Option<CalledTarget>) {
        let Some(stream) = self.subscriber.take_if(|subscriber| Arc::ptr_eq(subscriber, subscription)) else {
            return (None, None);
        };
        // As long as it was subscribed, no other's request was accepted.
        let (target, called) = (self.target.take(), self.called.take());
        let end_pending = called.as_ref().is_some_and(|called| called.synthetic.is_none());
        self.leaving.push(LeavingStream { stream, end_pending });
        (target, called)
    }

    /// A stream that is gone gives back what it took and was not read. If its End is still to come, it comes again.
    pub(crate) fn finish_unsubscribe(&mut self, subscription: &Arc<Subscription>, unread: Vec<MediaEvent>) {
        self.leaving.retain(|former| former.end_pending || !Arc::ptr_eq(&former.stream, subscription));
        for event in unread.into_iter().rev() {
            self.unread.push_front(event);
        }
    }

    /// A stream that is gone asks for nothing more, though its callback may still be at it.
    pub(crate) fn refuse_gone(&self, target: &RequestTarget) -> Result<()> {
        match Subscription::of(target.state.as_ref()) {
            Some(subscription) if !self.is_subscriber(&subscription) => Err(gone()),
            _ => Ok(()),
        }
    }

    /// Whether a request may be begun: `None` says yes, a code that it was begun before.
    pub(crate) fn begun_before(
        &self,
        target: &RequestTarget,
        subscription: Option<&Arc<Subscription>>,
    ) -> Result<Option<Hresult>> {
        let is_leaving = |stream| self.leaving.iter().any(|former| Arc::ptr_eq(&former.stream, stream));
        if subscription.is_some_and(is_leaving) {
            return Err(gone());
        }
        let former = match (&self.target, &self.called) {
            (Some(former), _) => &CalledTarget::new(former),
            (None, Some(called)) => called,
            (None, None) => {
                let may_begin = match (&self.subscriber, subscription) {
                    (None, _) => true,
                    (Some(subscriber), Some(subscription)) => Arc::ptr_eq(subscriber, subscription),
                    (Some(_), None) => false,
                };
                if may_begin {
                    return Ok(None);
                }
                let what = "begin a request for an event of a generator whose events a stream receives";
                return Err(Error::new(Hresult::MF_E_MULTIPLE_SUBSCRIBERS, what));
            }
        };
        let same_state = match (&former.state, &target.state) {
            (None, None) => true,
            (Some(former), Some(state)) => same(former, state),
            _ => false,
        };
        if !same(&former.callback, &target.callback) {
            let what = "begin a request for an event while another callback's is outstanding";
            Err(Error::new(Hresult::MF_E_MULTIPLE_SUBSCRIBERS, what))
        } else if same_state {
            Ok(Some(Hresult::MF_S_MULTIPLE_BEGIN))
        } else {
            let what = "begin a request for an event while one with another state is outstanding";
            Err(Error::new(Hresult::MF_E_MULTIPLE_BEGIN, what))
        }
    }
}

impl RequestTarget {
    pub(crate) fn invoke(self, result: &IMFAsyncResult) {
        async_result::invoke_with(result, self.callback, self.state);
    }

    /// The request failed after Begin had returned: the callback is invoked on a queue, and End returns the error.
    pub(crate) fn fail(self, error: Error) {
        let parts = Parts { callback: Some(self.callback.clone()), state: self.state, ..Parts::default() };
        let result = AsyncResult::new(parts, None);
        result.fail(error);
        // If Media Foundation is shut down, the callback is dropped, and what awaits it ends.
        let _ = put_once(QueueId::MULTITHREADED, move || self.callback.invoke(&result));
    }
}

impl CalledTarget {
    pub(crate) fn new(target: &RequestTarget) -> CalledTarget {
        CalledTarget {
            callback: Arc::downgrade(&target.callback),
            state: target.state.as_ref().map(Arc::downgrade),
            synthetic: None,
        }
    }
}

/// Ends an outstanding request when its generators are gone: it is given what they shared then.
pub(crate) struct Successor<T>(Mutex<Option<Arc<T>>>);

impl<T> Successor<T> {
    pub(crate) fn new() -> Successor<T> {
        Successor(Mutex::new(None))
    }

    pub(crate) fn give(&self, shared: Arc<T>) {
        let former = self.0.locked().replace(shared);
        drop(former);
    }

    pub(crate) fn take(&self) -> Option<Arc<T>> {
        self.0.locked().take()
    }
}

fn gone() -> Error {
    Error::new(Hresult::MF_E_NOTACCEPTING, "begin a request for an event of a stream that is gone")
}

/// Whether both are the same object, of any type.
fn same<T: ?Sized>(weak: &Weak<T>, strong: &Arc<T>) -> bool {
    std::ptr::addr_eq(weak.as_ptr(), Arc::as_ptr(strong))
}

#[cfg(test)]
mod tests {
    //! A request that fails after its Begin has returned.

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_end_of_a_request_that_failed_late_returns_the_error() {
        let _system = crate::com::Platform::startup().unwrap();
        let platform = crate::Platform::startup().unwrap();
        let mut target = None;
        let operation = platform.begin_end(
            &(),
            |(), callback| -> Result<()> {
                target = Some(RequestTarget { callback, state: None });
                Ok(())
            },
            |(), _| Ok(()),
        );
        target.unwrap().fail(Error::new(Hresult::MF_E_NOT_FOUND, "begin a request"));
        assert_eq!(operation.await.unwrap_err().hresult(), Hresult::MF_E_NOT_FOUND);
        platform.shutdown().await.unwrap();
    }
}
