//! The state of an `EventGenerator`: what is outstanding at its object, who asks here, the code for every call.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use windows::Win32::Media::MediaFoundation::IMFAsyncResult;

use crate::async_result::{AsyncCallback, Unknown};
use crate::com::event::generator::Heir;
use crate::com::{Mta, async_result};
use crate::error::{Error, Hresult, Result};
use crate::event::MediaEvent;

#[derive(Default)]
pub(crate) struct State {
    /// What was taken, and nobody has read.
    pub(crate) unread: VecDeque<MediaEvent>,
    pub(crate) asked: Asked,
    /// Who is to be called when an event comes.
    pub(crate) target: Option<Target>,
    /// Who was called, and has not ended the request.
    pub(crate) called: Option<Called>,
    pub(crate) heir: Weak<Heir>,
    pub(crate) subscriber: Option<Weak<dyn Any + Send + Sync>>,
    /// Streams that are gone, and have not given back what they took: until they have, nobody is given an
    /// event that came behind it.
    pub(crate) leaving: Vec<Leaving>,
}

pub(crate) struct Leaving {
    pub(crate) stream: Weak<dyn Any + Send + Sync>,
    /// It was called, and will end its request yet: before, the object takes no other.
    pub(crate) owes_end: bool,
}

/// What is outstanding at the object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nothing, or a request whose callback was called by now.
    #[default]
    No,
    /// A request, be it that nobody wants it any more.
    Yes,
    /// A request that nobody wanted is just being ended.
    Ending,
}

pub(crate) struct Target {
    pub(crate) callback: Arc<dyn AsyncCallback>,
    pub(crate) state: Option<Unknown>,
}

pub(crate) struct Called {
    pub(crate) callback: Weak<dyn AsyncCallback>,
    pub(crate) state: Option<Weak<dyn Any + Send + Sync>>,
    /// The result of a call for an event that was there already: the object knows nothing of it.
    pub(crate) served: Option<Mta<IMFAsyncResult>>,
}

impl State {
    /// No request outstanding that somebody has begun here and wants.
    pub(crate) fn free(&self) -> Result<()> {
        if self.target.is_none() && self.called.is_none() {
            return Ok(());
        }
        let what = "get an event of a generator while a request for the next is outstanding";
        Err(Error::new(Hresult::MF_E_MULTIPLE_SUBSCRIBERS, what))
    }

    /// The stream is gone: another may subscribe. Returns what of its is to be let go.
    #[must_use]
    pub(crate) fn leave(&mut self, subscriber: &Unknown) -> (Option<Target>, Option<Called>) {
        let Some(stream) = self.subscriber.take_if(|former| same(former, subscriber)) else {
            return (None, None);
        };
        let target = self
            .target
            .take_if(|target| target.state.as_ref().is_some_and(|state| Arc::ptr_eq(state, subscriber)));
        let called =
            self.called.take_if(|called| called.state.as_ref().is_some_and(|state| same(state, subscriber)));
        let owes_end = called.as_ref().is_some_and(|called| called.served.is_none());
        self.leaving.push(Leaving { stream, owes_end });
        (target, called)
    }

    /// A stream that has left asks for nothing more, though its callback may still be at it.
    pub(crate) fn refuse_leaving(&self, stream: Option<&Unknown>) -> Result<()> {
        if stream.is_some_and(|stream| self.leaving.iter().any(|former| same(&former.stream, stream))) {
            let what = "begin a request for an event of a stream that is gone";
            return Err(Error::new(Hresult::MF_E_NOTACCEPTING, what));
        }
        Ok(())
    }

    /// What to answer to a request, if one is outstanding that somebody has begun here and wants.
    pub(crate) fn begun_before(&self, target: &Target) -> Option<Result<Hresult>> {
        let former = match (&self.target, &self.called) {
            (Some(former), _) => &Called::new(former),
            (None, Some(called)) => called,
            (None, None) => return None,
        };
        let same_state = match (&former.state, &target.state) {
            (None, None) => true,
            (Some(former), Some(state)) => same(former, state),
            _ => false,
        };
        Some(if !same(&former.callback, &target.callback) {
            let what = "begin a request for an event while another callback's is outstanding";
            Err(Error::new(Hresult::MF_E_MULTIPLE_SUBSCRIBERS, what))
        } else if same_state {
            Ok(Hresult::MF_S_MULTIPLE_BEGIN)
        } else {
            let what = "begin a request for an event while one with another state is outstanding";
            Err(Error::new(Hresult::MF_E_MULTIPLE_BEGIN, what))
        })
    }
}

impl Target {
    pub(crate) fn invoke(self, result: &IMFAsyncResult) {
        async_result::invoke_with(result, self.callback, self.state);
    }
}

impl Called {
    pub(crate) fn new(target: &Target) -> Called {
        Called {
            callback: Arc::downgrade(&target.callback),
            state: target.state.as_ref().map(Arc::downgrade),
            served: None,
        }
    }
}

/// Whether both are the same object, whatever is known of its type.
pub(crate) fn same<T: ?Sized>(weak: &Weak<T>, strong: &Arc<T>) -> bool {
    std::ptr::addr_eq(weak.as_ptr(), Arc::as_ptr(strong))
}
