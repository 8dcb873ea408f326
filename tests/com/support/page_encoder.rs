//! An asynchronous encoder that does what its pages say: locked until it is unlocked, its output type first, a look ahead of
//! two pictures, key frames on demand, markers after all the output that can be made, a device manager for who is aware.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::sync::{Arc, Mutex};

use windows::Win32::Foundation::{E_INVALIDARG, E_NOTIMPL, E_UNEXPECTED, S_FALSE, S_OK};
use windows::Win32::Media::MediaFoundation::*;
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::Win32::System::Com::{IClassFactory, IClassFactory_Impl, IStream};
use windows::Win32::System::Variant::{VARIANT, VT_UI4};
use windows::core::{BOOL, GUID, HRESULT, IUnknown, Interface, Ref, Result, implement};

use super::transform::{sends_events, unused_of_a_transform};

/// What it saw, and what it is like.
#[derive(Default)]
pub(crate) struct EncoderSeen {
    /// Inputs by their time, and messages by their name, in order.
    pub(crate) log: Vec<String>,
    pub(crate) manager: Option<IUnknown>,
    /// It cannot be made to give a key frame, and says so by a success code.
    pub(crate) no_key_frames: bool,
}

#[derive(Default)]
struct EncoderState {
    has_output_type: bool,
    has_input_type: bool,
    credit: u32,
    /// Time, and whether it is to be a key frame.
    inside: VecDeque<(i64, bool)>,
    ready: VecDeque<(i64, bool)>,
    force: bool,
    started: bool,
}

#[implement(IMFTransform, IMFMediaEventGenerator, IMFShutdown, ICodecAPI)]
struct PageEncoder {
    attributes: IMFAttributes,
    events: IMFMediaEventQueue,
    state: Mutex<EncoderState>,
    seen: Arc<Mutex<EncoderSeen>>,
}

pub(crate) fn page_encoder(seen: &Arc<Mutex<EncoderSeen>>) -> IMFTransform {
    let mut attributes = None;
    unsafe { MFCreateAttributes(&mut attributes, 2) }.unwrap();
    let attributes = attributes.unwrap();
    for key in [MF_TRANSFORM_ASYNC, MF_SA_D3D11_AWARE] {
        unsafe { attributes.SetUINT32(&key, 1) }.unwrap();
    }
    let events = unsafe { MFCreateEventQueue() }.unwrap();
    PageEncoder { attributes, events, state: Mutex::default(), seen: seen.clone() }.into()
}

/// What makes such encoders, for `MFTRegisterLocal`.
#[implement(IClassFactory)]
pub(crate) struct EncoderFactory(pub(crate) Arc<Mutex<EncoderSeen>>);

impl IClassFactory_Impl for EncoderFactory_Impl {
    fn CreateInstance(&self, _: Ref<'_, IUnknown>, iid: *const GUID, object: *mut *mut c_void) -> Result<()> {
        unsafe { page_encoder(&self.0).query(iid, object) }.ok()
    }
    fn LockServer(&self, _: BOOL) -> Result<()> {
        Ok(())
    }
}

impl PageEncoder {
    fn unlocked(&self) -> Result<()> {
        match unsafe { self.attributes.GetUINT32(&MF_TRANSFORM_ASYNC_UNLOCK) } {
            Ok(1) => Ok(()),
            _ => Err(MF_E_TRANSFORM_ASYNC_LOCKED.into()),
        }
    }

    fn log(&self, what: impl Into<String>) {
        self.seen.lock().unwrap().log.push(what.into());
    }

    fn tell(&self, event: MF_EVENT_TYPE) -> Result<()> {
        unsafe {
            self.events.QueueEventParamVar(event.0 as u32, &GUID::zeroed(), HRESULT(0), std::ptr::null())
        }
    }

    fn ask(&self, state: &mut EncoderState) -> Result<()> {
        state.credit += 1;
        self.tell(METransformNeedInput)
    }

    /// Makes output of all but the last `keep` pictures.
    fn encode(&self, state: &mut EncoderState, keep: usize) -> Result<()> {
        while state.inside.len() > keep {
            state.ready.extend(state.inside.pop_front());
            self.tell(METransformHaveOutput)?;
        }
        Ok(())
    }
}

sends_events!(PageEncoder_Impl);

impl IMFTransform_Impl for PageEncoder_Impl {
    unused_of_a_transform!();

