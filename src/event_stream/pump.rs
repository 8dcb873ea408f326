//! The pump of an event stream: the one callback, and what it does with the events it fetches.
//!
//! Whoever moves the pump owns it for as long: the callback, when it is invoked, or the stream, when it
//! is polled. So the generator is asked by one at a time, and never with the lock held.
//!
//! ```text
//!          poll             nothing there          begun
//!   idle ───────► pumping ───────────────► arming ───────► armed
//!    ▲               │ ▲                     │ invoked       │ invoked
//!    │ full, failed  │ └──── End ── calling ◄┴───────────────┘
//!    └───────────────┘         armed and let go un-called: let go
//! ```
//!
//! A callback that comes while Begin is still on its way, on whatever thread or even on Begin's own
//! stack, ends its request and leaves the rest to the one who began, unless that one has left: nothing
//! recurses.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context, Waker};

use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, QueueId, Unknown};
use crate::error::{Error, Hresult, Result};
use crate::event::{MediaEvent, MediaEventGenerator, MediaEventType};
use crate::event_stream::overflow::Policy;
use crate::event_stream::slot::{Phase, Slot};
use crate::sync::{Mutex, MutexGuard};

/// What the stream and its callback share.
pub(crate) struct Pump {
    generator: Weak<dyn MediaEventGenerator>,
    slot: Mutex<Slot>,
}

/// What a look into the slot found.
pub(crate) enum Look {
    /// An event; a lossless stream also gets those behind it.
    Event(MediaEvent),
    /// The last event was read.
    Ended,
    /// Nothing is outstanding: the looker owns the pump, and is to move it.
    Move,
    /// Fetching or arming failed.
    Failed(Error),
    /// The request was let go un-called.
    LetGo,
    /// The waker is stored.
    Pending,
}

impl Pump {
    /// A pump that its maker owns, and is to move.
    pub(crate) fn new(generator: Weak<dyn MediaEventGenerator>, policy: Policy) -> Arc<Pump> {
        Arc::new(Pump { generator, slot: Mutex::new(Slot::new(policy)) })
    }

    pub(crate) fn generator(&self) -> Option<Arc<dyn MediaEventGenerator>> {
        self.generator.upgrade()
    }

