//! `ObjectEvents`: the events of one COM object, which all its generators share: what is asked of it, and who is called.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use windows::Win32::Media::MediaFoundation::{
    IMFAsyncResult, IMFMediaEvent, IMFMediaEventGenerator, MF_EVENT_FLAG_NO_WAIT, MFCreateAsyncResult,
    MFInvokeCallback,
};
use windows::core::{GUID, IUnknown, IUnknown_Vtbl, Interface};

use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, QueueId};
use crate::com::callback::OnceCallback;
use crate::com::event::state::{Asked, CalledTarget, RequestTarget, State, Successor};
use crate::com::{Mta, async_result, given_back, prop_variant, raw_event};
use crate::error::{Error, Hresult, Result};
use crate::event::MediaEvent;
use crate::event::subscription::{SubscribedQueue, Subscription};
use crate::sync::LockExt;

/// The object, and what is asked of it. A request's callback does not keep this, nor the object, while there is a
/// generator.
pub(crate) struct ObjectEvents {
    this: Weak<ObjectEvents>,
    pub(crate) com: Mta<IMFMediaEventGenerator>,
    state: Mutex<State>,
    /// Of the request that is outstanding.
    pub(crate) successor: Mutex<Weak<Successor<ObjectEvents>>>,
}

impl ObjectEvents {
    pub(crate) fn new(com: Mta<IMFMediaEventGenerator>) -> Arc<ObjectEvents> {
        let (state, successor) = (Mutex::default(), Mutex::new(Weak::new()));
        Arc::new_cyclic(|this| ObjectEvents { this: this.clone(), com, state, successor })
    }

    /// Begins a request; if it is a stream's, the stream has the events to itself from now on.
    pub(crate) fn begin_request(&self, target: RequestTarget) -> Result<Hresult> {
        let subscription = Subscription::of(target.state.as_ref());
        if let Some(status) = self.state().begun_before(&target, subscription.as_ref())? {
            return Ok(status);
        }
        self.look_through();
        if let Some(subscription) = &subscription {
            // Calls the queue that it was attached to before: not under the lock.
            subscription.attach(self.this.clone());
        }
        let mut state = self.state();
        if let Some(status) = state.begun_before(&target, subscription.as_ref())? {
            return Ok(status);
        }
        if state.subscriber.is_none() {
            state.subscriber = subscription;
        }
        self.ask(state, target)
    }

    /// Calls the callback for an event that was taken before, or asks the object for the next.
    fn ask(&self, mut state: MutexGuard<'_, State>, target: RequestTarget) -> Result<Hresult> {
        state.refuse_gone(&target)?;
        if !state.unread.is_empty() && state.leaving.is_empty() {
            drop(state);
            return self.call_for_unread(target);
        }
        state.target = Some(target);
        if state.asked != Asked::No || !state.leaving.is_empty() {
            return Ok(Hresult::S_OK);
        }
        state.asked = Asked::Yes;
        let successor = Arc::new(Successor::new());
        *self.successor.locked() = Arc::downgrade(&successor);
        drop(state);
        let request = ObjectRequest { shared: self.this.clone(), successor, called: false };
        let parameters = CallbackParameters::on(QueueId::MULTITHREADED);
        let callback =
            OnceCallback::create(parameters, move |result: &IMFAsyncResult| request.invoked(result));
        // SAFETY: the object may be called from any thread, and so may the callback. If it refuses, the
        // callback goes, and with it the request and its target.
        Ok(unsafe { self.com.BeginGetEvent(&callback, None) }.map(|()| Hresult::S_OK)?)
    }

    /// Calls the callback, with a result of this crate's, for an event that was taken before.
    fn call_for_unread(&self, target: RequestTarget) -> Result<Hresult> {
        let (called, asking) = (CalledTarget::new(&target), target.clone());
        let callback = OnceCallback::create(
            CallbackParameters::on(QueueId::MULTITHREADED),
            move |result: &IMFAsyncResult| {
                target.invoke(result);
                Ok(())
            },
        );
        // SAFETY: the callback may be called from any thread, and so may a result of Media Foundation's.
        let result = unsafe { Mta::new(MFCreateAsyncResult(None, &callback, None)?) };
        {
            let mut state = self.state();
            state.refuse_gone(&asking)?;
            state.called = Some(CalledTarget { synthetic: Some(result.clone()), ..called });
        }
        // SAFETY: the result is Media Foundation's own.
        if let Err(error) = unsafe { MFInvokeCallback(&*result) } {
            let called = self.state().called.take();
            drop(called);
            return Err(error.into());
        }
        Ok(Hresult::S_OK)
    }

