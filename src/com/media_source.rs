//! A media source of one's own, from streams of samples: what a virtual camera or a custom format is made of.

mod activate;
mod playback;
mod shared;
mod source;
mod stream;
mod track;

use std::fmt;
use std::sync::Arc;

use futures::stream::{Stream, StreamExt};
use windows::Win32::Media::MediaFoundation::{
    IMFMediaSource, IMFMediaType, IMFSample, IMFStreamDescriptor, MF_PD_DURATION,
    MFCreatePresentationDescriptor, MFCreateStreamDescriptor,
};

pub use self::activate::media_source_activate;
pub use self::track::StreamStart;

use self::shared::SourceShared;
use self::track::{Opener, Track};
use crate::com::{Mta, Platform};
use crate::error::{Error, Hresult, Result};

/// A media source with one stream, of this type, that plays once: a live source, a decoder of one's own, a test picture.
///
/// It does all that the page *Writing a Custom Media Source* asks for: presentation descriptor, the events of source and
/// stream, request tokens, start, pause, stop, the end of the stream. A sample is taken from `samples` only when one was
/// asked for. An error ends the source with `MEError`, and so does a panic, with `E_UNEXPECTED`.
///
/// The stream is polled on Media Foundation's queue [`MULTITHREADED`](crate::QueueId::MULTITHREADED). If it uses tokio's timers or
/// sockets, it must have been made inside a runtime.
///
/// [`MediaSourceBuilder`] makes those with several streams, that can seek, or that are live.
///
/// ```no_run
/// use futures::stream;
/// use mf_async::com::{Platform, SourceReader, media_source};
/// use windows::Win32::Media::MediaFoundation::*;
///
/// # async fn play() -> mf_async::Result<()> {
/// let platform = Platform::startup()?;
/// let pcm = platform.create_media_type(MFMediaType_Audio, MFAudioFormat_PCM)?;
/// // … rate, channels and sizes of the type …
/// let kept = platform.clone();
/// let silence = stream::iter((0..100).map(move |i| kept.create_sample(&[0; 17640], i * 1_000_000, 1_000_000)));
/// let source = media_source(&platform, &pcm, silence)?;
/// let reader = SourceReader::from_media_source(&platform, &source).await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// Those of [`build`](MediaSourceBuilder::build).
#[doc(alias = "IMFMediaSource")]
#[doc(alias = "IMFMediaStream")]
pub fn media_source(
    platform: &Platform,
    of: &Mta<IMFMediaType>,
    samples: impl Stream<Item = Result<Mta<IMFSample>>> + Send + 'static,
) -> Result<Mta<IMFMediaSource>> {
    MediaSourceBuilder::new(platform).once(of, samples).build()
}

/// Makes a media source: streams are added, then it is [built](MediaSourceBuilder::build).
///
/// ```no_run
/// use futures::stream;
/// use mf_async::com::{MediaSourceBuilder, Mta, Platform, StreamStart};
/// use windows::Win32::Media::MediaFoundation::{IMFMediaSource, IMFMediaType};
///
/// fn pictures(platform: &Platform, kind: Mta<IMFMediaType>) -> mf_async::Result<Mta<IMFMediaSource>> {
///     let kept = platform.clone();
///     // From any picture on: the source can seek.
///     let from = move |start: StreamStart| {
///         let kept = kept.clone();
///         let first = start.position / 400_000;
///         stream::iter((first..250).map(move |i| kept.create_sample(&[0; 38_400], i * 400_000, 400_000)))
///     };
///     MediaSourceBuilder::new(platform).stream(&[kind], from).duration(100_000_000).build()
/// }
/// ```
#[must_use = "it makes nothing before it is built"]
pub struct MediaSourceBuilder {
    platform: Platform,
    streams: Vec<(Vec<Mta<IMFMediaType>>, Opener)>,
    live: bool,
    duration: Option<i64>,
}

impl MediaSourceBuilder {
    /// A source without streams.
    pub fn new(platform: &Platform) -> MediaSourceBuilder {
        MediaSourceBuilder { platform: platform.clone(), streams: Vec::new(), live: false, duration: None }
    }

