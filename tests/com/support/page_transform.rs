//! An asynchronous transform that takes the liberties that the pages give it: it counts what it asked for a moment after
//! its event, answers with no sample and `S_OK`, has stream ids of its own, and refuses input while it has no output type.

use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::sync::{Arc, Mutex};

use windows::Win32::Foundation::{E_INVALIDARG, E_NOTIMPL, E_UNEXPECTED};
use windows::Win32::Media::MediaFoundation::*;
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{GUID, HRESULT, IUnknown, Ref, Result, implement};

use super::transform::{sends_events, unused_of_a_transform};

/// The ids of its streams.
pub(crate) const INPUT: u32 = 5;
pub(crate) const OUTPUT: u32 = 7;

/// What it saw.
#[derive(Default)]
pub(crate) struct PageSeen {
    pub(crate) messages: Vec<(i32, usize)>,
    /// For each sample that it took: its time, and whether it says that it is discontinuous.
    pub(crate) samples: Vec<(i64, bool)>,
    pub(crate) refused: u32,
}

/// Its liberties.
#[derive(Clone, Copy, Default)]
pub(crate) struct Liberties {
    /// How often it refuses an input that it has asked for.
    pub(crate) late: u32,
    /// Every output is preceded by an answer without a sample.
    pub(crate) empty: Option<i32>,
    /// It changes its format at the first output.
    pub(crate) changes: bool,
    /// It offers an output that it does not have.
    pub(crate) lies: bool,
}

#[derive(Default)]
struct PageState {
    held: VecDeque<IMFSample>,
    /// What it asked for, and does not count yet; what it counts; how often it refused.
    announced: u32,
    credit: u32,
    refusals: u32,
    offered: u32,
    gave_empty: bool,
    changing: bool,
    changed: bool,
    draining: bool,
}

#[implement(IMFTransform, IMFMediaEventGenerator, IMFShutdown)]
struct PageTransform {
    attributes: IMFAttributes,
    events: IMFMediaEventQueue,
    liberties: Liberties,
    state: Mutex<PageState>,
    seen: Arc<Mutex<PageSeen>>,
}

pub(crate) fn page_transform(liberties: Liberties) -> (IMFTransform, Arc<Mutex<PageSeen>>) {
    let mut attributes = None;
    unsafe { MFCreateAttributes(&mut attributes, 1) }.unwrap();
    let attributes = attributes.unwrap();
    unsafe { attributes.SetUINT32(&MF_TRANSFORM_ASYNC, 1) }.unwrap();
    let events = unsafe { MFCreateEventQueue() }.unwrap();
    let seen = Arc::<Mutex<PageSeen>>::default();
    let transform =
        PageTransform { attributes, events, liberties, state: Mutex::default(), seen: seen.clone() };
    (transform.into(), seen)
}

impl PageTransform {
    fn tell(&self, event: MF_EVENT_TYPE) -> Result<()> {
        unsafe {
            self.events.QueueEventParamVar(event.0 as u32, &GUID::zeroed(), HRESULT(0), std::ptr::null())
        }
    }

    /// The event first, the credit later.
    fn ask(&self, state: &mut PageState) -> Result<()> {
        state.announced += 1;
        self.tell(METransformNeedInput)
    }

    fn offer(&self, state: &mut PageState) -> Result<()> {
        state.offered += 1;
        self.tell(METransformHaveOutput)
    }

    fn finish_drain(&self, state: &mut PageState) -> Result<()> {
        if state.draining && state.held.is_empty() {
            state.draining = false;
            self.tell(METransformDrainComplete)?;
        }
        Ok(())
    }
}

sends_events!(PageTransform_Impl);

impl IMFTransform_Impl for PageTransform_Impl {
    unused_of_a_transform!(with ids);

