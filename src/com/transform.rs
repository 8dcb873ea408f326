//! `AsyncTransform`: an asynchronous transform (MFT) as a sink of samples and a stream of samples.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use futures::sink::Sink;
use futures::stream::{FusedStream, Stream};
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncCallback_Impl, IMFAsyncResult, IMFMediaEvent, IMFMediaEventGenerator,
    IMFSample, IMFShutdown, IMFTransform, METransformDrainComplete, METransformHaveOutput, METransformMarker,
    METransformNeedInput, MF_E_SHUTDOWN, MF_EVENT_MFT_CONTEXT, MF_TRANSFORM_ASYNC, MF_TRANSFORM_ASYNC_UNLOCK,
    MFCreateAlignedMemoryBuffer, MFCreateSample, MFT_MESSAGE_COMMAND_DRAIN, MFT_MESSAGE_COMMAND_FLUSH,
    MFT_MESSAGE_NOTIFY_END_OF_STREAM, MFT_MESSAGE_NOTIFY_START_OF_STREAM, MFT_MESSAGE_TYPE,
    MFT_OUTPUT_DATA_BUFFER, MFT_OUTPUT_STREAM_CAN_PROVIDE_SAMPLES, MFT_OUTPUT_STREAM_PROVIDES_SAMPLES,
};
use windows::core::{IUnknownImpl, Ref};
use windows_core::implement;

use crate::async_result::{CallbackParameters, QueueId};
use crate::com::callback::{contain, write_parameters};
use crate::com::{Mta, Platform};
use crate::error::{Error, Hresult, Result};
use crate::transform::{TransformDriver, TransformEvent, TransformInput, TransformOutput};

/// An asynchronous transform: a [`Sink`] of samples in, a [`Stream`] of samples out.
///
/// It calls `ProcessInput` and `ProcessOutput` only when the transform has asked for it, by the rules of
/// [`TransformDriver`]. Both sides may be used by one task, or, after `split`, by two. Who only puts in and never
/// takes out will wait: a transform holds a few samples, not all.
///
/// Closing the sink drains the transform; the stream then ends. To go on after a drain use
/// [`drain`](AsyncTransform::drain). When the output format changes, the transform's first available type is
/// chosen, unless [`on_format_change`](AsyncTransform::on_format_change) says otherwise.
///
/// Dropping it shuts the transform down.
///
/// # Cancel safety
/// No sample is lost when a future of `next`, `send` or `flush` is dropped, except that a `send` which was not
/// ready yet still has its sample.
#[doc(alias = "IMFTransform")]
#[doc(alias = "MFT")]
pub struct AsyncTransform {
    shared: Arc<Shared>,
    ended: bool,
    /// Last, so that it is given back last.
    _platform: Platform,
}

impl AsyncTransform {
    /// Unlocks an asynchronous transform and listens to its events. Its media types may be set before or after,
    /// as long as it is before the first sample.
    ///
    /// # Errors
    /// `E_INVALIDARG` when it is not asynchronous; `E_NOINTERFACE` when it lacks what asynchronous ones must have.
    #[doc(alias = "MF_TRANSFORM_ASYNC_UNLOCK")]
    pub fn new(platform: &Platform, transform: impl Into<Mta<IMFTransform>>) -> Result<AsyncTransform> {
        let transform = transform.into();
        // SAFETY: needs nothing.
        let attributes = unsafe { transform.GetAttributes() }?;
        // SAFETY: the key lives for the call.
        if unsafe { attributes.GetUINT32(&MF_TRANSFORM_ASYNC) }.unwrap_or(0) == 0 {
            return Err(Error::new(Hresult::E_INVALIDARG, "unlock a transform that is not asynchronous"));
        }
        // SAFETY: the key lives for the call.
        unsafe { attributes.SetUINT32(&MF_TRANSFORM_ASYNC_UNLOCK, 1) }?;
        let (mut input, mut output) = ([0], [0]);
        // SAFETY: both places live for the call. A transform whose ids are just counted says E_NOTIMPL.
        let _ = unsafe { transform.GetStreamIDs(&mut input, &mut output) };
        let shared = Arc::new(Shared {
            generator: transform.cast()?,
            shutdown: transform.cast()?,
            transform,
            input: input[0],
            output: output[0],
            state: Mutex::new(State::new()),
        });
        let pump: IMFAsyncCallback = Pump { shared: Arc::downgrade(&shared) }.into();
        // SAFETY: the callback lives for the call, and the transform takes its own reference.
        unsafe { shared.generator.BeginGetEvent(&pump, None) }?;
        Ok(AsyncTransform { shared, ended: false, _platform: platform.clone() })
    }

    /// What to do when the output format changes: choose one of the types that the transform has now, and set it.
    /// It is given the output stream's id.
    #[doc(alias = "MF_E_TRANSFORM_STREAM_CHANGE")]
    pub fn on_format_change(
        &mut self,
        choose: impl Fn(&IMFTransform, u32) -> windows::core::Result<()> + Send + Sync + 'static,
    ) {
        let former = self.shared.lock().choose.replace(Arc::new(choose));
        drop(former);
    }