    fn GetOutputStreamInfo(&self, _: u32) -> Result<MFT_OUTPUT_STREAM_INFO> {
        let flags = MFT_OUTPUT_STREAM_PROVIDES_SAMPLES.0 as u32;
        Ok(MFT_OUTPUT_STREAM_INFO { dwFlags: flags, ..Default::default() })
    }
    fn GetAttributes(&self) -> Result<IMFAttributes> {
        Ok(self.attributes.clone())
    }
    fn GetOutputAvailableType(&self, _: u32, _: u32) -> Result<IMFMediaType> {
        Err(MF_E_NO_MORE_TYPES.into())
    }
    fn SetInputType(&self, _: u32, _: Ref<'_, IMFMediaType>, _: u32) -> Result<()> {
        self.unlocked()?;
        let mut state = self.state.lock().unwrap();
        if !state.has_output_type {
            return Err(MF_E_TRANSFORM_TYPE_NOT_SET.into());
        }
        state.has_input_type = true;
        Ok(())
    }
    fn SetOutputType(&self, _: u32, _: Ref<'_, IMFMediaType>, _: u32) -> Result<()> {
        self.state.lock().unwrap().has_output_type = true;
        Ok(())
    }
    fn ProcessMessage(&self, message: MFT_MESSAGE_TYPE, parameter: usize) -> Result<()> {
        self.unlocked()?;
        let mut state = self.state.lock().unwrap();
        match message {
            MFT_MESSAGE_SET_D3D_MANAGER => {
                let pointer = parameter as *mut c_void;
                let manager = unsafe { IUnknown::from_raw_borrowed(&pointer) }.cloned();
                self.seen.lock().unwrap().manager = manager;
                Ok(())
            }
            MFT_MESSAGE_NOTIFY_START_OF_STREAM => {
                self.log("start");
                state.started = true;
                self.ask(&mut state)?;
                self.ask(&mut state)
            }
            MFT_MESSAGE_COMMAND_MARKER => {
                self.log("marker");
                self.encode(&mut state, 0)?;
                unsafe {
                    let kind = METransformMarker.0 as u32;
                    let marker = MFCreateMediaEvent(kind, &GUID::zeroed(), HRESULT(0), None)?;
                    marker.SetUINT64(&MF_EVENT_MFT_CONTEXT, parameter as u64)?;
                    self.events.QueueEvent(&marker)
                }
            }
            MFT_MESSAGE_COMMAND_DRAIN => {
                self.log("drain");
                (state.credit, state.started) = (0, false);
                self.encode(&mut state, 0)?;
                self.tell(METransformDrainComplete)
            }
            MFT_MESSAGE_COMMAND_FLUSH => {
                self.log("flush");
                (state.credit, state.started) = (0, false);
                state.inside.clear();
                state.ready.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }
    fn ProcessInput(&self, _: u32, sample: Ref<'_, IMFSample>, _: u32) -> Result<()> {
        self.unlocked()?;
        let mut state = self.state.lock().unwrap();
        if !state.has_input_type {
            return Err(MF_E_TRANSFORM_TYPE_NOT_SET.into());
        }
        if state.credit == 0 {
            return Err(MF_E_NOTACCEPTING.into());
        }
        state.credit -= 1;
        let time = unsafe { sample.ok()?.GetSampleTime() }?;
        self.log(format!("input {}", time / 1_000_000));
        // The setting is for this picture, and is reset.
        let forced = std::mem::take(&mut state.force);
        state.inside.push_back((time, forced));
        self.encode(&mut state, 2)?;
        self.ask(&mut state)
    }
    fn ProcessOutput(&self, _: u32, _: u32, buffers: *mut MFT_OUTPUT_DATA_BUFFER, _: *mut u32) -> Result<()> {
        self.unlocked()?;
        let mut state = self.state.lock().unwrap();
        let (time, key) = state.ready.pop_front().ok_or(E_UNEXPECTED)?;
        unsafe {
            let sample = MFCreateSample()?;
            sample.SetSampleTime(time)?;
            sample.SetUINT32(&MFSampleExtension_CleanPoint, key.into())?;
            (*buffers).pSample = ManuallyDrop::new(Some(sample));
        }
        Ok(())
    }
}

impl ICodecAPI_Impl for PageEncoder_Impl {
    fn IsSupported(&self, property: *const GUID) -> Result<()> {
        if unsafe { *property } != CODECAPI_AVEncVideoForceKeyFrame {
            return Err(E_NOTIMPL.into());
        }
        // An error of the code S_FALSE: what the method returns is that code.
        let none = self.seen.lock().unwrap().no_key_frames;
        if none { Err(windows::core::Error::from_hresult(S_FALSE)) } else { Ok(()) }
    }
    fn IsModifiable(&self, _: *const GUID) -> HRESULT {
        S_OK
    }
    fn SetValue(&self, property: *const GUID, value: *const VARIANT) -> Result<()> {
        unsafe {
            let value = &(*value).Anonymous.Anonymous;
            if *property != CODECAPI_AVEncVideoForceKeyFrame || value.vt != VT_UI4 {
                return Err(E_INVALIDARG.into());
            }
            self.state.lock().unwrap().force = value.Anonymous.ulVal != 0;
        }
        Ok(())
    }
    fn GetParameterRange(
        &self,
        _: *const GUID,
        _: *mut VARIANT,
        _: *mut VARIANT,
        _: *mut VARIANT,
    ) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn GetParameterValues(&self, _: *const GUID, _: *mut *mut VARIANT, _: *mut u32) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn GetDefaultValue(&self, _: *const GUID) -> Result<VARIANT> {
        Err(E_NOTIMPL.into())
    }
    fn GetValue(&self, _: *const GUID) -> Result<VARIANT> {
        Err(E_NOTIMPL.into())
    }
    fn RegisterForEvent(&self, _: *const GUID, _: isize) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn UnregisterForEvent(&self, _: *const GUID) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn SetAllDefaults(&self) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn SetValueWithNotify(
        &self,
        _: *const GUID,
        _: *const VARIANT,
        _: *mut *mut GUID,
        _: *mut u32,
    ) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn SetAllDefaultsWithNotify(&self, _: *mut *mut GUID, _: *mut u32) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn GetAllSettings(&self, _: Ref<'_, IStream>) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn SetAllSettings(&self, _: Ref<'_, IStream>) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn SetAllSettingsWithNotify(&self, _: Ref<'_, IStream>, _: *mut *mut GUID, _: *mut u32) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
}