    /// What made the pump rest.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.slot().failed.take()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.slot().dropped
    }

    /// From now on only these events are kept; what is kept already is sorted out as well.
    pub(crate) fn only(&self, wanted: Box<[MediaEventType]>, ready: &mut VecDeque<MediaEvent>) {
        let unwanted = {
            let mut slot = self.slot();
            slot.only = Some(wanted);
            slot.refilter(ready)
        };
        drop(unwanted);
    }

    /// The events end with the first of this type.
    pub(crate) fn until(&self, last: MediaEventType, ready: &mut VecDeque<MediaEvent>) {
        let unwanted = {
            let mut slot = self.slot();
            slot.last = Some(last);
            slot.refilter(ready)
        };
        drop(unwanted);
    }

    /// The next event, or what is to be done about there being none.
    pub(crate) fn look(&self, cx: &mut Context<'_>, ready: &mut VecDeque<MediaEvent>) -> Look {
        let mut slot = self.slot();
        if let Some(event) = slot.events.pop_front() {
            if matches!(slot.policy, Policy::Wait) {
                std::mem::swap(&mut slot.events, ready);
            }
            return Look::Event(event);
        }
        if slot.after_last.is_some() {
            return Look::Ended;
        }
        match slot.phase {
            Phase::Idle => match slot.failed.take() {
                Some(error) => Look::Failed(error),
                None => {
                    slot.phase = Phase::Pumping;
                    Look::Move
                }
            },
            Phase::LetGo => {
                slot.phase = Phase::Idle;
                Look::LetGo
            }
            _ => {
                // The waker is stored under the lock that events are put in under: none is missed.
                let former = match &slot.waker {
                    Some(waker) if waker.will_wake(cx.waker()) => None,
                    _ => slot.waker.replace(cx.waker().clone()),
                };
                drop(slot);
                drop(former);
                Look::Pending
            }
        }
    }

    /// Fetches what is there, and asks for the next when nothing is. The caller owns the pump.
    pub(crate) fn advance(self: &Arc<Self>) {
        let _mover = self.mover();
        let Some(generator) = self.generator() else {
            self.rest(Some(Error::abandoned(GENERATOR_GONE)));
            return;
        };
        for _ in 0..TURNS {
            match self.fetch(&*generator) {
                Ok(Fetched::Enough) => return self.rest(None),
                Ok(Fetched::Dry) => {}
                Err(error) => return self.rest(Some(error)),
            }
            if !self.arm(&*generator) {
                return;
            }
            // The callback came before Begin was back, and has ended its request.
            let mut slot = self.slot();
            if slot.failed.is_some() || matches!(slot.policy, Policy::Wait) {
                let failed = slot.failed.take();
                drop(slot);
                return self.rest(failed);
            }
        }
        self.rest(None);
    }

    /// Takes a batch, without waiting.
    fn fetch(self: &Arc<Self>, generator: &dyn MediaEventGenerator) -> Result<Fetched> {
        let mut batch = std::mem::take(&mut self.slot().scratch);
        let taken = generator.take_events(BATCH, &mut batch);
        let mut slot = self.slot();
        if slot.phase == Phase::Closed {
            slot.unread.append(&mut batch);
            return Ok(Fetched::Enough);
        }
        let any = !batch.is_empty();
        let (lost, waker) = slot.put(&mut batch);
        let enough = slot.after_last.is_some() || (any && matches!(slot.policy, Policy::Wait));
        slot.scratch = batch;
        drop(slot);
        drop(lost);
        wake(waker);
        taken.map(|()| if enough { Fetched::Enough } else { Fetched::Dry })
    }

    /// Asks for the next event; true if the caller still owns the pump, since the callback has come.
    fn arm(self: &Arc<Self>, generator: &dyn MediaEventGenerator) -> bool {
        let callback = {
            let mut slot = self.slot();
            if slot.phase == Phase::Closed {
                return false;
            }
            slot.phase = Phase::Arming;
            slot.callback.take()
        };
        let callback = callback.unwrap_or_else(|| PumpCallback::new(self.clone()));
        let begun = generator.begin_get_event(callback.clone(), Some(self.token()));
        let mut slot = self.slot();
        match slot.phase {
            Phase::Closed => false,
            Phase::CalledEarly => {
                slot.phase = Phase::Pumping;
                slot.callback = Some(callback);
                true
            }
            Phase::CallingEarly => {
                // The callback is still at it: it goes on from there.
                slot.phase = Phase::Pumping;
                false
            }
            Phase::Arming => match begun {
                // A callback that was let go un-called says so when the last handle to it goes, and that
                // may be this one.
                Ok(_) => {
                    slot.phase = Phase::Armed;
                    drop(slot);
                    drop(callback);
                    false
                }
                Err(error) => {
                    slot.callback = Some(callback);
                    drop(slot);
                    self.rest(Some(error));
                    false
                }
            },
            // It failed meanwhile, and the stream was told.
            _ => {
                drop(slot);
                drop(callback);
                false
            }
        }
    }

    /// The pump is nobody's; the stream is told, if there is something to tell.
    fn rest(&self, failed: Option<Error>) {
        let mut slot = self.slot();
        if slot.phase != Phase::Closed {
            slot.phase = Phase::Idle;
            slot.failed = failed;
        }
        let waker = slot.waker.take();
        drop(slot);
        wake(waker);
    }

    /// The callback was invoked: End, always, so that the generator can be used again.
    fn invoked(self: &Arc<Self>, callback: Option<Arc<PumpCallback>>, result: &AsyncResult) {
        let _mover = self.mover();
        {
            let mut slot = self.slot();
            let again = slot.ended.as_ref().is_some_and(|ended| ended.is(result));
            let spare = match slot.phase {
                Phase::Armed if !again => {
                    slot.phase = Phase::Pumping;
                    std::mem::replace(&mut slot.callback, callback)
                }
                Phase::Arming if !again => {
                    slot.phase = Phase::CallingEarly;
                    std::mem::replace(&mut slot.callback, callback)
                }
                Phase::Closed => callback,
                // It is not the request that is outstanding: a call too many.
                _ => {
                    drop(slot);
                    if let Some(tracker) = result.tracker() {
                        tracker.count_double_call();
                    }
                    return;
                }
            };
            slot.ended = Some(result.downgrade());
            drop(slot);
            drop(spare);
        }
        self.ended(match self.generator() {
            Some(generator) => generator.end_get_event(result),
            None => Err(Error::abandoned(GENERATOR_GONE)),
        });
    }

    /// A request has ended like this.
    fn ended(self: &Arc<Self>, event: Result<MediaEvent>) {
        let mut slot = self.slot();
        if slot.phase == Phase::Closed {
            slot.unread.extend(event);
            return;
        }
        let (event, failed) = match event {
            Ok(event) => (Some(event), None),
            Err(error) => (None, Some(error)),
        };
        let mut batch = std::mem::take(&mut slot.scratch);
        batch.extend(event);
        let (lost, mut waker) = slot.put(&mut batch);
        slot.scratch = batch;
        // Who began is still there, and goes on.
        let theirs = slot.phase == Phase::CallingEarly;
        let goes_on = failed.is_none() && slot.after_last.is_none() && !matches!(slot.policy, Policy::Wait);
        if theirs {
            slot.phase = Phase::CalledEarly;
            slot.failed = failed;
        } else if !goes_on {
            slot.phase = Phase::Idle;
            slot.failed = failed;
            waker = waker.or_else(|| slot.waker.take());
        }
        drop(slot);
        drop(lost);
        wake(waker);
        if !theirs && goes_on {
            self.advance();
        }
    }

    /// The request was dropped without a call.
    fn let_go(&self) {
        let mut slot = self.slot();
        if slot.phase != Phase::Armed {
            return;
        }
        slot.phase = Phase::LetGo;
        let waker = slot.waker.take();
        drop(slot);
        wake(waker);
    }

    /// The stream goes: its request is taken back, and what it has not read goes back where it came from.
    pub(crate) fn close(self: &Arc<Self>, unread: VecDeque<MediaEvent>) {
        let mut slot = self.slot();
        if slot.phase == Phase::Closed {
            return;
        }
        slot.phase = Phase::Closed;
        slot.unread = Vec::from(unread);
        let mut behind = Vec::from(std::mem::take(&mut slot.events));
        behind.extend(slot.after_last.take().unwrap_or_default());
        slot.unread.append(&mut behind);
        let gone = (slot.callback.take(), slot.waker.take(), slot.failed.take());
        slot.movers += 1;
        drop(slot);
        // Whoever is at work gives nothing back before the generator knows that the stream has left.
        let _mover = Mover(self);
        drop(gone);
        if let Some(generator) = self.generator() {
            generator.leave(&self.token());
        }
    }

    /// The stream is gone, and nobody moves the pump: what was taken goes back in its order.
    fn give_back(self: &Arc<Self>) {
        let unread = std::mem::take(&mut self.slot().unread);
        if let Some(generator) = self.generator() {
            generator.unsubscribe(&self.token(), unread);
        }
    }

    /// Somebody asks the generator for something, until this is dropped.
    fn mover(self: &Arc<Self>) -> Mover<'_> {
        self.slot().movers += 1;
        Mover(self)
    }

    /// How a generator recognises this pump.
    pub(crate) fn token(self: &Arc<Self>) -> Unknown {
        self.clone()
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who moves the pump, and may hold events that are in neither place. If the stream goes meanwhile, the
/// last one gives back what was taken, so that it is in order.
struct Mover<'a>(&'a Arc<Pump>);

