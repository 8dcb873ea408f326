//! `TransformDriver`: what to call on an asynchronous transform, and when; plain state that calls nothing.

use std::collections::VecDeque;

use crate::error::Hresult;

/// Media Foundation's rules for asynchronous transforms (MFTs), as a state machine.
///
/// The transform asks by events: one `NeedInput` for each `ProcessInput` it will take, one `HaveOutput` for each
/// `ProcessOutput` that it has something for. Whoever drives it tells the events to
/// [`event`](TransformDriver::event), asks [`input`](TransformDriver::input) and
/// [`output`](TransformDriver::output) what to call next, calls that, and says how it went. The two sides may be
/// driven by different tasks, each with the machine locked only while it asks.
///
/// It makes no call and knows no clock, so it is the same for real transforms, on Windows, and for models of them
/// in tests.
///
/// ```
/// use mf_async::transform::{TransformDriver, TransformEvent, TransformInput, TransformOutput};
/// use mf_async::Hresult;
///
/// let mut driver = TransformDriver::new();
/// assert_eq!(driver.input(), TransformInput::Start); // send MFT_MESSAGE_NOTIFY_START_OF_STREAM
/// assert_eq!(driver.input(), TransformInput::Wait);
/// driver.event(TransformEvent::NeedInput);
/// assert_eq!(driver.input(), TransformInput::Process); // call ProcessInput, once
/// driver.input_done(Hresult::S_OK);
/// driver.event(TransformEvent::HaveOutput);
/// assert_eq!(driver.output(), TransformOutput::Process); // call ProcessOutput, once
/// driver.output_done(Hresult::S_OK);
/// assert_eq!(driver.output(), TransformOutput::Wait);
/// ```
#[derive(Debug, Default)]
pub struct TransformDriver {
    phase: Phase,
    /// `NeedInput` events that are not answered.
    needs: u32,
    /// What the transform said about its output, in order.
    said: VecDeque<Said>,
    /// The output format changed, and nobody chose another yet.
    changing: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// It will not ask for input before it is told that a stream starts.
    #[default]
    Stopped,
    Streaming,
    /// It was told to drain, and asks for no input until it has done so.
    Draining,
    Shutdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Output,
    Marker(u64),
    Drained,
}

/// An event of an asynchronous transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransformEvent {
    /// It will take one more input.
    #[doc(alias = "METransformNeedInput")]
    NeedInput,
    /// It has one more output.
    #[doc(alias = "METransformHaveOutput")]
    HaveOutput,
    /// The drain that was asked for is complete.
    #[doc(alias = "METransformDrainComplete")]
    DrainComplete,
    /// All input before a marker is processed; this was passed with the marker.
    #[doc(alias = "METransformMarker")]
    Marker(u64),
}

/// What to do on the input side.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransformInput {
    /// Tell the transform that a stream starts, then ask again.
    #[doc(alias = "MFT_MESSAGE_NOTIFY_START_OF_STREAM")]
    Start,
    /// Call `ProcessInput` once, and say by [`input_done`](TransformDriver::input_done) how it went.
    #[doc(alias = "ProcessInput")]
    Process,
    /// Nothing until the next event.
    Wait,
    /// Nothing any more: the transform is shut down.
    Shutdown,
}

/// What to do on the output side.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransformOutput {
    /// Call `ProcessOutput` once, and say by [`output_done`](TransformDriver::output_done) how it went.
    #[doc(alias = "ProcessOutput")]
    Process,
    /// Choose an output type among those the transform has now, set it, and say so by
    /// [`negotiated`](TransformDriver::negotiated).
    Negotiate,
    /// All output of what was put in before this marker has been taken.
    Marker(u64),
    /// All output of what was put in before the drain has been taken.
    Drained,
    /// Nothing until the next event.
    Wait,
    /// Nothing any more: the transform is shut down.
    Shutdown,
}

impl TransformDriver {
    /// For a transform that was just unlocked and has its media types.
    #[must_use]
    pub fn new() -> TransformDriver {
        TransformDriver::default()
    }

    /// Takes in an event, in the order in which the transform sent them.
    pub fn event(&mut self, event: TransformEvent) {
        match (self.phase, event) {
            (Phase::Shutdown, _) => {}
            // Sent before the transform learnt of a flush or a drain, and void by it.
            (Phase::Stopped | Phase::Draining, TransformEvent::NeedInput) => {}
            (Phase::Stopped, TransformEvent::HaveOutput | TransformEvent::Marker(_)) => {}
            (Phase::Stopped | Phase::Streaming, TransformEvent::DrainComplete) => {}
            (Phase::Streaming, TransformEvent::NeedInput) => self.needs += 1,
            (_, TransformEvent::HaveOutput) => self.said.push_back(Said::Output),
            (_, TransformEvent::Marker(context)) => self.said.push_back(Said::Marker(context)),
            (Phase::Draining, TransformEvent::DrainComplete) => {
                self.said.push_back(Said::Drained);
                self.phase = Phase::Stopped;
            }
        }
    }

