//! Asynchronous transforms: what is called for each of their events, through drains, flushes and changes of format.

use mf_async::Hresult;

use crate::case::Family;
use crate::facts::name;
use crate::subject::Step::{
    Drain, DrainComplete, Flush, HaveOutput, InputSays, NeedInput, OutputSays, Put, Shutdown, Take,
};
use crate::subject::Transforms;

pub(crate) fn cases<S: Transforms>() -> Family<S> {
    let mut transforms = Family::<S>::new("transforms");
    transforms.case(
        "unlock",
        "Asynchronous MFTs: MF_TRANSFORM_ASYNC_UNLOCK is set before anything is called",
        "S_OK, unlocked",
        |mf| unlocked(mf, true),
    );
    transforms.case(
        "unlock_a_synchronous_one",
        "Asynchronous MFTs: MF_TRANSFORM_ASYNC says that it is one; another has no events",
        "E_INVALIDARG, locked",
        |mf| unlocked(mf, false),
    );
    transforms.case(
        "nothing_before_it_asks",
        "METransformNeedInput: no input before the first, which comes after the start of the stream",
        "start",
        |mf| mf.drive(&[Put]),
    );
    transforms.case(
        "an_input_for_each_need",
        "METransformNeedInput: one ProcessInput for each",
        "start input input",
        |mf| mf.drive(&[Put, Put, Put, NeedInput, NeedInput]),
    );
    transforms.case(
        "needs_are_kept",
        "METransformNeedInput: one that comes before there is a sample counts",
        "start input input input",
        |mf| mf.drive(&[Put, NeedInput, NeedInput, NeedInput, Put, Put, Put]),
    );
    transforms.case(
        "no_output_before_it_has_any",
        "METransformHaveOutput: no ProcessOutput before the first",
        "start input output taken",
        |mf| mf.drive(&[Put, NeedInput, Take, HaveOutput]),
    );
    transforms.case(
        "an_output_for_each_have",
        "METransformHaveOutput: one ProcessOutput for each",
        "start input output taken output taken",
        |mf| mf.drive(&[Put, NeedInput, HaveOutput, HaveOutput, Take, Take, Take]),
    );
    transforms.case(
        "both_sides_at_a_time",
        "Asynchronous MFTs: each side waits for its own events only",
        "start input input output taken output taken",
        |mf| mf.drive(&[Put, Put, NeedInput, HaveOutput, NeedInput, Take, HaveOutput, Take]),
    );
    transforms.case(
        "an_input_that_is_refused",
        "Asynchronous MFTs: a ProcessInput out of turn is MF_E_NOTACCEPTING, and the sample is still the caller's",
        "start input:MF_E_NOTACCEPTING input",
        |mf| mf.drive(&[Put, InputSays(Hresult::MF_E_NOTACCEPTING), NeedInput, NeedInput]),
    );
    transforms.case(
        "an_input_that_fails",
        "IMFTransform::ProcessInput: what fails is told, and the transform goes on",
        "start input:E_ACCESSDENIED put:E_ACCESSDENIED input",
        |mf| mf.drive(&[Put, InputSays(Hresult::E_ACCESSDENIED), NeedInput, NeedInput, Put]),
    );
    transforms.case(
        "an_output_that_needs_more",
        "IMFTransform::ProcessOutput: MF_E_TRANSFORM_NEED_MORE_INPUT is no failure",
        "start input output:MF_E_TRANSFORM_NEED_MORE_INPUT output taken",
        |mf| {
            let says = OutputSays(Hresult::MF_E_TRANSFORM_NEED_MORE_INPUT);
            mf.drive(&[Put, NeedInput, says, HaveOutput, Take, HaveOutput])
        },
    );
    transforms.case(
        "a_change_of_format",
        "IMFTransform::ProcessOutput: after MF_E_TRANSFORM_STREAM_CHANGE a type is set, and METransformHaveOutput comes again",
        "start input output:MF_E_TRANSFORM_STREAM_CHANGE type output taken",
        |mf| {
            let says = OutputSays(Hresult::MF_E_TRANSFORM_STREAM_CHANGE);
            mf.drive(&[Put, NeedInput, says, HaveOutput, Take, HaveOutput])
        },
    );
    transforms.case(
        "a_drain",
        "MFT_MESSAGE_COMMAND_DRAIN: after the end of the stream; all output is taken, then METransformDrainComplete",
        "start input end drain output drained taken",
        |mf| mf.drive(&[Put, NeedInput, Drain, HaveOutput, DrainComplete, Take]),
    );
    transforms.case(
        "a_drain_waits_for_what_is_put",
        "MFT_MESSAGE_COMMAND_DRAIN: what is to go in goes in before",
        "start input end drain drained",
        |mf| mf.drive(&[Put, Drain, NeedInput, DrainComplete]),
    );
    transforms.case(
        "a_drain_of_nothing",
        "MFT_MESSAGE_COMMAND_DRAIN: where no stream was started there is nothing to drain",
        "drained",
        |mf| mf.drive(&[Drain]),
    );
    transforms.case(
        "a_need_from_before_a_drain",
        "MFT_MESSAGE_COMMAND_DRAIN: METransformNeedInput from before is void; the next stream starts anew",
        "start input end drain drained start input",
        |mf| mf.drive(&[Put, NeedInput, NeedInput, Drain, NeedInput, DrainComplete, Put, Put, NeedInput]),
    );
    transforms.case(
        "a_flush",
        "MFT_MESSAGE_COMMAND_FLUSH: what was said is void, and the transform waits for the start of a stream",
        "start input flush start input",
        |mf| mf.drive(&[Put, NeedInput, NeedInput, HaveOutput, Flush, Take, Put, Put, NeedInput]),
    );
    transforms.case(
        "a_flush_in_a_drain",
        "MFT_MESSAGE_COMMAND_FLUSH: ends a drain, whose METransformDrainComplete is void",
        "start input end drain flush start input",
        |mf| mf.drive(&[Put, NeedInput, Drain, Flush, DrainComplete, Put, NeedInput]),
    );
    transforms.case(
        "a_shutdown",
        "Asynchronous MFTs: IMFShutdown::Shutdown ends the events, and both sides with them",
        "start input taken:MF_E_SHUTDOWN put:MF_E_SHUTDOWN",
        |mf| mf.drive(&[Put, NeedInput, Shutdown, Take, Put]),
    );
    transforms
}

fn unlocked<S: Transforms>(mf: &S, asynchronous: bool) -> String {
    let (code, unlocked) = mf.unlock(asynchronous);
    format!("{}, {}", name(code), if unlocked { "unlocked" } else { "locked" })
}
