//! `TransformDriver`: the state machine that decides what to call on an asynchronous transform next. It calls nothing
//! itself.

use std::collections::VecDeque;

use crate::error::{Error, Hresult, Result};

/// Media Foundation's rules for asynchronous transforms (MFTs), as a state machine.
///
/// The transform asks by events: one `NeedInput` for each `ProcessInput` it will take, one `HaveOutput` for each
/// `ProcessOutput` that it has something for. The caller passes these events to [`event`](TransformDriver::event), asks
/// [`input`](TransformDriver::input) and [`output`](TransformDriver::output) what to call next, makes the call, and
/// reports its status. Input and output may be driven by different tasks, each of which locks the machine only while
/// it asks.
///
/// The machine makes no call and reads no clock. So it is the same for real transforms on Windows and for models of
/// them in tests. One thing takes time: a transform may refuse an input that it has just asked for, because it sends its event
/// before it is ready. The machine then asks for the call again, and
/// [`is_retrying`](TransformDriver::is_retrying) says that a pause belongs before it.
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
/// assert!(driver.output_done(Hresult::S_OK)?); // there is a sample
/// assert_eq!(driver.output(), TransformOutput::Wait);
/// # Ok::<(), mf_async::Error>(())
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
    /// Markers placed during a drain. What they are behind is out when it is complete.
    drained: Vec<u64>,
    /// How often the input that is asked for was refused, one time after the other.
    refusals: u32,
    /// What went in and what came of it since the last flush or drain.
    inside: Inside,
    /// How many events may still come that a flush made void.
    voided: u32,
}

/// Counts of one stretch between flushes and drains.
#[derive(Clone, Copy, Debug, Default)]
struct Inside {
    accepted: u32,
    offered: u32,
    answered: u32,
}

impl Inside {
    /// How many events about output may be under way, or be made of what is inside: as many for each input as it has
    /// sent on average, or one.
    fn outstanding(self) -> u32 {
        let each = self
            .offered
            .checked_div(self.accepted)
            .map_or(1, |whole| whole + u32::from(self.offered % self.accepted != 0));
        self.accepted.saturating_mul(each.max(1)).max(self.offered).saturating_sub(self.answered)
    }
}