    /// What to do for input that is there. `Process` uses up the event that asked for it.
    pub fn input(&mut self) -> TransformInput {
        match self.phase {
            Phase::Shutdown => TransformInput::Shutdown,
            // Output of what was drained comes first: the new stream may have another format.
            Phase::Stopped if !self.said.is_empty() || self.changing => TransformInput::Wait,
            Phase::Stopped => {
                self.phase = Phase::Streaming;
                TransformInput::Start
            }
            Phase::Streaming if self.needs > 0 => {
                self.needs -= 1;
                TransformInput::Process
            }
            Phase::Streaming | Phase::Draining => TransformInput::Wait,
        }
    }

    /// How `ProcessInput` went; true if the transform took the sample.
    ///
    /// `MF_E_NOTACCEPTING` means that the event was from before a flush: keep the sample for the next. Any other
    /// failure is the sample's, which is used up.
    pub fn input_done(&mut self, status: Hresult) -> bool {
        status != Hresult::MF_E_NOTACCEPTING
    }

    /// What to do for output. `Process`, `Marker` and `Drained` use up the event that said so.
    pub fn output(&mut self) -> TransformOutput {
        if self.phase == Phase::Shutdown {
            return TransformOutput::Shutdown;
        }
        if self.changing {
            return TransformOutput::Negotiate;
        }
        match self.said.pop_front() {
            Some(Said::Output) => TransformOutput::Process,
            Some(Said::Marker(context)) => TransformOutput::Marker(context),
            Some(Said::Drained) => TransformOutput::Drained,
            None => TransformOutput::Wait,
        }
    }

    /// How `ProcessOutput` went; true if there is a sample.
    ///
    /// `MF_E_TRANSFORM_STREAM_CHANGE` gives none: the format changed, and when another is chosen the transform
    /// sends a new event for the output. `MF_E_TRANSFORM_NEED_MORE_INPUT`, and `E_UNEXPECTED` for an event from
    /// before a flush, give none either and are no failures.
    pub fn output_done(&mut self, status: Hresult) -> bool {
        if status == Hresult::MF_E_TRANSFORM_STREAM_CHANGE && self.phase != Phase::Shutdown {
            self.changing = true;
        }
        status.is_success()
    }

    /// Whether a status of `ProcessOutput` is a failure of the transform, and not part of the procedure.
    #[must_use]
    pub fn is_output_failure(status: Hresult) -> bool {
        let procedure = [
            Hresult::MF_E_TRANSFORM_STREAM_CHANGE,
            Hresult::MF_E_TRANSFORM_NEED_MORE_INPUT,
            Hresult::E_UNEXPECTED,
        ];
        status.is_failure() && !procedure.contains(&status)
    }

    /// An output type was set after a change of format.
    pub fn negotiated(&mut self) {
        self.changing = false;
    }

    /// The transform is to be told to drain; true if it is to be told, false if there is nothing to drain.
    ///
    /// Until it has drained it asks for no input, and what it asked for before is void.
    #[doc(alias = "MFT_MESSAGE_COMMAND_DRAIN")]
    #[must_use = "the transform is to be told only if this says so"]
    pub fn drain(&mut self) -> bool {
        if self.phase != Phase::Streaming {
            return false;
        }
        self.phase = Phase::Draining;
        self.needs = 0;
        true
    }

    /// The transform was told to flush: everything it said and asked is void, and it waits for a start.
    #[doc(alias = "MFT_MESSAGE_COMMAND_FLUSH")]
    pub fn flush(&mut self) {
        if self.phase != Phase::Shutdown {
            self.phase = Phase::Stopped;
            self.needs = 0;
            self.said.clear();
        }
    }

    /// The transform is shut down.
    pub fn shut_down(&mut self) {
        *self = TransformDriver { phase: Phase::Shutdown, ..TransformDriver::default() };
    }

    /// Whether the transform would take an input now, or is to be started first.
    #[must_use]
    pub fn is_accepting(&self) -> bool {
        match self.phase {
            Phase::Streaming => self.needs > 0,
            Phase::Stopped => self.said.is_empty() && !self.changing,
            Phase::Draining | Phase::Shutdown => false,
        }
    }

    /// Whether a drain is under way, up to the transform's event.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.phase == Phase::Draining
    }
}
