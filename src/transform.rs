//! `TransformDriver`: the state machine that decides what to call on an asynchronous transform next. It calls nothing
//! itself.

use std::collections::VecDeque;

use crate::error::Hresult;

/// Media Foundation's rules for asynchronous transforms (MFTs), as a state machine.
///
/// The transform asks by events: one `NeedInput` for each `ProcessInput` it will take, one `HaveOutput` for each
/// `ProcessOutput` that it has something for. The caller passes these events to [`event`](TransformDriver::event), asks
/// [`input`](TransformDriver::input) and [`output`](TransformDriver::output) what to call next, makes the call, and
/// reports its status. Input and output may be driven by different tasks, each of which locks the machine only while
/// it asks.
///
/// The machine makes no call and reads no clock. So it is the same for real transforms on Windows and for models of
/// them in tests.
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
    phase: TransformPhase,
    /// Number of `NeedInput` events that are not answered.
    needs: u32,
    /// The transform's events about its output, in order.
    outputs: VecDeque<OutputEvent>,
    /// The output format changed, and no output type was set since.
    changing: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TransformPhase {
    /// It asks for no input before the message that a stream starts.
    #[default]
    Stopped,
    Streaming,
    /// It has the message to drain, and asks for no input until it has drained.
    Draining,
    Shutdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OutputEvent {
    Output,
    Marker(u64),
    Drained,
}

/// An event of an asynchronous transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransformEvent {
    /// It takes one more input.
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
    /// Send the transform the message that a stream starts, then ask again.
    #[doc(alias = "MFT_MESSAGE_NOTIFY_START_OF_STREAM")]
    Start,
    /// Call `ProcessInput` once, and report its status to [`input_done`](TransformDriver::input_done).
    #[doc(alias = "ProcessInput")]
    Process,
    /// Do nothing until the next event.
    Wait,
    /// Stop: the transform is shut down.
    Shutdown,
}

/// What to do on the output side.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransformOutput {
    /// Call `ProcessOutput` once, and report its status to [`output_done`](TransformDriver::output_done).
    #[doc(alias = "ProcessOutput")]
    Process,
    /// Choose an output type among those that the transform has now, set it, and call
    /// [`negotiated`](TransformDriver::negotiated).
    Negotiate,
    /// All output of what was put in before this marker has been taken.
    Marker(u64),
    /// All output of what was put in before the drain has been taken.
    Drained,
    /// Do nothing until the next event.
    Wait,
    /// Stop: the transform is shut down.
    Shutdown,
}

impl TransformDriver {
    /// The machine for a transform that was just unlocked and has its media types.
    #[must_use]
    pub fn new() -> TransformDriver {
        TransformDriver::default()
    }

    /// Takes an event. Events must come in the order in which the transform sent them.
    pub fn event(&mut self, event: TransformEvent) {
        match (self.phase, event) {
            (TransformPhase::Shutdown, _) => {}
            // Sent before the transform received a flush or a drain, which makes it void.
            (TransformPhase::Stopped | TransformPhase::Draining, TransformEvent::NeedInput) => {}
            (TransformPhase::Stopped, TransformEvent::HaveOutput | TransformEvent::Marker(_)) => {}
            (TransformPhase::Stopped | TransformPhase::Streaming, TransformEvent::DrainComplete) => {}
            (TransformPhase::Streaming, TransformEvent::NeedInput) => self.needs += 1,
            (_, TransformEvent::HaveOutput) => self.outputs.push_back(OutputEvent::Output),
            (_, TransformEvent::Marker(context)) => self.outputs.push_back(OutputEvent::Marker(context)),
            (TransformPhase::Draining, TransformEvent::DrainComplete) => {
                self.outputs.push_back(OutputEvent::Drained);
                self.phase = TransformPhase::Stopped;
            }
        }
    }

