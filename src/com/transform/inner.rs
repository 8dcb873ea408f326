//! What both sides of an asynchronous transform and its event callback share: the calls, by the driver's rules.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker};

use windows::Win32::Media::MediaFoundation::{
    CODECAPI_AVEncVideoForceKeyFrame, ICodecAPI, IMFMediaEventGenerator, IMFSample, IMFShutdown,
    IMFTransform, MFCreateAsyncResult, MFSampleExtension_Discontinuity, MFScheduleWorkItemEx,
    MFT_MESSAGE_COMMAND_DRAIN, MFT_MESSAGE_COMMAND_MARKER, MFT_MESSAGE_NOTIFY_END_OF_STREAM,
    MFT_MESSAGE_NOTIFY_START_OF_STREAM,
};
use windows::Win32::System::Variant::VARIANT;

use super::markers::Markers;
use crate::async_result::{CallbackParameters, QueueId};
use crate::com::Mta;
use crate::com::callback::OnceCallback;
use crate::contain::{contain, drop_contained, wake_contained};
use crate::error::{Error, Hresult, Result};
use crate::operation::Promise;
use crate::sync::LockExt;
use crate::transform::{TransformDriver, TransformEvent, TransformInput, TransformOutput};

/// What both sides and the event callback share. The callback holds it weakly, so that there is no circle.
pub(super) struct Inner {
    this: Weak<Inner>,
    pub(super) generator: Mta<IMFMediaEventGenerator>,
    pub(super) shutdown: Mta<IMFShutdown>,
    pub(super) transform: Mta<IMFTransform>,
    pub(super) input: u32,
    pub(super) output: u32,
    pub(super) state: Mutex<State>,
}

type Choose = dyn Fn(&IMFTransform, u32) -> windows::core::Result<()> + Send + Sync;

pub(super) struct State {
    pub(super) driver: TransformDriver,
    pub(super) choose: Option<Arc<Choose>>,
    /// Put in, and not taken by the transform yet.
    pub(super) kept: Option<Mta<IMFSample>>,
    /// Taken out, and not by the stream yet.
    pub(super) ready: VecDeque<Mta<IMFSample>>,
    pub(super) failed: Option<Error>,
    /// A call of `ProcessInput`, or of `ProcessOutput`, is running.
    giving: bool,
    taking: bool,
    /// The input that was refused is not offered again before a moment has passed.
    pausing: bool,
    /// The next sample is the first after a drain.
    discontinuous: bool,
    pub(super) draining: bool,
    pub(super) closed: bool,
    /// What forces a key frame, if it ever was asked for.
    codec: Option<Mta<ICodecAPI>>,
    /// The sample that is put in next, and the one that was, is to be a key frame.
    pub(super) next_is_key: bool,
    pub(super) kept_is_key: bool,
    pub(super) markers: Markers,
    wakers: [Option<Waker>; 2],
}

impl State {
    fn new() -> State {
        State {
            driver: TransformDriver::new(),
            choose: None,
            kept: None,
            ready: VecDeque::new(),
            failed: None,
            giving: false,
            taking: false,
            pausing: false,
            discontinuous: false,
            draining: false,
            closed: false,
            codec: None,
            next_is_key: false,
            kept_is_key: false,
            markers: Markers::default(),
            wakers: [None, None],
        }
    }
}

/// Whose waker it is.
#[derive(Clone, Copy)]
enum Side {
    Input,
    Output,
}

/// What a try came to.
enum Step {
    Again,
    Wait,
    Done,
}

