//! The work-queue services of a media session: the platform's queues registered by them, and a topology's.

use crate::case::Family;
use crate::facts::{LONG_FUNCTION, MULTITHREADED, STANDARD, code, name, value};
use crate::subject::Services;

/// Every queue of the platform.
const ALL: u32 = 0xFFFF_FFFF;
/// Numbers of a topology's queues are the application's own.
const OF_NO_TOPOLOGY: u32 = 77;

pub(crate) fn cases<S: Services>() -> Family<S> {
    let mut services = Family::<S>::new("services");
    services.case(
        "register",
        "IMFWorkQueueServices::BeginRegisterPlatformWorkQueueWithMMCSS: a thin layer, so the queue itself says so",
        "S_OK: \"Playback\", \"Playback\", the same task",
        |mf| {
            let task = mf.register_by_service(MULTITHREADED, "Playback", 0);
            let same = task.is_ok() && task == mf.task_id(MULTITHREADED) && task == mf.task_by_service(MULTITHREADED);
            let by_service = value(&mf.class_by_service(MULTITHREADED));
            let by_queue = value(&mf.class(MULTITHREADED));
            let same = if same { "the same task" } else { "no task, or another" };
            let seen = format!("{}: \"{by_service}\", \"{by_queue}\", {same}", code(&task));
            let _ = mf.unregister_by_service(MULTITHREADED);
            seen
        },
    );
    services.case(
        "unregister",
        "IMFWorkQueueServices::BeginUnregisterPlatformWorkQueueWithMMCSS: the queue is as it was",
        "S_OK: \"\"",
        |mf| {
            let _ = mf.register_by_service(STANDARD, "Audio", 0);
            let unregistered = code(&mf.unregister_by_service(STANDARD));
            format!("{unregistered}: \"{}\"", value(&mf.class(STANDARD)))
        },
    );
    services.case(
        "register_all",
        "IMFWorkQueueServices::BeginRegisterPlatformWorkQueueWithMMCSS: MFASYNC_CALLBACK_QUEUE_ALL is all of them",
        "S_OK: \"Games\" \"Games\" \"Games\"",
        |mf| {
            let registered = code(&mf.register_by_service(ALL, "Games", 0));
            let classes = [STANDARD, MULTITHREADED, LONG_FUNCTION].map(|queue| value(&mf.class(queue)));
            let _ = mf.unregister_by_service(ALL);
            format!("{registered}: \"{}\"", classes.join("\" \""))
        },
    );
    services.case(
        "unknown_class",
        "AvSetMmThreadCharacteristics: ERROR_INVALID_TASK_NAME for a class that MMCSS does not know",
        "ERROR_INVALID_TASK_NAME",
        |mf| code(&mf.register_by_service(MULTITHREADED, "No Such Class", 0)),
    );
    services.case(
        "class_of_a_topology_s_queue",
        "IMFWorkQueueServices::GetTopologyWorkQueueMMCSSClass: E_INVALIDARG for a queue that it does not know",
        "E_INVALIDARG",
        |mf| value(&mf.topology_class(OF_NO_TOPOLOGY)),
    );
    services.case(
        "register_a_topology_s_queues",
        "IMFWorkQueueServices::BeginRegisterTopologyWorkQueuesWithMMCSS: later topologies are registered by themselves",
        "S_OK",
        |mf| name(mf.register_topology()),
    );
    services
}
