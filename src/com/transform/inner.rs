//! What both sides of an asynchronous transform and its event callback share: the calls, by the driver's rules.

use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker};

use windows::Win32::Media::MediaFoundation::{
    IMFMediaEventGenerator, IMFSample, IMFShutdown, IMFTransform, MFCreateAlignedMemoryBuffer,
    MFCreateAsyncResult, MFCreateSample, MFSampleExtension_Discontinuity, MFScheduleWorkItemEx,
    MFT_MESSAGE_COMMAND_DRAIN, MFT_MESSAGE_NOTIFY_END_OF_STREAM, MFT_MESSAGE_NOTIFY_START_OF_STREAM,
    MFT_MESSAGE_TYPE, MFT_OUTPUT_DATA_BUFFER, MFT_OUTPUT_DATA_BUFFER_NO_SAMPLE,
    MFT_OUTPUT_DATA_BUFFER_STREAM_END, MFT_OUTPUT_STREAM_CAN_PROVIDE_SAMPLES,
    MFT_OUTPUT_STREAM_PROVIDES_SAMPLES,
};

use crate::async_result::{CallbackParameters, QueueId};
use crate::com::Mta;
use crate::com::callback::OnceCallback;
use crate::contain::wake_contained;
use crate::error::{Error, Hresult, Result};
use crate::sync::LockExt;
use crate::transform::{TransformDriver, TransformEvent, TransformInput, TransformOutput};

/// What both sides and the event callback share. The callback holds it weakly, so that there is no circle.
pub(super) struct Inner {
    this: Weak<Inner>,
    pub(super) generator: Mta<IMFMediaEventGenerator>,
    pub(super) shutdown: Mta<IMFShutdown>,
    pub(super) transform: Mta<IMFTransform>,
    pub(super) input: u32,
    output: u32,
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
    failed: Option<Error>,
    /// A call of `ProcessInput`, or of `ProcessOutput`, is running.
    giving: bool,
    taking: bool,
    /// The input that was refused is not offered again before a moment has passed.
    pausing: bool,
    /// The next sample is the first after a drain.
    discontinuous: bool,
    pub(super) draining: bool,
    pub(super) closed: bool,
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

    /// Sends a message; those about one stream have its id as their parameter, all others zero.
    pub(super) fn message(&self, message: MFT_MESSAGE_TYPE, parameter: u32) -> Result<()> {
        // SAFETY: takes numbers; none of the messages sent here has a pointer as its parameter.
        Ok(unsafe { self.transform.ProcessMessage(message, parameter as usize) }?)
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
        self.lock().failed.get_or_insert_with(|| error.clone());
        self.wake();
        error
    }

    /// Takes in an event of the transform, or why there are no more; true if it goes on.
    pub(super) fn event(&self, event: Result<Option<TransformEvent>>) -> bool {
        let mut state = self.lock();
        let goes_on = match event {
            Ok(Some(event)) => {
                state.driver.event(event);
                true
            }
            Ok(None) => true,
            Err(error) => {
                if error.is_shutdown() {
                    state.driver.shut_down();
                }
                state.failed.get_or_insert(error);
                false
            }
        };
        drop(state);
        self.wake();
        goes_on
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
        let Some(sample) = state.kept.take() else { return Ok(Step::Done) };
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
                drop(state);
                if discontinuous {
                    // SAFETY: the key lives for the call. A sample that takes no attribute goes in as it is.
                    let _ = unsafe { sample.SetUINT32(&MFSampleExtension_Discontinuity, 1) };
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
                drop(state);
                drop(sample);
                processed?;
                Ok(Step::Done)
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
                self.wake();
                Ok(Step::Again)
            }
            TransformOutput::Negotiate => {
                state.taking = true;
                let choose = state.choose.clone();
                drop(state);
                let chosen = match choose {
                    Some(choose) => choose(&self.transform, self.output),
                    None => choose_first(&self.transform, self.output),
                };
                let mut state = self.lock();
                state.taking = false;
                state.driver.negotiated();
                drop(state);
                chosen.map_err(|error| self.fail(error.into()))?;
                // The other side may go on, too.
                self.wake();
                Ok(Step::Again)
            }
            TransformOutput::Drained => {
                state.draining = false;
                drop(state);
                self.wake();
                Ok(Step::Again)
            }
            TransformOutput::Marker(_) => Ok(Step::Again),
            TransformOutput::Wait => Ok(Step::Wait),
            TransformOutput::Shutdown => Ok(Step::Done),
        }
    }

    fn process_output(&self) -> (Hresult, Option<Mta<IMFSample>>) {
        let room = match self.room() {
            Ok(room) => room,
            Err(error) => return (error.hresult(), None),
        };
        let mut buffers = [MFT_OUTPUT_DATA_BUFFER {
            dwStreamID: self.output,
            pSample: ManuallyDrop::new(room),
            dwStatus: 0,
            pEvents: ManuallyDrop::new(None),
        }];
        let mut status = 0;
        // SAFETY: the one buffer and the status live for the call.
        let processed = unsafe { self.transform.ProcessOutput(0, &mut buffers, &mut status) };
        let [buffer] = buffers;
        // Both references are ours now, also if the call failed.
        drop(ManuallyDrop::into_inner(buffer.pEvents));
        let sample = ManuallyDrop::into_inner(buffer.pSample);
        // By equality, as the page of these flags demands. What is there then is the room that was given.
        let none = [MFT_OUTPUT_DATA_BUFFER_NO_SAMPLE, MFT_OUTPUT_DATA_BUFFER_STREAM_END];
        let sample = sample.filter(|_| none.iter().all(|flag| buffer.dwStatus != flag.0 as u32));
        match processed {
            // SAFETY: a sample of Media Foundation's, or one made by its rules.
            Ok(()) => (Hresult::S_OK, sample.map(|sample| unsafe { self.transform.beside(sample) })),
            Err(error) => (error.code().into(), None),
        }
    }

    /// A sample for the transform to write into, if it does not bring its own.
    fn room(&self) -> Result<Option<IMFSample>> {
        // SAFETY: takes a number.
        let info = unsafe { self.transform.GetOutputStreamInfo(self.output) }?;
        let brings = MFT_OUTPUT_STREAM_PROVIDES_SAMPLES.0 | MFT_OUTPUT_STREAM_CAN_PROVIDE_SAMPLES.0;
        if info.dwFlags & brings as u32 != 0 {
            return Ok(None);
        }
        // SAFETY: all of these take numbers, or objects that live for the call.
        unsafe {
            let buffer = MFCreateAlignedMemoryBuffer(info.cbSize, info.cbAlignment.saturating_sub(1))?;
            let sample = MFCreateSample()?;
            sample.AddBuffer(&buffer)?;
            Ok(Some(sample))
        }
    }
}

/// Sets the first output type that the transform has.
fn choose_first(transform: &IMFTransform, output: u32) -> windows::core::Result<()> {
    // SAFETY: takes numbers.
    let first = unsafe { transform.GetOutputAvailableType(output, 0) }?;
    // SAFETY: the type lives for the call.
    unsafe { transform.SetOutputType(output, &first, 0) }
}