    /// The object has called back for its request.
    fn invoked(&self, result: &IMFAsyncResult) {
        let mut state = self.state();
        let target = if state.leaving.is_empty() { state.target.take() } else { None };
        if let Some(target) = target {
            state.asked = Asked::No;
            state.called = Some(CalledTarget::new(&target));
            drop(state);
            target.invoke(result);
            return;
        }
        // It is not wanted any more. It is ended all the same, and its event kept.
        state.asked = Asked::Ending;
        drop(state);
        // SAFETY: the object may be called from any thread, and so may its events.
        let event = unsafe { self.com.EndGetEvent(result).map(|event| self.com.beside(event)) };
        let event = event.map_err(Error::from).and_then(read);
        let mut state = self.state();
        state.asked = Asked::No;
        let target = if state.leaving.is_empty() { state.target.take() } else { None };
        let failed = match event {
            Ok(event) => {
                state.unread.push_back(event);
                None
            }
            Err(error) => Some(error),
        };
        let left = state.handles == 0;
        drop(state);
        if left {
            self.give_back();
        }
        // Another request was begun while it was being ended.
        let Some(target) = target else { return };
        if let Some(error) = failed.or_else(|| self.call_for_unread(target.clone()).err()) {
            target.fail(error);
        }
    }

    pub(crate) fn end(&self, result: &AsyncResult) -> Result<MediaEvent> {
        // The request has failed after Begin had returned.
        if let Some(error) = result.take_failure() {
            return Err(error);
        }
        let result = async_result::foreign(result)
            .ok_or_else(|| Error::new(Hresult::E_FAIL, "end a request for an event with another's result"))?;
        let mut state = self.state();
        if state.called.as_ref().is_some_and(|called| called.synthetic.as_ref() == Some(result)) {
            let called = state.called.take();
            let event = state.unread.pop_front();
            drop(state);
            drop(called);
            return event
                .ok_or_else(|| Error::new(Hresult::E_FAIL, "end a request for an event that was taken"));
        }
        drop(state);
        // SAFETY: the object may be called from any thread, with any result, and so may its events.
        let event = unsafe { self.com.EndGetEvent(&**result).map(|event| self.com.beside(event)) };
        let event = event.map_err(Error::from);
        if event.as_ref().err().is_none_or(Error::is_shutdown) {
            let mut state = self.state();
            // While the End of a stream that has left is pending, no other callback was called.
            state.leaving.iter_mut().for_each(|former| former.end_pending = false);
            let called = state.called.take();
            drop(state);
            drop(called);
        }
        read(event?)
    }

    /// Nothing is left that could ask for the events that were taken out: they are the object's again. If it is shut
    /// down, or takes no events, they will not be read; and if nothing else has it, it goes, with its events.
    pub(crate) fn give_back(&self) {
        let mut state = self.state();
        let unread = std::mem::take(&mut state.unread);
        state.looked_through = false;
        drop(state);
        if unread.is_empty() || !self.is_used_elsewhere() {
            return;
        }
        for event in &unread {
            let _ = match raw_event(event) {
                Some(raw) => given_back::give_back(&self.com, raw).map_err(Error::from),
                None => queue(&self.com, event),
            };
        }
    }

    /// Takes out what was given back to the object, once, and so all else that its queue holds: what was given back is
    /// older.
    pub(crate) fn look_through(&self) {
        let mut state = self.state();
        if state.looked_through
            || state.asked != Asked::No
            || state.called.is_some()
            || !state.leaving.is_empty()
        {
            return;
        }
        // Others wait, and take what is found.
        state.asked = Asked::Ending;
        drop(state);
        let (mut older, mut events) = (BTreeMap::new(), VecDeque::new());
        // Another's request, or a shutdown, is what the request that follows reports.
        while let Ok((number, event)) = self.take_one().map(given_back::restore) {
            match (MediaEvent::try_from(&event), number) {
                (Ok(event), Some(number)) => drop(older.insert(number, event)),
                (Ok(event), None) => events.push_back(event),
                (Err(_), _) => {}
            }
        }
        let mut state = self.state();
        state.asked = Asked::No;
        state.looked_through = true;
        state.unread.extend(older.into_values().chain(events));
        let target = if state.leaving.is_empty() { state.target.take() } else { None };
        // Another request was begun meanwhile.
        if let Some(target) = target {
            if let Err(error) = self.ask(state, target.clone()) {
                target.fail(error);
            }
        }
    }

    /// Whether anything but this has the object, by itself or by the interface that is kept: that may be an object of its
    /// own, with a count of its own.
    pub(crate) fn is_used_elsewhere(&self) -> bool {
        let by_interface = references(&*self.com) > 1;
        // The pointer that is counted by, and the interface that is kept.
        by_interface || self.com.cast::<IUnknown>().is_ok_and(|object| references(&*object) > 2)
    }