    /// Adds a stream that is opened at a position at each start and seek. `open` gets the position and the type. It gives
    /// the samples from there on, or from the key frame before. The first of `types` is the one that is offered first.
    ///
    /// The source can seek if all its streams are of this kind.
    pub fn stream<S>(
        mut self,
        types: &[Mta<IMFMediaType>],
        open: impl Fn(StreamStart) -> S + Send + Sync + 'static,
    ) -> MediaSourceBuilder
    where
        S: Stream<Item = Result<Mta<IMFSample>>> + Send + 'static,
    {
        let opener = Opener::Each(Arc::new(move |start| open(start).boxed()));
        self.streams.push((types.to_vec(), opener));
        self
    }

    /// Adds a stream that plays once: after a stop and a start it goes on where it was.
    pub fn once(
        mut self,
        of: &Mta<IMFMediaType>,
        samples: impl Stream<Item = Result<Mta<IMFSample>>> + Send + 'static,
    ) -> MediaSourceBuilder {
        self.streams.push((vec![of.clone()], Opener::once(samples.boxed())));
        self
    }

    /// The source is live: samples that come while it is paused are dropped.
    #[doc(alias = "MFMEDIASOURCE_IS_LIVE")]
    pub fn live(mut self) -> MediaSourceBuilder {
        self.live = true;
        self
    }

    /// How long it plays, in units of 100 ns; a start behind that is refused.
    #[doc(alias = "MF_PD_DURATION")]
    pub fn duration(mut self, duration: i64) -> MediaSourceBuilder {
        self.duration = Some(duration);
        self
    }

    /// The source. All its streams are selected at first, and their ids are 0, 1 and so on in the order in which they
    /// were added: a reader has the same numbers as [`StreamIndex`](crate::com::StreamIndex).
    ///
    /// It must be shut down when it is not needed any more, as every media source; what owns it, such as a reader, does
    /// so. Released without, it shuts itself down.
    ///
    /// # Errors
    /// `E_INVALIDARG` if there is no stream, or one without a type; `E_OUTOFMEMORY`; `MF_E_SHUTDOWN`.
    #[doc(alias = "MFCreatePresentationDescriptor")]
    pub fn build(self) -> Result<Mta<IMFMediaSource>> {
        if self.streams.is_empty() || self.streams.iter().any(|(types, _)| types.is_empty()) {
            return Err(Error::new(Hresult::E_INVALIDARG, "make a media source without streams or types"));
        }
        let platform = self.platform;
        let mut tracks = Vec::new();
        for (id, (types, opener)) in (0..).zip(self.streams) {
            let all: Vec<_> = types.iter().map(|of| Some(IMFMediaType::clone(of))).collect();
            // SAFETY: the types live for the calls; the descriptor is Media Foundation's own.
            let descriptor = unsafe {
                let descriptor: IMFStreamDescriptor = MFCreateStreamDescriptor(id, &all)?;
                descriptor.GetMediaTypeHandler()?.SetCurrentMediaType(&*types[0])?;
                platform.keep(Mta::new(descriptor))
            };
            tracks.push(Track { descriptor, opener, attributes: platform.create_attributes()? });
        }
        let descriptors: Vec<_> =
            tracks.iter().map(|track| Some(IMFStreamDescriptor::clone(&track.descriptor))).collect();
        // SAFETY: the descriptors live for the calls; what is made of them is Media Foundation's own.
        let presentation = unsafe {
            let presentation = MFCreatePresentationDescriptor(Some(&descriptors))?;
            for index in 0..descriptors.len() {
                presentation.SelectStream(index as u32)?;
            }
            if let Some(duration) = self.duration {
                presentation.SetUINT64(&MF_PD_DURATION, duration.max(0) as u64)?;
            }
            platform.keep(Mta::new(presentation))
        };
        let shared = SourceShared::new(platform, presentation, tracks, self.live, self.duration)?;
        source::create(shared)
    }
}

impl fmt::Debug for MediaSourceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaSourceBuilder")
            .field("streams", &self.streams.len())
            .field("live", &self.live)
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}