    /// Lets out everything that was put in; what comes of it waits in the stream. Samples may follow.
    ///
    /// # Errors
    /// The transform's own; `MF_E_SHUTDOWN`.
    ///
    /// # Cancel safety
    /// Dropped, the drain goes on; called again, it waits for the same one.
    #[doc(alias = "MFT_MESSAGE_COMMAND_DRAIN")]
    pub async fn drain(&mut self) -> Result<()> {
        poll_fn(|cx| self.shared.poll_drain(cx)).await
    }

    /// Throws away everything that was put in and not taken out.
    ///
    /// # Errors
    /// The transform's own.
    #[doc(alias = "MFT_MESSAGE_COMMAND_FLUSH")]
    pub fn flush(&mut self) -> Result<()> {
        self.shared.message(MFT_MESSAGE_COMMAND_FLUSH)?;
        let mut state = self.shared.lock();
        state.driver.flush();
        state.draining = false;
        let void = (state.kept.take(), std::mem::take(&mut state.ready));
        drop(state);
        drop(void);
        Ok(())
    }

    /// The transform itself: for its media types, its attributes, and what has no method here.
    #[must_use]
    pub fn as_com(&self) -> &Mta<IMFTransform> {
        &self.shared.transform
    }
}

impl Sink<Mta<IMFSample>> for AsyncTransform {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.shared.poll_give(cx)
    }

    fn start_send(self: Pin<&mut Self>, sample: Mta<IMFSample>) -> Result<()> {
        let mut state = self.shared.lock();
        if state.kept.is_some() || state.closed {
            drop(state);
            return Err(Error::new(
                Hresult::MF_E_NOTACCEPTING,
                "put a sample into a transform that is not ready",
            ));
        }
        state.kept = Some(sample);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.shared.poll_give(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let drained = self.shared.poll_drain(cx);
        if drained.is_ready() {
            self.shared.lock().closed = true;
            self.shared.wake();
        }
        drained
    }
}

impl Stream for AsyncTransform {
    type Item = Result<Mta<IMFSample>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Mta<IMFSample>>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let item = this.shared.poll_output(cx);
        this.ended = matches!(item, Poll::Ready(None | Some(Err(_))));
        item
    }
}

impl FusedStream for AsyncTransform {
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

impl Drop for AsyncTransform {
    fn drop(&mut self) {
        self.shared.lock().driver.shut_down();
        // SAFETY: needs nothing. An error would mean that it is shut down.
        let _ = unsafe { self.shared.shutdown.Shutdown() };
    }
}

impl fmt::Debug for AsyncTransform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncTransform").field("driver", &self.shared.lock().driver).finish_non_exhaustive()
    }
}

/// What both sides and the event callback share. The callback holds it weakly, so that there is no circle.
struct Shared {
    generator: Mta<IMFMediaEventGenerator>,
    shutdown: Mta<IMFShutdown>,
    transform: Mta<IMFTransform>,
    input: u32,
    output: u32,
    state: Mutex<State>,
}

type Choose = dyn Fn(&IMFTransform, u32) -> windows::core::Result<()> + Send + Sync;

struct State {
    driver: TransformDriver,
    choose: Option<Arc<Choose>>,
    /// Put in, and not taken by the transform yet.
    kept: Option<Mta<IMFSample>>,
    /// Taken out, and not by the stream yet.
    ready: VecDeque<Mta<IMFSample>>,
    failed: Option<Error>,
    /// Someone is in `ProcessInput`, or in `ProcessOutput`.
    giving: bool,
    taking: bool,
    draining: bool,
    closed: bool,
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

impl Shared {
    /// A lock. A poisoned one is as good as any: no foreign code runs while it is held.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        let wakers = std::mem::take(&mut self.lock().wakers);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Keeps the waker before anything is looked at, so that no event is missed.
    fn listen(&self, side: Side, cx: &Context<'_>) {
        let former = self.lock().wakers[side as usize].replace(cx.waker().clone());
        drop(former);
    }

    fn message(&self, message: MFT_MESSAGE_TYPE) -> Result<()> {
        // SAFETY: takes numbers.
        Ok(unsafe { self.transform.ProcessMessage(message, 0) }?)
    }

    fn fail(&self, error: Error) -> Error {
        self.lock().failed.get_or_insert_with(|| error.clone());
        self.wake();
        error
    }