/// How often an input is offered again before its event counts as one from before a flush. A transform that is late by a
/// moment is not given up, and one that will never take it is not asked for ever.
const REFUSALS: u32 = 64;

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
            (TransformPhase::Streaming, TransformEvent::NeedInput) => {
                self.needs = self.needs.saturating_add(1)
            }
            (_, TransformEvent::HaveOutput) => {
                self.inside.offered = self.inside.offered.saturating_add(1);
                self.outputs.push_back(OutputEvent::Output);
            }
            (_, TransformEvent::Marker(context)) => self.outputs.push_back(OutputEvent::Marker(context)),
            (TransformPhase::Draining, TransformEvent::DrainComplete) => {
                self.outputs.extend(self.drained.drain(..).map(OutputEvent::Marker));
                self.outputs.push_back(OutputEvent::Drained);
                self.phase = TransformPhase::Stopped;
                (self.inside, self.refusals) = (Inside::default(), 0);
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
            // Without an output type the transform would refuse it.
            TransformPhase::Streaming if self.needs > 0 && !self.changing => {
                self.needs -= 1;
                TransformInput::Process
            }
            TransformPhase::Streaming | TransformPhase::Draining => TransformInput::Wait,
        }
    }

    /// Takes the status of `ProcessInput`; true if the sample is used up.
    ///
    /// `MF_E_NOTACCEPTING` does not use it up: keep it, and ask again. The transform was not ready yet, or its event was from
    /// before a flush; which of them, the next calls show, and of these there are only some. `MF_E_TRANSFORM_TYPE_NOT_SET`
    /// does not while the output format changes, which the call may have met. Any other failure concerns the sample, which is
    /// used up.
    pub fn input_done(&mut self, status: Hresult) -> bool {
        let streaming = self.phase == TransformPhase::Streaming;
        if status == Hresult::MF_E_TRANSFORM_TYPE_NOT_SET && self.changing {
            self.needs += u32::from(streaming);
            return false;
        }
        if status != Hresult::MF_E_NOTACCEPTING {
            self.refusals = 0;
            self.inside.accepted = self.inside.accepted.saturating_add(u32::from(status.is_success()));
            return true;
        }
        self.refusals += 1;
        if self.refusals > REFUSALS {
            // The credit was void.
            self.refusals = 0;
        } else if streaming {
            self.needs += 1;
        }
        false
    }

    /// Whether the next `Process` of [`input`](TransformDriver::input) is a call once more that was refused: make a pause
    /// of a millisecond before it, for the transform to get ready.
    #[must_use]
    pub fn is_retrying(&self) -> bool {
        self.refusals > 0 && self.phase == TransformPhase::Streaming && self.needs > 0
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

    /// The marker whose turn it is, if all output before one was taken; it uses it up. For those who wait for markers only:
    /// [`output`](TransformDriver::output) gives them out as well.
    pub fn reached(&mut self) -> Option<u64> {
        match self.outputs.front() {
            Some(&OutputEvent::Marker(context)) => {
                self.outputs.pop_front();
                Some(context)
            }
            _ => None,
        }
    }

    /// Takes the status of `ProcessOutput`; true if there is a sample.
    ///
    /// `MF_E_TRANSFORM_STREAM_CHANGE` comes without a sample: the format changed, and after another is chosen the transform
    /// sends a new event for the output. `MF_E_TRANSFORM_NEED_MORE_INPUT` comes without a sample as well, and so does
    /// `E_UNEXPECTED` for an event that a flush made void: as often as there may be such events.
    ///
    /// # Errors
    /// Any other failure, with its code: the transform has failed.
    pub fn output_done(&mut self, status: Hresult) -> Result<bool> {
        if self.phase == TransformPhase::Shutdown {
            return Ok(false);
        }
        if status.is_success() {
            self.inside.answered = self.inside.answered.saturating_add(1);
            return Ok(true);
        }
        match status {
            Hresult::MF_E_TRANSFORM_STREAM_CHANGE => self.changing = true,
            Hresult::MF_E_TRANSFORM_NEED_MORE_INPUT => {}
            Hresult::E_UNEXPECTED if self.voided > 0 => self.voided -= 1,
            failure => return Err(Error::new(failure, "take a sample out of a transform")),
        }
        Ok(false)
    }

    /// Reports that an output type was set after a change of format.
    pub fn negotiated(&mut self) {
        self.changing = false;
    }

    /// Places a marker behind all that was put in. True if the message for it, with the same number, must be sent to the transform;
    /// false if it need not be: where no stream is under way, all output is known or the drain's.
    ///
    /// When all output of what is before it was taken, [`output`](TransformDriver::output) gives it out. A flush forgets it.
    #[doc(alias = "MFT_MESSAGE_COMMAND_MARKER")]
    #[must_use = "the message is sent only if this is true"]
    pub fn marker(&mut self, context: u64) -> bool {
        match self.phase {
            TransformPhase::Streaming => return true,
            TransformPhase::Stopped => self.outputs.push_back(OutputEvent::Marker(context)),
            TransformPhase::Draining => self.drained.push(context),
            TransformPhase::Shutdown => {}
        }
        false
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
        (self.needs, self.refusals) = (0, 0);
        true
    }

    /// Reports that the message to flush was sent: all former events are void, and the transform waits for a start.
    #[doc(alias = "MFT_MESSAGE_COMMAND_FLUSH")]
    pub fn flush(&mut self) {
        if self.phase != TransformPhase::Shutdown {
            self.phase = TransformPhase::Stopped;
            (self.needs, self.refusals) = (0, 0);
            self.outputs.clear();
            self.drained.clear();
            let inside = std::mem::take(&mut self.inside);
            self.voided = self.voided.saturating_add(inside.outstanding());
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
            TransformPhase::Streaming => self.needs > 0 && !self.changing,
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
