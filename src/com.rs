//! Await the operating system's own Media Foundation: the COM objects of the `windows` crate as operations,
//! streams and byte streams, and this crate's objects as COM objects.
//!
//! # I hold a COM object
//!
//! | Media Foundation | here |
//! |---|---|
//! | `MFStartup`, `MFShutdown`, the multithreaded apartment | [`Platform`] |
//! | any `BeginX` / `EndX` pair with an `IMFAsyncCallback` | [`begin_end`] |
//! | an `IMFMediaEventGenerator` | [`event_stream`], [`EventGenerator`] |
//! | an `IMFMediaSession` | [`Session`] |
//! | a work queue of the system's, its timer, a handle to wait for | [`WorkQueue`] |
//! | `IMFSourceReader` with a callback | [`SourceReader`] |
//! | `IMFSinkWriter` with a callback | [`SinkWriter`] |
//! | a stream of a reader, a writer or a source, by its number | [`StreamIndex`] |
//! | an asynchronous `IMFTransform` | [`AsyncTransform`], [`TransformHandle`] |
//! | an encoder or another transform to be found | [`FindTransforms`] |
//! | the buffers of a sample: bytes, `IMF2DBuffer2`, `IMFDXGIBuffer` | the methods of [`Mta`] of an `IMFSample` and of an `IMFMediaBuffer` |
//! | an `IMFTrackedSample` that is to come back | [`released`] |
//! | a camera or a microphone | [`CaptureDevice`] |
//! | `IMFByteStream` | [`ComByteStream`] |
//! | `IMFMediaEngineNotify`, `IMFSampleGrabberSinkCallback`, `IMFClockStateSink` | [`media_engine_events`], [`grab_samples`], [`clock_states`] |
//! | `IMFCaptureEngineOnEventCallback`, `IMFCaptureEngineOnSampleCallback` | [`capture_engine_events`], [`capture_engine_samples`] |
//! | a media type, a sample, a buffer, attributes, an event queue, a session, a file, a resolver to be made | [`Platform`]'s methods |
//! | an interface pointer that is to cross threads | [`Mta`] |
//! | an `IMFAsyncCallback`, `IMFAsyncResult` or `IMFMediaEvent` that a portable component is to have | `From` and `TryFrom` |
//!
//! # I hold an object of this crate's
//!
//! | here | for Media Foundation |
//! |---|---|
//! | `Arc<dyn AsyncCallback>` | `Mta::<IMFAsyncCallback>::from` |
//! | [`AsyncResult`](crate::AsyncResult) | `Mta::<IMFAsyncResult>::from`; its queues take it as their own |
//! | `Arc<dyn MediaEventGenerator>` | `Mta::<IMFMediaEventGenerator>::from` |
//! | [`MediaEvent`](crate::MediaEvent) | `Mta::<IMFMediaEvent>::try_from` |
//! | [`Unknown`](crate::Unknown), as a state | `Mta::<IUnknown>::from` |
//!
//! # Media Foundation holds mine
//!
//! | here | Media Foundation |
//! |---|---|
//! | a [`Stream`](futures::Stream) of samples, one for each stream | `IMFMediaSource`, by [`media_source`] and [`MediaSourceBuilder`]; `IMFActivate`, by [`media_source_activate`] |
//! | a [`ByteStream`](crate::ByteStream), or anything of `tokio::io` by [`ByteStreamFromIo`](crate::byte_stream::ByteStreamFromIo) | `IMFByteStream`, by [`byte_stream_object`] |
//!
//! # Threads
//!
//! Media Foundation calls back on its own work-queue threads, in the multithreaded apartment, and passes
//! pointers across threads as they are. The `windows` crate therefore cannot know which interfaces may cross
//! threads and lets none; [`Mta`] is this module's answer: a pointer to an object that every thread of the
//! multithreaded apartment may use. All that goes in here goes in as one, so saying that of an object, in an `unsafe` block,
//! is all that is left to promise; [`Mta::of`] and [`Platform`]'s own makers ask for no promise.
//!
//! # Systems
//!
//! Windows 8, Windows Server 2012, and later. On editions without Media Foundation see [`Platform::is_available`].
//!
//! # Trying it
//!
//! On Windows, `cargo test` runs all tests, these against the system's own Media Foundation, and
//! `cargo run --example source_reader -- FILE` decodes a file; the examples `session_events`,
//! `stream_from_memory` and `transcode` go on from there. Compressed sound is tested where the variable
//! `MF_ASYNC_MEDIA` names a folder of it, as `.ci/wine` fills one.
//!
//! On Linux, `bash .ci/wine` does the same on a Debian machine: it installs Wine, whose Media Foundation is a real
//! one, makes the files, and runs tests, examples and a bench under it. What Wine lacks, such as encoders, is
//! tested with COM objects that stand in for it.
//!
//! # Unsafe code
//!
//! All unsafe code of this crate is in this module, and each site says why it is sound. Nothing of it
//! depends on which callbacks come, how often or when: a callback object owns everything that it needs.
#![allow(unsafe_code)]

mod activation;
mod async_result;
mod attributes;
mod buffer;
mod byte_stream;
mod callback;
mod capture_device;
mod capture_engine;
mod clock;
mod error;
mod event;
mod event_queue;
mod find_transforms;
mod given_back;
mod guarded;
mod make;
mod media_engine;
mod media_source;
mod mta;
mod notifications;
mod offload;
mod operation;
mod platform;
mod prop_variant;
mod sample_grabber;
mod session;
mod sink_writer;
mod source_reader;
mod startup;
mod stream_index;
mod task;
mod timer;
mod tracked_sample;
mod transform;
mod unknown;
mod weak;
mod work_queue;

pub use self::buffer::{DxgiSurface, Locked2D, LockedBuffer};
pub use self::byte_stream::{ComByteStream, byte_stream_object, byte_stream_object_with};
pub use self::capture_device::{CaptureDevice, CaptureSource};
pub use self::capture_engine::{
    BoundedOverflow, CaptureEngineSample, capture_engine_events, capture_engine_samples,
};
pub use self::clock::{ClockStateEvent, clock_states};
pub use self::event::{EventGenerator, event_stream, event_stream_with, raw_event};
pub use self::find_transforms::{FindTransforms, FoundTransform};
pub use self::guarded::{LiveObject, live_objects};
pub use self::media_engine::{MediaEngineEvent, media_engine_events};
pub use self::media_source::{MediaSourceBuilder, StreamStart, media_source, media_source_activate};
pub use self::mta::Mta;
pub use self::notifications::Notifications;
pub use self::operation::{ComBeginStatus, begin_end, begin_end_with};
pub use self::platform::Platform;
pub use self::sample_grabber::{GrabbedSample, SampleGrabberEvent, grab_samples, grab_samples_with};
pub use self::session::Session;
pub use self::sink_writer::{SinkWriter, SinkWriterEvent};
pub use self::source_reader::{ReadSample, Sample, SampleFlags, SourceReader, SourceReaderEvent};
pub use self::stream_index::StreamIndex;
pub use self::timer::PeriodicCallback;
pub use self::tracked_sample::released;
pub use self::transform::{AsyncTransform, TransformHandle};
pub use self::work_queue::WorkQueue;
/// The `windows` crate whose interfaces this module names, so that a program can name the same.
pub use windows;
/// What `#[implement]` of the `windows` crate needs by this name.
pub use windows_core;