    /// An event of the transform, or why there are none any more.
    fn event(&self, event: windows::core::Result<IMFMediaEvent>) -> bool {
        let told = event.map_err(Error::from).and_then(|event| read(&event));
        let mut state = self.lock();
        let goes_on = match told {
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
    fn poll_give(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
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
        if state.giving {
            return Ok(Step::Wait);
        }
        let Some(sample) = state.kept.take() else { return Ok(Step::Done) };
        match state.driver.input() {
            TransformInput::Start => {
                state.kept = Some(sample);
                drop(state);
                let started = self.message(MFT_MESSAGE_NOTIFY_START_OF_STREAM);
                started.map(|()| Step::Again).map_err(|error| self.fail(error))
            }
            TransformInput::Process => {
                state.giving = true;
                drop(state);
                // SAFETY: the sample lives for the call, and the transform takes its own reference.
                let processed = unsafe { self.transform.ProcessInput(self.input, &*sample, 0) };
                let status = processed.as_ref().map_or_else(|error| error.code().into(), |()| Hresult::S_OK);
                let mut state = self.lock();
                state.giving = false;
                if !state.driver.input_done(status) {
                    state.kept = Some(sample);
                    return Ok(Step::Again);
                }
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

    fn poll_output(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Mta<IMFSample>>>> {
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
    fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
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
            state.draining = true;
            drop(state);
            let told = self
                .message(MFT_MESSAGE_NOTIFY_END_OF_STREAM)
                .and_then(|()| self.message(MFT_MESSAGE_COMMAND_DRAIN));
            if let Err(error) = told {
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
                let produced = state.driver.output_done(status);
                if let Some(sample) = sample.filter(|_| produced) {
                    state.ready.push_back(sample);
                }
                drop(state);
                if TransformDriver::is_output_failure(status) {
                    return Err(self.fail(Error::new(status, "take a sample out of a transform")));
                }
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
                chosen.map(|()| Step::Again).map_err(|error| self.fail(error.into()))
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
        // Both references are ours now, whatever became of the call.
        drop(ManuallyDrop::into_inner(buffer.pEvents));
        let sample = ManuallyDrop::into_inner(buffer.pSample);
        match processed {
            Ok(()) => (Hresult::S_OK, sample.map(Mta::new)),
            Err(error) => (error.code().into(), None),
        }
    }

    /// A sample for the transform to write into, if it does not bring its own.
    fn room(&self) -> Result<Option<IMFSample>> {
        // SAFETY: takes a number.
        let info = unsafe { self.transform.GetOutputStreamInfo(self.output) }?;
        let brings = MFT_OUTPUT_STREAM_PROVIDES_SAMPLES.0 | MFT_OUTPUT_STREAM_CAN_PROVIDE_SAMPLES.0;
        if info.dwFlags & brings.cast_unsigned() != 0 {
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

/// The one callback that hears of every event, and asks for the next.
#[implement(IMFAsyncCallback)]
struct Pump {
    shared: Weak<Shared>,
}

impl Drop for Pump {
    /// A queue of events that is shut down lets go of who waits for one, un-called.
    fn drop(&mut self) {
        let _ = contain(|| {
            if let Some(shared) = self.shared.upgrade() {
                shared.event(Err(MF_E_SHUTDOWN.into()));
            }
        });
    }
}

impl IMFAsyncCallback_Impl for Pump_Impl {
    fn GetParameters(&self, flags: *mut u32, queue: *mut u32) -> windows::core::Result<()> {
        write_parameters(CallbackParameters::on(QueueId::MULTITHREADED), flags, queue)
    }

    fn Invoke(&self, result: Ref<'_, IMFAsyncResult>) -> windows::core::Result<()> {
        contain(|| {
            // Gone with its `AsyncTransform`, which has shut the transform down: there are no further events.
            let Some(shared) = self.shared.upgrade() else { return };
            // SAFETY: the result lives for the call.
            let event = unsafe { shared.generator.EndGetEvent(result.as_ref()) };
            if shared.event(event) {
                let this: IMFAsyncCallback = self.to_interface();
                // SAFETY: the callback lives for the call, and the transform takes its own reference.
                if let Err(error) = unsafe { shared.generator.BeginGetEvent(&this, None) } {
                    shared.event(Err(error));
                }
            }
        })
    }
}

/// What an event says; `None` for one that does not matter here.
fn read(event: &IMFMediaEvent) -> Result<Option<TransformEvent>> {
    // SAFETY: needs nothing.
    unsafe { event.GetStatus() }?.ok()?;
    // SAFETY: needs nothing.
    let kind = unsafe { event.GetType() }?.cast_signed();
    Ok(match kind {
        kind if kind == METransformNeedInput.0 => Some(TransformEvent::NeedInput),
        kind if kind == METransformHaveOutput.0 => Some(TransformEvent::HaveOutput),
        kind if kind == METransformDrainComplete.0 => Some(TransformEvent::DrainComplete),
        kind if kind == METransformMarker.0 => {
            // SAFETY: the key lives for the call.
            let context = unsafe { event.GetUINT64(&MF_EVENT_MFT_CONTEXT) }.unwrap_or(0);
            Some(TransformEvent::Marker(context))
        }
        _ => None,
    })
}

/// Sets the first output type that the transform has.
fn choose_first(transform: &IMFTransform, output: u32) -> windows::core::Result<()> {
    // SAFETY: takes numbers.
    let first = unsafe { transform.GetOutputAvailableType(output, 0) }?;
    // SAFETY: the type lives for the call.
    unsafe { transform.SetOutputType(output, &first, 0) }
}