    fn GetStreamIDs(&self, inputs: u32, input: *mut u32, outputs: u32, output: *mut u32) -> Result<()> {
        if inputs == 0 || outputs == 0 {
            return Err(MF_E_BUFFERTOOSMALL.into());
        }
        unsafe { (*input, *output) = (INPUT, OUTPUT) };
        Ok(())
    }
    fn GetOutputStreamInfo(&self, _: u32) -> Result<MFT_OUTPUT_STREAM_INFO> {
        // The client brings the samples.
        Ok(MFT_OUTPUT_STREAM_INFO { cbSize: 16, ..Default::default() })
    }
    fn GetAttributes(&self) -> Result<IMFAttributes> {
        Ok(self.attributes.clone())
    }
    fn GetOutputAvailableType(&self, _: u32, _: u32) -> Result<IMFMediaType> {
        Ok(super::pcm().into_inner())
    }
    fn SetInputType(&self, _: u32, _: Ref<'_, IMFMediaType>, _: u32) -> Result<()> {
        Ok(())
    }
    fn SetOutputType(&self, _: u32, _: Ref<'_, IMFMediaType>, _: u32) -> Result<()> {
        let mut state = self.state.lock().unwrap();
        if std::mem::take(&mut state.changing) {
            self.offer(&mut state)?;
        }
        Ok(())
    }
    fn ProcessMessage(&self, message: MFT_MESSAGE_TYPE, parameter: usize) -> Result<()> {
        self.seen.lock().unwrap().messages.push((message.0, parameter));
        let mut state = self.state.lock().unwrap();
        match message {
            MFT_MESSAGE_NOTIFY_START_OF_STREAM => self.ask(&mut state),
            MFT_MESSAGE_COMMAND_DRAIN if parameter != INPUT as usize => Err(E_INVALIDARG.into()),
            MFT_MESSAGE_COMMAND_DRAIN => {
                (state.draining, state.announced, state.credit) = (true, 0, 0);
                self.finish_drain(&mut state)
            }
            _ => Ok(()),
        }
    }
    fn ProcessInput(&self, stream: u32, sample: Ref<'_, IMFSample>, _: u32) -> Result<()> {
        if stream != INPUT {
            return Err(MF_E_INVALIDSTREAMNUMBER.into());
        }
        let mut state = self.state.lock().unwrap();
        if state.changing {
            return Err(MF_E_TRANSFORM_TYPE_NOT_SET.into());
        }
        if state.credit == 0 {
            if state.refusals == self.liberties.late {
                state.credit += std::mem::take(&mut state.announced);
                state.refusals = 0;
            }
            if state.credit == 0 {
                state.refusals += 1;
                self.seen.lock().unwrap().refused += 1;
                return Err(MF_E_NOTACCEPTING.into());
            }
        }
        state.credit -= 1;
        let sample = sample.ok()?;
        let discontinuous =
            unsafe { sample.GetUINT32(&MFSampleExtension_Discontinuity) }.is_ok_and(|value| value == 1);
        self.seen.lock().unwrap().samples.push((unsafe { sample.GetSampleTime() }?, discontinuous));
        state.held.push_back(sample.clone());
        self.offer(&mut state)?;
        if self.liberties.changes {
            self.ask(&mut state)?;
        }
        Ok(())
    }
    fn ProcessOutput(&self, _: u32, _: u32, buffers: *mut MFT_OUTPUT_DATA_BUFFER, _: *mut u32) -> Result<()> {
        let mut state = self.state.lock().unwrap();
        let buffer = unsafe { &mut *buffers };
        if state.offered == 0 || buffer.dwStreamID != OUTPUT || self.liberties.lies {
            return Err(E_UNEXPECTED.into());
        }
        state.offered -= 1;
        if self.liberties.changes && !std::mem::replace(&mut state.changed, true) {
            state.changing = true;
            buffer.dwStatus = MFT_OUTPUT_DATA_BUFFER_FORMAT_CHANGE.0 as u32;
            return Err(MF_E_TRANSFORM_STREAM_CHANGE.into());
        }
        if let Some(status) = self.liberties.empty.filter(|_| !state.gave_empty) {
            state.gave_empty = true;
            buffer.dwStatus = status as u32;
            return self.offer(&mut state);
        }
        state.gave_empty = false;
        let taken = state.held.pop_front().ok_or(E_UNEXPECTED)?;
        let room = ManuallyDrop::into_inner(std::mem::replace(&mut buffer.pSample, ManuallyDrop::new(None)));
        let room = room.expect("the client brings the samples");
        unsafe { room.SetSampleTime(taken.GetSampleTime()?) }?;
        buffer.pSample = ManuallyDrop::new(Some(room));
        if !state.draining && !self.liberties.changes {
            self.ask(&mut state)?;
        }
        self.finish_drain(&mut state)
    }
}