impl Inner {
    pub(super) fn new(transform: Mta<IMFTransform>, input: u32, output: u32) -> Result<Arc<Inner>> {
        let (generator, shutdown) = (transform.cast()?, transform.cast()?);
        let state = Mutex::new(State::new());
        Ok(Arc::new_cyclic(|this| Inner {
            this: this.clone(),
            generator,
            shutdown,
            transform,
            input,
            output,
            state,
        }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.locked()
    }

    pub(super) fn wake(&self) {
        let wakers = std::mem::take(&mut self.lock().wakers);
        wakers.into_iter().for_each(wake_contained);
    }

    /// Keeps the waker before anything is looked at, so that no event is missed.
    fn listen(&self, side: Side, cx: &Context<'_>) {
        // Cloned before the lock is taken: it may be user code.
        let waker = cx.waker().clone();
        let former = self.lock().wakers[side as usize].replace(waker);
        drop(former);
    }

    /// Lets a millisecond pass before the input that was refused is offered again. If there is no timer to be had, it is
    /// offered at once: that happens only so many times.
    fn pause(&self) {
        self.lock().pausing = true;
        let this = self.this.clone();
        let over = move || {
            if let Some(this) = this.upgrade() {
                this.lock().pausing = false;
                this.wake();
            }
        };
        let parameters = CallbackParameters::on(QueueId::MULTITHREADED);
        let callback = OnceCallback::create(parameters, move |_| {
            over();
            Ok(())
        });
        // SAFETY: the callback may be called from any thread, and the result is Media Foundation's own.
        let scheduled = unsafe {
            MFCreateAsyncResult(None, &callback, None)
                .and_then(|result| MFScheduleWorkItemEx(&result, -1, None))
        };
        if scheduled.is_err() {
            self.lock().pausing = false;
        }
    }

    fn fail(&self, error: Error) -> Error {
        let mut state = self.lock();
        state.failed.get_or_insert_with(|| error.clone());
        let markers = state.markers.take_all();
        drop(state);
        self.wake();
        markers.into_iter().for_each(|promise| promise.complete(Err(error.clone())));
        error
    }

    /// The next sample that is put in is to be a key frame.
    pub(super) fn force_key_frame(&self, codec: Mta<ICodecAPI>) {
        let mut state = self.lock();
        let former = state.codec.replace(codec);
        state.next_is_key = true;
        drop(state);
        drop(former);
    }

    /// Places a marker behind all that was put in, and keeps the promise when it is reached.
    pub(super) fn place_marker(&self, promise: Promise<()>) {
        let mut state = self.lock();
        if let Some(error) = state.failed.clone() {
            drop(state);
            return promise.complete(Err(error));
        }
        state.markers.place(promise);
        drop(state);
        // A side that gives a sample sends it after that, and so does the one that has a sample to give.
        loop {
            let state = self.lock();
            if state.giving || state.kept.is_some() {
                return;
            }
            // An error is the transform's, and has ended the promise.
            let Ok(Step::Again) = self.mark(state) else { return };
        }
    }

    /// Sends the next marker, behind what the transform has taken; `Done` if there is none.
    fn mark(&self, mut state: MutexGuard<'_, State>) -> Result<Step> {
        let Some(context) = state.markers.next_unsent() else { return Ok(Step::Done) };
        let needed = state.driver.marker(context.into());
        state.giving = needed;
        drop(state);
        if needed {
            let sent = self.message(MFT_MESSAGE_COMMAND_MARKER, context);
            let mut state = self.lock();
            state.giving = false;
            let refused = if sent.is_err() { state.markers.take(context.into()) } else { None };
            drop(state);
            if let (Some(promise), Err(error)) = (refused, sent) {
                promise.complete(Err(error));
            }
            // A sample may have come meanwhile.
            self.wake();
        } else {
            // Where nothing is inside, it is reached now.
            self.reach();
        }
        Ok(Step::Again)
    }

    /// Keeps the promises for the markers whose output is out.
    fn reach(&self) {
        loop {
            let mut state = self.lock();
            // What is taken now is before them.
            let reached = if state.taking { None } else { state.driver.reached() };
            let Some(context) = reached else { return };
            let promise = state.markers.take(context);
            drop(state);
            if let Some(promise) = promise {
                promise.complete(Ok(()));
            }
        }
    }

    /// Takes in an event of the transform, or why there are no more; true if it goes on.
    pub(super) fn event(&self, event: Result<Option<TransformEvent>>) -> bool {
        match event {
            Ok(event) => {
                event.into_iter().for_each(|event| self.lock().driver.event(event));
                self.reach();
                self.wake();
                true
            }
            Err(error) => {
                if error.is_shutdown() {
                    self.lock().driver.shut_down();
                }
                self.fail(error);
                false
            }
        }
    }

    /// Ready when the transform has taken what was put in.
    pub(super) fn poll_give(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.listen(Side::Input, cx);
        loop {
            match self.give() {
                Ok(Step::Again) => {}
                Ok(Step::Wait) => return Poll::Pending,
                Ok(Step::Done) => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn give(&self) -> Result<Step> {
        let mut state = self.lock();
        if let Some(error) = &state.failed {
            return Err(error.clone());
        }
        if state.giving || state.pausing {
            return Ok(Step::Wait);
        }
        let Some(sample) = state.kept.take() else { return self.mark(state) };
        match state.driver.input() {
            TransformInput::Start => {
                state.kept = Some(sample);
                drop(state);
                let started = self.message(MFT_MESSAGE_NOTIFY_START_OF_STREAM, 0);
                started.map(|()| Step::Again).map_err(|error| self.fail(error))
            }
            TransformInput::Process => {
                state.giving = true;
                let discontinuous = state.discontinuous;
                let codec = state.codec.clone().filter(|_| state.kept_is_key);
                drop(state);
                if discontinuous {
                    // SAFETY: the key lives for the call. A sample that takes no attribute goes in as it is.
                    let _ = unsafe { sample.SetUINT32(&MFSampleExtension_Discontinuity, 1) };
                }
                if let Some(codec) = codec {
                    let forced = VARIANT::from(1_u32);
                    // SAFETY: the property and the value live for the call. Of the next sample that the encoder takes it makes a key
                    // frame then. One that refuses, though it has said that it can, makes an ordinary one.
                    let _ = unsafe { codec.SetValue(&CODECAPI_AVEncVideoForceKeyFrame, &forced) };
                }
                // SAFETY: the sample lives for the call, and the transform takes its own reference.
                let processed = unsafe { self.transform.ProcessInput(self.input, &*sample, 0) };
                let status = processed.as_ref().map_or_else(|error| error.code().into(), |()| Hresult::S_OK);
                let mut state = self.lock();
                state.giving = false;
                if !state.driver.input_done(status) {
                    state.kept = Some(sample);
                    let retrying = state.driver.is_retrying();
                    drop(state);
                    if retrying {
                        self.pause();
                    }
                    return Ok(Step::Again);
                }
                state.discontinuous &= status.is_failure();
                state.kept_is_key = false;
                drop(state);
                drop(sample);
                processed?;
                // There may be a marker behind it.
                Ok(Step::Again)
            }
            TransformInput::Wait => {
                state.kept = Some(sample);
                Ok(Step::Wait)
            }
            TransformInput::Shutdown => {
                state.kept = Some(sample);
                Err(Error::shutdown("put a sample into a transform that is shut down"))
            }
        }
    }

    pub(super) fn poll_output(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Mta<IMFSample>>>> {
        self.listen(Side::Output, cx);
        loop {
            let mut state = self.lock();
            if let Some(sample) = state.ready.pop_front() {
                return Poll::Ready(Some(Ok(sample)));
            }
            if state.closed && !state.draining {
                return Poll::Ready(None);
            }
            if let Some(error) = state.failed.clone() {
                return Poll::Ready(Some(Err(error)));
            }
            drop(state);
            match self.take() {
                Ok(Step::Again) => {}
                Ok(Step::Wait) => return Poll::Pending,
                Ok(Step::Done) => return Poll::Ready(None),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// Ready when everything that was put in is out.
    pub(super) fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match self.poll_give(cx) {
            Poll::Ready(Ok(())) => {}
            // What is out makes room for what is kept.
            Poll::Pending => {
                while let Step::Again = self.take()? {}
                return Poll::Pending;
            }
            failed => return failed,
        }
        let mut state = self.lock();
        if !state.draining && state.driver.drain() {
            (state.draining, state.discontinuous) = (true, true);
            drop(state);
            let sent = self
                .message(MFT_MESSAGE_NOTIFY_END_OF_STREAM, self.input)
                .and_then(|()| self.message(MFT_MESSAGE_COMMAND_DRAIN, self.input));
            if let Err(error) = sent {
                return Poll::Ready(Err(self.fail(error)));
            }
        } else {
            drop(state);
        }
        loop {
            if !self.lock().draining {
                return Poll::Ready(Ok(()));
            }
            match self.take()? {
                Step::Again => {}
                Step::Wait => return Poll::Pending,
                Step::Done => {
                    return Poll::Ready(Err(Error::shutdown("drain a transform that is shut down")));
                }
            }
        }
    }

    /// Does the next thing there is to do about output; `Done` if there is nothing any more.
    fn take(&self) -> Result<Step> {
        let mut state = self.lock();
        if let Some(error) = &state.failed {
            return Err(error.clone());
        }
        if state.taking {
            return Ok(Step::Wait);
        }
        match state.driver.output() {
            TransformOutput::Process => {
                state.taking = true;
                drop(state);
                let (status, sample) = self.process_output();
                let mut state = self.lock();
                state.taking = false;
                let done = state.driver.output_done(status);
                let mut unwanted = sample;
                if done.as_ref().is_ok_and(|produced| *produced) {
                    state.ready.extend(unwanted.take());
                }
                drop(state);
                drop(unwanted);
                done.map_err(|error| self.fail(error))?;
                self.reach();
                self.wake();
                Ok(Step::Again)
            }
            TransformOutput::Negotiate => {
                state.taking = true;
                let choose = state.choose.clone();
                drop(state);
                let chosen = match &choose {
                    Some(choose) => contain(|| choose(&self.transform, self.output))
                        .map_err(|payload| Error::panicked("the choice of a format", payload))
                        .and_then(|chosen| Ok(chosen?)),
                    None => self.choose_first().map_err(Error::from),
                };
                drop_contained(choose);
                let mut state = self.lock();
                state.taking = false;
                state.driver.negotiated();
                drop(state);
                chosen.map_err(|error| self.fail(error))?;
                // The other side may go on, too.
                self.wake();
                Ok(Step::Again)
            }
            TransformOutput::Drained => {
                state.draining = false;
                // Whatever the transform said of them, the output before them is out.
                let markers = state.markers.take_sent();
                drop(state);
                markers.into_iter().for_each(|promise| promise.complete(Ok(())));
                self.reach();
                self.wake();
                Ok(Step::Again)
            }
            TransformOutput::Marker(context) => {
                let promise = state.markers.take(context);
                drop(state);
                if let Some(promise) = promise {
                    promise.complete(Ok(()));
                }
                // A sample may have waited for it to be taken.
                self.wake();
                Ok(Step::Again)
            }
            TransformOutput::Wait => Ok(Step::Wait),
            TransformOutput::Shutdown => Ok(Step::Done),
        }
    }
}
