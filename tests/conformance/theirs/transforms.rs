//! Theirs: a transform that does what the case asks for, driven by `com`, its events through Media Foundation's own queue.
#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "all that is called are objects that live for the call"
)]

use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::task::{ArcWake, waker};
use futures::{FutureExt, SinkExt, StreamExt};
use mf_async::Hresult;
use mf_async::com::{AsyncTransform, Mta, Platform};
use windows::Win32::Foundation::E_NOTIMPL;
use windows::Win32::Media::MediaFoundation::*;
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{GUID, HRESULT, IUnknown, Ref, Result, implement};

use crate::facts::{Log, name, until};
use crate::subject::{Step, Transforms};
use crate::theirs::Theirs;
use crate::transform::{sends_events, unused_of_a_transform};

#[implement(IMFTransform, IMFMediaEventGenerator, IMFShutdown)]
struct DrivenTransform {
    attributes: Mta<IMFAttributes>,
    events: Mta<IMFMediaEventQueue>,
    says: Arc<Says>,
}

/// What the transform says, and what was said to it.
#[derive(Default)]
struct Says {
    log: Log,
    input: Mutex<Option<Hresult>>,
    output: Mutex<Option<Hresult>>,
}

impl Says {
    fn tell(&self, what: &str, status: Hresult) {
        self.log.tell(if status.is_success() { what.to_owned() } else { format!("{what}:{}", name(status)) });
    }

    /// Tells the call, and returns what it is to return.
    fn returns(&self, what: &str, status: &Mutex<Option<Hresult>>) -> Result<()> {
        let status = status.lock().unwrap().take().unwrap_or(Hresult::S_OK);
        self.tell(what, status);
        HRESULT::from(status).ok()
    }
}

impl DrivenTransform {
    fn create(asynchronous: bool) -> (Mta<IMFTransform>, Mta<IMFMediaEventQueue>, Arc<Says>) {
        let mut attributes = None;
        unsafe { MFCreateAttributes(&raw mut attributes, 1) }.expect("attributes");
        // SAFETY: objects of Media Foundation's, which any thread may call.
        let (attributes, events) = unsafe {
            let events = MFCreateEventQueue().expect("an event queue");
            (Mta::new(attributes.expect("attributes")), Mta::new(events))
        };
        unsafe { attributes.SetUINT32(&MF_TRANSFORM_ASYNC, asynchronous.into()) }.expect("an attribute");
        let says = Arc::<Says>::default();
        let driven = DrivenTransform { attributes, events: events.clone(), says: says.clone() };
        (Mta::of(driven), events, says)
    }

    fn is_unlocked(&self) -> Result<()> {
        match unsafe { self.attributes.GetUINT32(&MF_TRANSFORM_ASYNC_UNLOCK) } {
            Ok(1) => Ok(()),
            _ => {
                self.says.tell("locked", Hresult::S_OK);
                Err(MF_E_TRANSFORM_ASYNC_LOCKED.into())
            }
        }
    }
}

sends_events!(DrivenTransform_Impl);

impl IMFTransform_Impl for DrivenTransform_Impl {
    unused_of_a_transform!();

    fn GetOutputStreamInfo(&self, _: u32) -> Result<MFT_OUTPUT_STREAM_INFO> {
        let flags = MFT_OUTPUT_STREAM_PROVIDES_SAMPLES.0 as u32;
        Ok(MFT_OUTPUT_STREAM_INFO { dwFlags: flags, ..Default::default() })
    }

    fn GetAttributes(&self) -> Result<IMFAttributes> {
        Ok((*self.attributes).clone())
    }

    fn GetOutputAvailableType(&self, _: u32, _: u32) -> Result<IMFMediaType> {
        unsafe { MFCreateMediaType() }
    }

    fn SetInputType(&self, _: u32, _: Ref<'_, IMFMediaType>, _: u32) -> Result<()> {
        self.is_unlocked()
    }

    fn SetOutputType(&self, _: u32, _: Ref<'_, IMFMediaType>, _: u32) -> Result<()> {
        self.is_unlocked()?;
        self.says.tell("type", Hresult::S_OK);
        Ok(())
    }

    fn ProcessMessage(&self, message: MFT_MESSAGE_TYPE, _: usize) -> Result<()> {
        self.is_unlocked()?;
        let what = match message {
            MFT_MESSAGE_NOTIFY_START_OF_STREAM => "start",
            MFT_MESSAGE_NOTIFY_END_OF_STREAM => "end",
            MFT_MESSAGE_COMMAND_DRAIN => "drain",
            MFT_MESSAGE_COMMAND_FLUSH => "flush",
            _ => "another message",
        };
        self.says.tell(what, Hresult::S_OK);
        Ok(())
    }

    fn ProcessInput(&self, _: u32, _: Ref<'_, IMFSample>, _: u32) -> Result<()> {
        self.is_unlocked()?;
        self.says.returns("input", &self.says.input)
    }

    fn ProcessOutput(&self, _: u32, _: u32, buffers: *mut MFT_OUTPUT_DATA_BUFFER, _: *mut u32) -> Result<()> {
        self.is_unlocked()?;
        self.says.returns("output", &self.says.output)?;
        let sample = unsafe { MFCreateSample() }?;
        // SAFETY: the caller passes one buffer, without a sample.
        unsafe { (*buffers).pSample = ManuallyDrop::new(Some(sample)) };
        Ok(())
    }
}

/// How often a waker was woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl ArcWake for Wakes {
    fn wake_by_ref(wakes: &Arc<Wakes>) {
        wakes.0.fetch_add(1, SeqCst);
    }
}

