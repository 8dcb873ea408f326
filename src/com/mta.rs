//! A pointer to a free-threaded COM object, which may cross threads.

use std::fmt;
use std::ops::Deref;

use windows::Win32::Media::MediaFoundation as mf;
use windows::core::Interface;

/// An interface pointer that is `Send` and `Sync`, because the object behind it is free-threaded.
///
/// The `windows` crate lets no interface cross threads, as it cannot know which object is behind it. Media
/// Foundation requires its objects to be callable from any thread of the multithreaded apartment, and passes
/// them between its own threads unmarshalled; so for its interfaces this is only saying what holds anyway.
///
/// ```no_run
/// use mf_async::com::Mta;
/// use windows::Win32::Media::MediaFoundation::IMFByteStream;
///
/// fn hand_over(stream: IMFByteStream) {
///     let stream = Mta::new(stream);
///     std::thread::spawn(move || unsafe { stream.GetLength() });
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Mta<I>(I);

impl<I: FreeThreaded> Mta<I> {
    /// Wraps a pointer to an object that Media Foundation requires to be free-threaded.
    pub fn new(interface: I) -> Mta<I> {
        Mta(interface)
    }
}

impl<I: Interface> Mta<I> {
    /// Wraps a pointer of whatever type.
    ///
    /// # Safety
    /// The object must be free-threaded: callable, and releasable, from any thread, without marshalling.
    pub unsafe fn assume(interface: I) -> Mta<I> {
        Mta(interface)
    }

    /// The pointer itself.
    pub fn into_inner(self) -> I {
        self.0
    }

    /// The same object by another of its interfaces.
    ///
    /// # Errors
    /// `E_NOINTERFACE` when the object does not have it.
    pub fn cast<J: FreeThreaded>(&self) -> crate::Result<Mta<J>> {
        Ok(Mta(self.0.cast::<J>()?))
    }
}

impl<I> Deref for Mta<I> {
    type Target = I;

    fn deref(&self) -> &I {
        &self.0
    }
}

impl<I: FreeThreaded> From<I> for Mta<I> {
    fn from(interface: I) -> Mta<I> {
        Mta(interface)
    }
}

impl<I> fmt::Debug for Mta<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mta<{}>", std::any::type_name::<I>())
    }
}

// SAFETY: the pointer is a reference-counted pointer whose counting is atomic for a free-threaded object,
// and such an object may be called and released from any thread. `Mta` is only made for types that
// implement `FreeThreaded`, whose implementor vouches for that, or by `assume`, whose caller does.
unsafe impl<I> Send for Mta<I> {}
// SAFETY: as above; calls from several threads at the same time are what free-threaded means.
unsafe impl<I> Sync for Mta<I> {}

/// Interfaces of which Media Foundation requires that whoever implements them is free-threaded.
///
/// # Safety
/// Every object behind the interface must be callable and releasable from any thread without marshalling.
pub unsafe trait FreeThreaded: Interface {}

macro_rules! free_threaded {
    ($($interface:ident)*) => {
        // SAFETY: the page "Media Foundation and COM" demands it of every object of Media Foundation:
        // they are called from work-queue threads in the multithreaded apartment, never marshalled.
        $(unsafe impl FreeThreaded for mf::$interface {})*
    };
}

free_threaded! {
    IMFActivate IMFAsyncCallback IMFAsyncResult IMFAttributes IMFByteStream IMFByteStreamHandler
    IMFCaptureEngine IMFClock IMFClockStateSink IMFCollection IMFMediaBuffer IMFMediaEngine IMFMediaEvent
    IMFMediaEventGenerator IMFMediaEventQueue IMFMediaSession IMFMediaSink IMFMediaSource IMFMediaType
    IMFNetCredentialManager IMFPresentationClock IMFPresentationDescriptor IMFSample IMFSchemeHandler
    IMFShutdown IMFSinkWriter IMFSourceReader IMFSourceReaderEx IMFSourceResolver IMFStreamDescriptor
    IMFCaptureEngineOnEventCallback IMFMediaEngineEx IMFMediaEngineNotify IMFSampleGrabberSinkCallback
    IMFSinkWriterCallback IMFSinkWriterEx IMFSourceReaderCallback IMFStreamSink IMFMediaStream IMFTopology IMFTransform IMFWorkQueueServices IMFWorkQueueServicesEx
}

// SAFETY: for the states and private objects of asynchronous results, which Media Foundation hands from
// thread to thread as they are.
unsafe impl FreeThreaded for windows::core::IUnknown {}
