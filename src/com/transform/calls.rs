//! The calls that an asynchronous transform gets, each with what it needs.

use std::mem::ManuallyDrop;

use windows::Win32::Media::MediaFoundation::{
    IMFSample, MFCreateAlignedMemoryBuffer, MFCreateSample, MFT_MESSAGE_TYPE, MFT_OUTPUT_DATA_BUFFER,
    MFT_OUTPUT_DATA_BUFFER_NO_SAMPLE, MFT_OUTPUT_DATA_BUFFER_STREAM_END,
    MFT_OUTPUT_STREAM_CAN_PROVIDE_SAMPLES, MFT_OUTPUT_STREAM_PROVIDES_SAMPLES,
};

use super::inner::Inner;
use crate::com::Mta;
use crate::error::{Hresult, Result};

impl Inner {
    /// Sends a message; those about one stream have its id as their parameter, all others zero.
    pub(super) fn message(&self, message: MFT_MESSAGE_TYPE, parameter: u32) -> Result<()> {
        // SAFETY: takes numbers; none of the messages sent here has a pointer as its parameter.
        Ok(unsafe { self.transform.ProcessMessage(message, parameter as usize) }?)
    }

    pub(super) fn process_output(&self) -> (Hresult, Option<Mta<IMFSample>>) {
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

    /// Sets the first output type that the transform has.
    pub(super) fn choose_first(&self) -> windows::core::Result<()> {
        // SAFETY: takes numbers.
        let first = unsafe { self.transform.GetOutputAvailableType(self.output, 0) }?;
        // SAFETY: the type lives for the call.
        unsafe { self.transform.SetOutputType(self.output, &first, 0) }
    }
}