    /// The object has dropped a request without a call: its target is dropped, too.
    fn dropped(&self) {
        let mut state = self.state();
        state.asked = Asked::No;
        let target = state.target.take();
        drop(state);
        drop(target);
    }

    pub(crate) fn take_one(&self) -> Result<Mta<IMFMediaEvent>> {
        // SAFETY: the object may be called from any thread, and so may its events.
        Ok(unsafe { self.com.beside(self.com.GetEvent(MF_EVENT_FLAG_NO_WAIT)?) })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.locked()
    }
}

impl SubscribedQueue for ObjectEvents {
    fn begin(
        self: Arc<Self>,
        callback: Arc<dyn AsyncCallback>,
        subscription: &Arc<Subscription>,
    ) -> Result<Hresult> {
        self.begin_request(RequestTarget { callback, state: Some(subscription.as_state()) })
    }

    /// A stream that is gone ends its request, too: before that, the object takes no other.
    fn take(
        &self,
        subscription: &Arc<Subscription>,
        ended: Option<&AsyncResult>,
        most: usize,
        into: &mut VecDeque<MediaEvent>,
    ) -> Result<()> {
        if let Some(result) = ended {
            into.push_back(self.end(result)?);
        }
        {
            let mut state = self.state();
            if !state.is_subscriber(subscription) {
                let what = "take the events of a generator that another stream receives";
                let refused = Error::new(Hresult::MF_E_MULTIPLE_SUBSCRIBERS, what);
                return if into.is_empty() { Err(refused) } else { Ok(()) };
            }
            if !state.leaving.is_empty() {
                return Ok(());
            }
            let count = most.saturating_sub(into.len()).min(state.unread.len());
            into.extend(state.unread.drain(..count));
            if state.asked != Asked::No {
                return Ok(());
            }
        }
        while into.len() < most {
            match self.take_one() {
                Ok(event) => into.push_back(read(event)?),
                Err(error) if error.hresult() == Hresult::MF_E_NO_EVENTS_AVAILABLE => break,
                // The error comes again, when it is all there is.
                Err(_) if !into.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn begin_unsubscribe(&self, subscription: &Arc<Subscription>) {
        let gone = self.state().begin_unsubscribe(subscription);
        drop(gone);
    }

    fn finish_unsubscribe(&self, subscription: &Arc<Subscription>, unread: Vec<MediaEvent>) {
        let mut state = self.state();
        state.finish_unsubscribe(subscription, unread);
        if state.handles == 0 && state.asked == Asked::No {
            drop(state);
            return self.give_back();
        }
        // A request that was begun meanwhile had to wait for this.
        let Some(target) = (if state.leaving.is_empty() { state.target.take() } else { None }) else {
            return;
        };
        if let Err(error) = self.ask(state, target.clone()) {
            target.fail(error);
        }
    }
}

/// What the callback of a request owns.
struct ObjectRequest {
    shared: Weak<ObjectEvents>,
    successor: Arc<Successor<ObjectEvents>>,
    called: bool,
}

impl ObjectRequest {
    fn invoked(mut self, result: &IMFAsyncResult) -> windows::core::Result<()> {
        self.called = true;
        let kept = self.successor.take();
        if let Some(shared) = kept.or_else(|| self.shared.upgrade()) {
            shared.invoked(result);
        }
        Ok(())
    }
}

impl Drop for ObjectRequest {
    fn drop(&mut self) {
        if !self.called {
            if let Some(shared) = self.shared.upgrade() {
                shared.dropped();
            }
        }
    }
}

/// Puts an event into the object's own queue.
pub(crate) fn queue(com: &IMFMediaEventGenerator, event: &MediaEvent) -> Result<()> {
    let value = match raw_event(event) {
        // SAFETY: asks a live object.
        Some(raw) => unsafe { raw.GetValue() }?,
        None => prop_variant::from_value(event.value())?,
    };
    let extended = GUID::from_u128(event.extended_type().to_u128());
    let (kind, status) = (event.event_type().0, event.status().into());
    // SAFETY: what is pointed to lives here, and is copied.
    Ok(unsafe { com.QueueEvent(kind, &raw const extended, status, &raw const value) }?)
}

/// The event that was taken out, or that was given back as this one.
pub(crate) fn read(event: Mta<IMFMediaEvent>) -> Result<MediaEvent> {
    let (_, event) = given_back::restore(event);
    MediaEvent::try_from(&event)
}

/// How many references there are. Only for a guess: others may take and give back theirs at any time.
fn references(object: &impl Interface) -> u32 {
    let this = object.as_raw();
    // SAFETY: every COM object starts with the pointer to a table that starts with these functions; the
    // reference that is added is given back.
    unsafe {
        let table = *this.cast::<*const IUnknown_Vtbl>();
        ((*table).AddRef)(this);
        ((*table).Release)(this)
    }
}