    /// What to do with input that is ready. `Process` uses up the event that asked for it.
    pub fn input(&mut self) -> TransformInput {
        match self.phase {
            TransformPhase::Shutdown => TransformInput::Shutdown,
            // Output of the drained stream comes first, because the new stream may have another format.
            TransformPhase::Stopped if !self.outputs.is_empty() || self.changing => TransformInput::Wait,
            TransformPhase::Stopped => {
                self.phase = TransformPhase::Streaming;
                TransformInput::Start
            }
            TransformPhase::Streaming if self.needs > 0 => {
                self.needs -= 1;
                TransformInput::Process
            }
            TransformPhase::Streaming | TransformPhase::Draining => TransformInput::Wait,
        }
    }

    /// Takes the status of `ProcessInput`; true if the sample is used up.
    ///
    /// `MF_E_NOTACCEPTING` means that the event was from before a flush: keep the sample for the next event. Any other
    /// failure concerns the sample, which is used up.
    pub fn input_done(&mut self, status: Hresult) -> bool {
        status != Hresult::MF_E_NOTACCEPTING
    }

    /// What to do about output. `Process`, `Marker` and `Drained` use up their event.
    pub fn output(&mut self) -> TransformOutput {
        if self.phase == TransformPhase::Shutdown {
            return TransformOutput::Shutdown;
        }
        if self.changing {
            return TransformOutput::Negotiate;
        }
        match self.outputs.pop_front() {
            Some(OutputEvent::Output) => TransformOutput::Process,
            Some(OutputEvent::Marker(context)) => TransformOutput::Marker(context),
            Some(OutputEvent::Drained) => TransformOutput::Drained,
            None => TransformOutput::Wait,
        }
    }

    /// Takes the status of `ProcessOutput`; true if there is a sample.
    ///
    /// `MF_E_TRANSFORM_STREAM_CHANGE` comes without a sample: the format changed, and after another is chosen the transform
    /// sends a new event for the output. `MF_E_TRANSFORM_NEED_MORE_INPUT`, and `E_UNEXPECTED` for an event from
    /// before a flush, come without a sample as well, and are no failures.
    pub fn output_done(&mut self, status: Hresult) -> bool {
        if status == Hresult::MF_E_TRANSFORM_STREAM_CHANGE && self.phase != TransformPhase::Shutdown {
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

    /// Reports that an output type was set after a change of format.
    pub fn negotiated(&mut self) {
        self.changing = false;
    }

    /// Starts a drain. True if the message to drain must be sent to the transform; false if there is nothing to drain.
    ///
    /// Until it has drained, the transform asks for no input, and its former requests are void.
    #[doc(alias = "MFT_MESSAGE_COMMAND_DRAIN")]
    #[must_use = "the message is sent only if this is true"]
    pub fn drain(&mut self) -> bool {
        if self.phase != TransformPhase::Streaming {
            return false;
        }
        self.phase = TransformPhase::Draining;
        self.needs = 0;
        true
    }

    /// Reports that the message to flush was sent: all former events are void, and the transform waits for a start.
    #[doc(alias = "MFT_MESSAGE_COMMAND_FLUSH")]
    pub fn flush(&mut self) {
        if self.phase != TransformPhase::Shutdown {
            self.phase = TransformPhase::Stopped;
            self.needs = 0;
            self.outputs.clear();
        }
    }

    /// Reports that the transform is shut down.
    pub fn shut_down(&mut self) {
        *self = TransformDriver { phase: TransformPhase::Shutdown, ..TransformDriver::default() };
    }

    /// Whether the transform takes an input now, if necessary after the message that a stream starts.
    #[must_use]
    pub fn is_accepting(&self) -> bool {
        match self.phase {
            TransformPhase::Streaming => self.needs > 0,
            TransformPhase::Stopped => self.outputs.is_empty() && !self.changing,
            TransformPhase::Draining | TransformPhase::Shutdown => false,
        }
    }

    /// Whether a drain is under way: from [`drain`](TransformDriver::drain) to the transform's event.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.phase == TransformPhase::Draining
    }
}
