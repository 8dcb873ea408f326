//! Registration with MMCSS: of one queue, of the platform, and what is read back.

use crate::case::Family;
use crate::facts::{MULTITHREADED, STANDARD, code, name, value};
use crate::subject::Mmcss;

/// What a queue is registered as.
fn registered<S: Mmcss>(mf: &S, queue: u32) -> String {
    let task = match mf.task_id(queue) {
        Ok(0) => "task 0".to_owned(),
        Ok(_) => "a task".to_owned(),
        Err(code) => name(code),
    };
    format!("\"{}\" {task} {}", value(&mf.class(queue)), value(&mf.mmcss_priority(queue)))
}

pub(crate) fn cases<S: Mmcss>() -> Family<S> {
    let mut mmcss = Family::<S>::new("mmcss");
    mmcss.case(
        "not_registered",
        "MFGetWorkQueueMMCSSClass: the empty string when it is not registered",
        "\"\" task 0 0",
        |mf| registered(mf, MULTITHREADED),
    );
    mmcss.case(
        "register",
        "MFBeginRegisterWorkQueueWithMMCSSEx: class, task id and priority are read back",
        "S_OK: \"Audio\" a task 1",
        |mf| {
            let queue = mf.allocate().expect("a queue");
            let registered_as = mf.register_queue(queue, "Audio", 0, 1);
            let seen = format!("{}: {}", code(&registered_as), registered(mf, queue));
            let _ = mf.unlock_queue(queue);
            seen
        },
    );
    mmcss.case(
        "the_task_id",
        "MFEndRegisterWorkQueueWithMMCSS: yields the task id",
        "the same task, not 0",
        |mf| {
            let queue = mf.allocate().expect("a queue");
            let given = mf.register_queue(queue, "Audio", 0, 0);
            let same = if given == mf.task_id(queue) { "the same task" } else { "another task" };
            let zero = match given {
                Ok(0) => "0".to_owned(),
                Ok(_) => "not 0".to_owned(),
                Err(code) => name(code),
            };
            let _ = mf.unlock_queue(queue);
            format!("{same}, {zero}")
        },
    );
    mmcss.case(
        "unregister",
        "MFBeginUnregisterWorkQueueWithMMCSS: the queue is as it was",
        "S_OK: \"\" task 0 0",
        |mf| {
            let queue = mf.allocate().expect("a queue");
            let _ = mf.register_queue(queue, "Audio", 0, 1);
            let unregistered = code(&mf.unregister_queue(queue));
            let seen = format!("{unregistered}: {}", registered(mf, queue));
            let _ = mf.unlock_queue(queue);
            seen
        },
    );
    mmcss.case(
        "unknown_class",
        "AvSetMmThreadCharacteristics: ERROR_INVALID_TASK_NAME for a class that MMCSS does not know",
        "ERROR_INVALID_TASK_NAME",
        |mf| {
            let queue = mf.allocate().expect("a queue");
            let registered = code(&mf.register_queue(queue, "No Such Class", 0, 0));
            let _ = mf.unlock_queue(queue);
            registered
        },
    );
    mmcss.case(
        "unknown_task",
        "AvSetMmThreadCharacteristics: ERROR_INVALID_TASK_INDEX for a task that is not there",
        "ERROR_INVALID_TASK_INDEX",
        |mf| {
            let queue = mf.allocate().expect("a queue");
            let registered = code(&mf.register_queue(queue, "Audio", 0x00BA_DBAD, 0));
            let _ = mf.unlock_queue(queue);
            registered
        },
    );
    mmcss.case(
        "shared_by_its_task",
        "MFLockSharedWorkQueue: the task id that is given is that of the class's queue",
        "S_OK S_OK: the same queue, the same task",
        |mf| {
            let first = mf.lock_shared(Some("Audio"), 0, Some(0));
            let task = first.map_or(0, |(_, task)| task);
            let second = mf.lock_shared(Some("Audio"), 0, Some(task));
            let same = |same| if same { "the same" } else { "another" };
            let (Ok(one), Ok(other)) = (first, second) else {
                return format!("{} {}", code(&first), code(&second));
            };
            let _ = (mf.unlock_queue(one.0), mf.unlock_queue(other.0));
            format!("S_OK S_OK: {} queue, {} task", same(one.0 == other.0), same(one.1 == other.1))
        },
    );
    mmcss.case(
        "shared_with_an_unknown_task",
        "AvSetMmThreadCharacteristics: ERROR_INVALID_TASK_INDEX for a task that is not there, of a shared queue too",
        "ERROR_INVALID_TASK_INDEX",
        |mf| value(&mf.lock_shared(Some("Audio"), 0, Some(0x00BA_DBAD)).map(|_| "a queue")),
    );
    mmcss.case(
        "shared_with_a_task_of_another_class",
        "AvSetMmThreadCharacteristics: ERROR_INVALID_TASK_INDEX for a task that is another class's",
        "ERROR_INVALID_TASK_INDEX",
        |mf| {
            let games = mf.lock_shared(Some("Games"), 0, Some(0));
            let task = games.map_or(0x00BA_DBAD, |(_, task)| task);
            value(&mf.lock_shared(Some("Audio"), 0, Some(task)).map(|_| "a queue"))
        },
    );
    mmcss.case(
        "shared_with_another_task_than_its_own",
        "MFLockSharedWorkQueue: the class has one queue, which has one task; another is none of it",
        "ERROR_INVALID_TASK_INDEX",
        |mf| {
            let shared = mf.lock_shared(Some("Audio"), 0, Some(0));
            let queue = mf.allocate().expect("a queue");
            let other = mf.register_queue(queue, "Audio", 0, 0).unwrap_or(0x00BA_DBAD);
            let refused = value(&mf.lock_shared(Some("Audio"), 0, Some(other)).map(|_| "a queue"));
            let _ = shared.map(|(queue, _)| mf.unlock_queue(queue));
            let _ = mf.unlock_queue(queue);
            refused
        },
    );
    mmcss.case(
        "unknown_queue",
        "MFBeginRegisterWorkQueueWithMMCSS: there is nothing to register",
        "MF_E_INVALID_WORKQUEUE",
        |mf| code(&mf.register_queue(0x1_0000, "Audio", 0, 0)),
    );
    mmcss.case(
        "class_of_an_unknown_queue",
        "MFGetWorkQueueMMCSSClass: there is nothing to ask",
        "MF_E_INVALID_WORKQUEUE",
        |mf| code(&mf.class(0x1_0000)),
    );
    mmcss.case(
        "join_a_task",
        "MFBeginRegisterWorkQueueWithMMCSS: a task id that is given is joined",
        "S_OK S_OK, the same task",
        |mf| {
            let (one, other) = (mf.allocate().expect("a queue"), mf.allocate().expect("a queue"));
            let first = mf.register_queue(one, "Games", 0, 0);
            let second = mf.register_queue(other, "Games", first.unwrap_or(0), 0);
            let same = if first == second { "the same task" } else { "another task" };
            let _ = (mf.unlock_queue(one), mf.unlock_queue(other));
            format!("{} {}, {same}", code(&first), code(&second))
        },
    );
    mmcss.case(
        "buffer_too_small",
        "MFGetWorkQueueMMCSSClass: MF_E_BUFFERTOOSMALL, and the size with the NUL",
        "MF_E_BUFFERTOOSMALL 6",
        |mf| {
            let queue = mf.allocate().expect("a queue");
            let _ = mf.register_queue(queue, "Audio", 0, 0);
            let (refused, size) = mf.class_in(queue, 5);
            format!("{} {size}", name(refused))
        },
    );
    mmcss.case(
        "buffer_large_enough",
        "MFGetWorkQueueMMCSSClass: the size includes the NUL",
        "S_OK 6",
        |mf| {
            let queue = mf.allocate().expect("a queue");
            let _ = mf.register_queue(queue, "Audio", 0, 0);
            let (read, size) = mf.class_in(queue, 6);
            format!("{} {size}", name(read))
        },
    );
    mmcss.case(
        "register_the_platform",
        "MFRegisterPlatformWithMMCSS: the platform's queues are registered",
        "S_OK: \"Playback\" a task -1; \"Playback\" a task -1",
        |mf| {
            let registered_as = mf.register_platform("Playback", 0, -1);
            let (standard, parallel) = (registered(mf, STANDARD), registered(mf, MULTITHREADED));
            let _ = mf.unregister_platform();
            format!("{}: {standard}; {parallel}", code(&registered_as))
        },
    );
    mmcss.case(
        "unregister_the_platform",
        "MFUnregisterPlatformFromMMCSS: the platform's queues are as they were",
        "S_OK: \"\" task 0 0",
        |mf| {
            let _ = mf.register_platform("Playback", 0, 0);
            let unregistered = code(&mf.unregister_platform());
            format!("{unregistered}: {}", registered(mf, STANDARD))
        },
    );
    mmcss
}
