//! `MediaEventType`: what an event reports, a number with a name of Media Foundation's headers.

use std::fmt;

/// What an event reports: a `MediaEventType` number.
///
/// Any number will do; the named ones are Media Foundation's.
///
/// ```
/// use mf_async::MediaEventType;
///
/// assert_eq!(MediaEventType::MESessionClosed.0, 106);
/// assert_eq!(format!("{} {}", MediaEventType::MEError, MediaEventType(20_000)), "MEError 20000");
/// ```
#[doc(alias = "MF_EVENT_TYPE")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaEventType(
    /// The number, as Windows headers write it.
    pub u32,
);

macro_rules! event_types {
    ($($name:ident = $value:literal, $doc:literal;)*) => {
        // The names are those of the headers, so that they are found.
        #[allow(non_upper_case_globals)]
        impl MediaEventType {
            $(#[doc = concat!("`", stringify!($name), "`, ", stringify!($value), ": ", $doc, ".")]
              pub const $name: MediaEventType = MediaEventType($value);)*

            /// The name that Media Foundation's headers give this number, if they give one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

event_types! {
    MEUnknown = 0, "not said";
    MEError = 1, "a serious error; the event's status says which";
    MEExtendedType = 2, "a type of its own, which the extended type names";
    MENonFatalError = 3, "an error that stops nothing";
    MESessionUnknown = 100, "a session event, not said which";
    MESessionTopologySet = 101, "the session has taken a topology";
    MESessionTopologiesCleared = 102, "the session has dropped its topologies";
    MESessionStarted = 103, "the session has started";
    MESessionPaused = 104, "the session has paused";
    MESessionStopped = 105, "the session has stopped";
    MESessionClosed = 106, "the session has closed; its last event";
    MESessionEnded = 107, "the session has played the last presentation to its end";
    MESessionRateChanged = 108, "the session's rate has changed";
    MESessionScrubSampleComplete = 109, "the session has scrubbed to a sample";
    MESessionCapabilitiesChanged = 110, "the session can do other things than before";
    MESessionTopologyStatus = 111, "a topology's status has changed";
    MESessionNotifyPresentationTime = 112, "a new presentation starts";
    MENewPresentation = 113, "a media source has a new presentation";
    MELicenseAcquisitionStart = 114, "a licence is about to be acquired";
    MELicenseAcquisitionCompleted = 115, "a licence was acquired";
    MEIndividualizationStart = 116, "individualisation is about to begin";
    MEIndividualizationCompleted = 117, "individualisation has ended";
    MEEnablerProgress = 118, "a content enabler makes progress";
    MEEnablerCompleted = 119, "a content enabler has ended";
    MEPolicyError = 120, "a policy object has met an error";
    MEPolicyReport = 121, "status of a policy object";
    MEBufferingStarted = 122, "a media source starts to buffer";
    MEBufferingStopped = 123, "a media source has stopped buffering";
    MEConnectStart = 124, "a network source starts to connect";
    MEConnectEnd = 125, "a network source has connected, or not";
    MEReconnectStart = 126, "a network source starts to connect again";
    MEReconnectEnd = 127, "a network source has connected again, or not";
    MERendererEvent = 128, "a renderer's own";
    MESessionStreamSinkFormatChanged = 129, "the format of a stream sink has changed";
    MESourceUnknown = 200, "a media source's event, not said which";
    MESourceStarted = 201, "a media source has started";
    MEStreamStarted = 202, "a media stream has started";
    MESourceSeeked = 203, "a media source has sought";
    MEStreamSeeked = 204, "a media stream has sought";
    MENewStream = 205, "a media source has a new stream";
    MEUpdatedStream = 206, "a media source has updated a stream";
    MESourceStopped = 207, "a media source has stopped";
    MEStreamStopped = 208, "a media stream has stopped";
    MESourcePaused = 209, "a media source has paused";
    MEStreamPaused = 210, "a media stream has paused";
    MEEndOfPresentation = 211, "a presentation has ended";
    MEEndOfStream = 212, "a media stream has ended";
    MEMediaSample = 213, "a media stream has a sample";
    MEStreamTick = 214, "a media stream has a gap";
    MEStreamThinMode = 215, "a media stream starts or stops thinning";
    MEStreamFormatChanged = 216, "a media stream's format has changed";
    MESourceRateChanged = 217, "a media source's rate has changed";
    MEEndOfPresentationSegment = 218, "a segment of a presentation has ended";
    MESourceCharacteristicsChanged = 219, "a media source can do other things than before";
    MESourceRateChangeRequested = 220, "a media source asks for another rate";
    MESourceMetadataChanged = 221, "a media source's metadata has changed";
    MESequencerSourceTopologyUpdated = 222, "the sequencer source has updated a topology";
    MESinkUnknown = 300, "a media sink's event, not said which";
    MEStreamSinkStarted = 301, "a stream sink has started";
    MEStreamSinkStopped = 302, "a stream sink has stopped";
    MEStreamSinkPaused = 303, "a stream sink has paused";
    MEStreamSinkRateChanged = 304, "a stream sink's rate has changed";
    MEStreamSinkRequestSample = 305, "a stream sink asks for a sample";
    MEStreamSinkMarker = 306, "a stream sink has come to a marker";
    MEStreamSinkPrerolled = 307, "a stream sink has pre-rolled";
    MEStreamSinkScrubSampleComplete = 308, "a stream sink has scrubbed to a sample";
    MEStreamSinkFormatChanged = 309, "a stream sink's format has changed";
    MEStreamSinkDeviceChanged = 310, "a stream sink's device has changed";
    MEQualityNotify = 311, "advice for the quality manager";
    MESinkInvalidated = 312, "a media sink is no longer usable";
    MEAudioSessionNameChanged = 313, "the audio session's name has changed";
    MEAudioSessionVolumeChanged = 314, "the audio session's volume has changed";
    MEAudioSessionDeviceRemoved = 315, "the audio device was removed";
    MEAudioSessionServerShutdown = 316, "the audio server has shut down";
    MEAudioSessionGroupingParamChanged = 317, "the audio session's grouping has changed";
    MEAudioSessionIconChanged = 318, "the audio session's icon has changed";
    MEAudioSessionFormatChanged = 319, "the audio format has changed";
    MEAudioSessionDisconnected = 320, "the audio session was disconnected";
    MEAudioSessionExclusiveModeOverride = 321, "another took the audio device for itself";
    MECaptureAudioSessionVolumeChanged = 322, "the capture session's volume has changed";
    MECaptureAudioSessionDeviceRemoved = 323, "the capture device was removed";
    MECaptureAudioSessionFormatChanged = 324, "the capture format has changed";
    MECaptureAudioSessionDisconnected = 325, "the capture session was disconnected";
    MECaptureAudioSessionExclusiveModeOverride = 326, "another took the capture device for itself";
    MECaptureAudioSessionServerShutdown = 327, "the capture session's server has shut down";
    METrustUnknown = 400, "an event of trust, not said which";
    MEPolicyChanged = 401, "an output's policy has changed";
    MEContentProtectionMessage = 402, "a message of the content protection";
    MEPolicySet = 403, "an output's policy was set";
    MEWMDRMLicenseBackupCompleted = 500, "licences were backed up";
    MEWMDRMLicenseBackupProgress = 501, "licences are being backed up";
    MEWMDRMLicenseRestoreCompleted = 502, "licences were restored";
    MEWMDRMLicenseRestoreProgress = 503, "licences are being restored";
    MEWMDRMLicenseAcquisitionCompleted = 506, "a DRM licence was acquired";
    MEWMDRMIndividualizationCompleted = 508, "DRM individualisation has ended";
    MEWMDRMIndividualizationProgress = 513, "DRM individualisation makes progress";
    MEWMDRMProximityCompleted = 514, "the proximity test has ended";
    MEWMDRMLicenseStoreCleaned = 515, "the licence store was cleaned";
    MEWMDRMRevocationDownloadCompleted = 516, "a revocation list was downloaded";
    METransformUnknown = 600, "a transform's event, not said which";
    METransformNeedInput = 601, "an asynchronous transform asks for input";
    METransformHaveOutput = 602, "an asynchronous transform has output";
    METransformDrainComplete = 603, "an asynchronous transform is drained";
    METransformMarker = 604, "an asynchronous transform has come to a marker";
    METransformInputStreamStateChanged = 605, "a transform's input stream has another state";
    MEByteStreamCharacteristicsChanged = 700, "a byte stream can do other things than before";
    MEVideoCaptureDeviceRemoved = 800, "the video capture device was removed";
    MEVideoCaptureDevicePreempted = 801, "another took the video capture device";
    MEStreamSinkFormatInvalidated = 802, "a stream sink's format is no longer valid";
    MEEncodingParameters = 803, "the encoder's parameters have changed";
    MEContentProtectionMetadata = 900, "metadata of the content protection";
    MEDeviceThermalStateChanged = 950, "the device's thermal state has changed";
    MEReservedMax = 10_000, "numbers up to this are Media Foundation's";
}

impl fmt::Display for MediaEventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for MediaEventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaEventType({self})")
    }
}

impl From<u32> for MediaEventType {
    fn from(number: u32) -> MediaEventType {
        MediaEventType(number)
    }
}

impl From<MediaEventType> for u32 {
    fn from(event_type: MediaEventType) -> u32 {
        event_type.0
    }
}