struct Drive {
    transform: AsyncTransform,
    events: Mta<IMFMediaEventQueue>,
    says: Arc<Says>,
    wakes: Arc<Wakes>,
    put: VecDeque<Mta<IMFSample>>,
    wanted: usize,
    draining: bool,
    /// A sample was handed over, and what became of it is not known.
    handed: bool,
    /// The next input is refused, and offered again.
    refuses: bool,
}

impl Drive {
    fn step(&mut self, step: Step) {
        match step {
            Step::NeedInput => self.event(METransformNeedInput),
            Step::HaveOutput => self.event(METransformHaveOutput),
            Step::DrainComplete => self.event(METransformDrainComplete),
            // SAFETY: a sample of Media Foundation's.
            Step::Put => self.put.push_back(unsafe { Mta::new(MFCreateSample().expect("a sample")) }),
            Step::Take => self.wanted += 1,
            Step::Drain => self.draining = true,
            Step::Flush => {
                self.draining = false;
                self.transform.flush().expect("the transform flushes");
            }
            Step::Shutdown => self.after_a_wake(|events| drop(unsafe { events.Shutdown() })),
            Step::InputSays(status) => {
                *self.says.input.lock().unwrap() = Some(status);
                self.refuses = status == Hresult::MF_E_NOTACCEPTING;
            }
            Step::OutputSays(status) => *self.says.output.lock().unwrap() = Some(status),
        }
        let seen = |drive: &Drive| (drive.says.log.count(), drive.put.len(), drive.handed, drive.wanted);
        loop {
            let before = seen(self);
            self.settle();
            if seen(self) == before {
                break;
            }
        }
        // What was refused is offered again a moment later.
        let is_refused = matches!(step, Step::NeedInput) && self.says.input.lock().unwrap().is_none();
        if is_refused && std::mem::take(&mut self.refuses) {
            let before = self.says.log.count();
            let is_offered = until(|| {
                self.settle();
                self.says.log.count() > before
            });
            assert!(is_offered, "it is not offered again, after {}", self.says.log.all());
        }
    }

    fn event(&mut self, event: MF_EVENT_TYPE) {
        self.after_a_wake(|events| {
            let none = std::ptr::null();
            // SAFETY: an event without a value.
            unsafe { events.QueueEventParamVar(event.0 as u32, &GUID::zeroed(), HRESULT(0), none) }
                .expect("the event is sent");
        });
    }

    /// Does this, and waits until the driver of the transform has taken it in, which it shows by a wake.
    fn after_a_wake(&mut self, does: impl FnOnce(&IMFMediaEventQueue)) {
        let waker = waker(self.wakes.clone());
        // Nothing is to be done just now: this only leaves the waker.
        let polled = self.transform.poll_ready_unpin(&mut Context::from_waker(&waker));
        let before = self.wakes.0.load(SeqCst);
        does(&self.events);
        let woken = until(|| self.wakes.0.load(SeqCst) > before);
        assert!(woken, "no waker was woken, after {} and {polled:?}", self.says.log.all());
    }

    fn settle(&mut self) {
        let waker = waker(self.wakes.clone());
        let mut cx = Context::from_waker(&waker);
        let put = |says: &Says, error: &mf_async::Error| says.tell("put", error.hresult());
        match self.transform.poll_ready_unpin(&mut cx) {
            Poll::Ready(ready) => {
                if let Err(error) = &ready {
                    if std::mem::take(&mut self.handed) || self.put.pop_front().is_some() {
                        put(&self.says, error);
                    }
                }
                self.handed = false;
                if let Some(sample) = self.put.pop_front() {
                    match self.transform.start_send_unpin(sample) {
                        Ok(()) => self.handed = true,
                        Err(error) => put(&self.says, &error),
                    }
                }
            }
            Poll::Pending => {}
        }
        if self.draining && self.put.is_empty() {
            if let Some(drained) = self.transform.drain().now_or_never() {
                self.draining = false;
                self.says.tell("drained", drained.err().map_or(Hresult::S_OK, |error| error.hresult()));
            }
        }
        if self.wanted > 0 {
            if let Poll::Ready(Some(taken)) = self.transform.poll_next_unpin(&mut cx) {
                self.wanted -= 1;
                self.says.tell("taken", taken.err().map_or(Hresult::S_OK, |error| error.hresult()));
            }
        }
    }
}

impl Transforms for Theirs {
    fn drive(&self, steps: &[Step]) -> String {
        let platform = Platform::startup().expect("the platform is started");
        let (transform, events, says) = DrivenTransform::create(true);
        let transform = AsyncTransform::new(&platform, transform).expect("it can be driven");
        let (wakes, put) = (Arc::default(), VecDeque::new());
        let (wanted, draining, handed, refuses) = (0, false, false, false);
        let mut drive = Drive { transform, events, says, wakes, put, wanted, draining, handed, refuses };
        steps.iter().for_each(|step| drive.step(*step));
        drive.says.log.all()
    }

    fn unlock(&self, asynchronous: bool) -> (Hresult, bool) {
        let platform = Platform::startup().expect("the platform is started");
        let (transform, ..) = DrivenTransform::create(asynchronous);
        let driven = AsyncTransform::new(&platform, transform.clone());
        let attributes = unsafe { transform.GetAttributes() }.expect("attributes");
        let unlocked = unsafe { attributes.GetUINT32(&MF_TRANSFORM_ASYNC_UNLOCK) } == Ok(1);
        (driven.err().map_or(Hresult::S_OK, |error| error.hresult()), unlocked)
    }
}