impl Drop for Mover<'_> {
    fn drop(&mut self) {
        let last = {
            let mut slot = self.0.slot();
            slot.movers -= 1;
            slot.movers == 0 && slot.phase == Phase::Closed
        };
        if last {
            self.0.give_back();
        }
    }
}

enum Fetched {
    /// Something is there to be read, or nothing more is wanted.
    Enough,
    /// Ask for the next.
    Dry,
}

/// The callback: one object for as long as the stream lives, and always the same to the generator.
///
/// While a request is outstanding only the generator owns it, so that its drop tells when it was let go.
pub(crate) struct PumpCallback {
    this: Weak<PumpCallback>,
    pump: Arc<Pump>,
}

impl PumpCallback {
    fn new(pump: Arc<Pump>) -> Arc<PumpCallback> {
        Arc::new_cyclic(|this| PumpCallback { this: this.clone(), pump })
    }
}

impl AsyncCallback for PumpCallback {
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::on(QueueId::MULTITHREADED)
    }

    fn invoke(&self, result: &AsyncResult) {
        self.pump.invoked(self.this.upgrade(), result);
    }

    fn name(&self) -> &'static str {
        "an event stream"
    }
}

impl Drop for PumpCallback {
    fn drop(&mut self) {
        self.pump.let_go();
    }
}

/// Codes with which a generator refuses a request for the moment.
pub(crate) fn is_transient(code: Hresult) -> bool {
    matches!(code, Hresult::MF_E_NOTACCEPTING | Hresult::MF_E_INVALIDREQUEST)
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

pub(crate) const GENERATOR_GONE: &str = "wait for an event of a generator that was dropped";

/// At most so many events are fetched at once.
const BATCH: usize = 64;

/// How often in a row a callback may come before Begin is back until the stream's reader takes over.
const TURNS: u32 = 64;
