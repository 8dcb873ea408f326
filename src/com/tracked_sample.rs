//! A tracked sample, and when everything else has released it.

use std::sync::{Arc, Weak};

use windows::Win32::Media::MediaFoundation::{IMFSample, IMFTrackedSample, MFCreateTrackedSample};
use windows::core::Interface;

use crate::async_result::{CallbackParameters, QueueId};
use crate::com::operation;
use crate::com::{Mta, Platform};
use crate::error::Result;
use crate::operation::{Operation, Promise};

impl Platform {
    /// An empty sample that tells when it is [`released`].
    ///
    /// # Errors
    /// `E_OUTOFMEMORY`.
    #[doc(alias = "MFCreateTrackedSample")]
    pub fn create_tracked_sample(&self) -> Result<Mta<IMFSample>> {
        // SAFETY: needs nothing. A sample of Media Foundation's, made to be passed between its threads.
        self.keep(unsafe { Mta::new(MFCreateTrackedSample()?) }).cast()
    }
}

/// Gives the sample back when everything else has released it: then what is in its buffers may be used again. Begins at once.
///
/// It is for those who have few textures or buffers and hand them out in turn. The sample must be a tracked one:
/// [made so](Platform::create_tracked_sample), or one of a sample allocator's that has no owner yet. Begin before the sample is
/// handed on, and drop all references of your own: this waits for those, too.
///
/// ```no_run
/// use futures::SinkExt;
/// use mf_async::com::{self, AsyncTransform, Mta};
/// use windows::Win32::Media::MediaFoundation::IMFSample;
///
/// # fn draw(_: &Mta<IMFSample>) {}
/// # async fn encode(mut encoder: AsyncTransform, mut sample: Mta<IMFSample>) -> mf_async::Result<()> {
/// loop {
///     draw(&sample); // into its texture
///     let released = com::released(&sample);
///     encoder.send(sample).await?;
///     sample = released.await?; // the encoder has read the texture
/// }
/// # }
/// ```
///
/// # Errors
/// None here; the operation's are `E_NOINTERFACE` for a sample that is not tracked, and `MF_E_NOTACCEPTING` for one that
/// is awaited already, or whose allocator awaits it.
///
/// # Cancel safety
/// As [`Operation`]: dropping it detaches. The sample tells all the same when it is released, to no one, and is freed.
#[doc(alias = "IMFTrackedSample")]
#[doc(alias = "SetAllocator")]
#[track_caller]
pub fn released(sample: &Mta<IMFSample>) -> Operation<Mta<IMFSample>> {
    let parameters = CallbackParameters::on(QueueId::MULTITHREADED);
    let promised = Promise::new(parameters.queue, None);
    // Neither side may hold the sample, which would never be released then; nor keep it started what only the sample keeps.
    let started = sample.started().map(Arc::downgrade);
    operation::start(
        promised,
        (),
        parameters,
        // SAFETY: the callback lives for the call, and the sample takes its own reference.
        |callback| unsafe { sample.cast::<IMFTrackedSample>()?.SetAllocator(callback, None) },
        move |result| {
            // SAFETY: needs nothing. The page of `SetAllocator` says that the result's object is the sample.
            let object = unsafe { result.GetObject() }?;
            let sample = object.cast::<IMFSample>()?;
            // SAFETY: it is the sample that the caller had as one that may cross threads.
            Ok(unsafe { Mta::new(sample) }.keeping(started.as_ref().and_then(Weak::upgrade)))
        },
    )
}
