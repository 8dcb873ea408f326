//! Queues are registered with MMCSS classes and read back as they were; everybody who names a class shares its queue.

use mf_async::rtwq::Mmcss;
use mf_async::{Hresult, Platform, QueueId, Result, WorkQueueType};

fn code<T: std::fmt::Debug>(result: Result<T>) -> Hresult {
    result.expect_err("it fails").hresult()
}

fn read(platform: &Platform, queue: impl Into<QueueId>) -> (String, u32, i32) {
    let Mmcss { class, task_id, base_priority, .. } = platform.work_queue_mmcss(queue).unwrap();
    (class, task_id, base_priority)
}

#[tokio::test]
async fn a_queue_that_is_not_registered_reads_back_nothing() {
    let platform = Platform::startup().unwrap();
    assert_eq!(read(&platform, QueueId::MULTITHREADED), (String::new(), 0, 0));
    assert_eq!(code(platform.work_queue_mmcss(QueueId(0x10000))), Hresult::MF_E_INVALID_WORKQUEUE);
}

#[tokio::test]
async fn what_is_registered_is_read_back_until_it_is_taken_back() {
    let platform = Platform::startup().unwrap();
    let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
    let task = platform.register_work_queue_with_mmcss(&queue, "pro audio", 0, 1).await.unwrap();
    assert_ne!(task, 0);
    assert_eq!(read(&platform, &queue), ("Pro Audio".to_owned(), task, 1));
    // Another queue joins the task; a task of another class, or of none, is refused.
    let joined = platform.register_work_queue_with_mmcss(QueueId::IO, "Pro Audio", task, 0).await.unwrap();
    assert_eq!(joined, task);
    let foreign = platform.register_work_queue_with_mmcss(QueueId::IO, "Games", task, 0).await;
    assert_eq!(code(foreign), Hresult::ERROR_INVALID_TASK_INDEX);
    let unknown = platform.register_work_queue_with_mmcss(QueueId::IO, "Games", 77, 0).await;
    assert_eq!(code(unknown), Hresult::ERROR_INVALID_TASK_INDEX);
    platform.unregister_work_queue_with_mmcss(&queue).await.unwrap();
    assert_eq!(read(&platform, &queue), (String::new(), 0, 0));
    assert_eq!(read(&platform, QueueId::IO).0, "Pro Audio");
}

#[tokio::test]
async fn classes_and_priorities_that_do_not_exist_are_refused() {
    let platform = Platform::startup().unwrap();
    let class = platform.register_work_queue_with_mmcss(QueueId::IO, "No Such Class", 0, 0).await;
    assert_eq!(code(class), Hresult::ERROR_INVALID_TASK_NAME);
    let priority = platform.register_work_queue_with_mmcss(QueueId::IO, "Audio", 0, 3).await;
    assert_eq!(code(priority), Hresult::E_INVALIDARG);
    assert_eq!(
        code(platform.lock_shared_work_queue("No Such Class", 0, None)),
        Hresult::ERROR_INVALID_TASK_NAME
    );
    assert_eq!(code(platform.register_platform_with_mmcss("Audio", 9, 0)), Hresult::ERROR_INVALID_TASK_INDEX);
}

#[tokio::test]
async fn the_whole_platform_registers_every_queue_of_its_own() {
    let platform = Platform::startup().unwrap();
    let task = platform.register_platform_with_mmcss("Capture", 0, -1).unwrap();
    for number in [1, 2, 3, 4, 5, 7] {
        assert_eq!(read(&platform, QueueId(number)), ("Capture".to_owned(), task, -1));
    }
    platform.unregister_platform_from_mmcss().unwrap();
    assert_eq!(read(&platform, QueueId::STANDARD), (String::new(), 0, 0));
}

#[tokio::test]
async fn everybody_who_names_a_class_shares_its_queue() {
    let platform = Platform::startup().unwrap();
    let (one, task) = platform.lock_shared_work_queue("Playback", 2, None).unwrap();
    let (other, same) = platform.lock_shared_work_queue("PLAYBACK", 0, Some(task)).unwrap();
    assert_eq!((one.id(), task), (other.id(), same));
    assert!(one.id().is_private());
    assert_eq!(read(&platform, &one), ("Playback".to_owned(), task, 2));
    assert_eq!(one.run(|| 5).await.unwrap(), 5);
    let (games, _) = platform.lock_shared_work_queue("Games", 0, None).unwrap();
    assert_ne!(games.id(), one.id());
    assert_eq!(
        code(platform.lock_shared_work_queue("Playback", 0, Some(task + 9))),
        Hresult::ERROR_INVALID_TASK_INDEX
    );
    // One unlock is owed for each lock; with the last the queue is gone, and the next is another.
    let former = one.id();
    drop((one, other));
    let (next, _) = platform.lock_shared_work_queue("Playback", 0, None).unwrap();
    assert_ne!(next.id(), former);
}

#[tokio::test]
async fn the_empty_class_is_a_queue_without_mmcss() {
    let platform = Platform::startup().unwrap();
    let (one, task) = platform.lock_shared_work_queue("", 0, None).unwrap();
    let (other, _) = platform.lock_shared_work_queue("", 0, None).unwrap();
    assert_eq!((one.id(), task), (other.id(), 0));
    assert!(one.id().is_private());
    assert_eq!(read(&platform, &one), (String::new(), 0, 0));
    assert_eq!(code(platform.lock_shared_work_queue("", 0, Some(0))), Hresult::E_INVALIDARG);
    assert_eq!(code(platform.lock_shared_work_queue("", 1, None)), Hresult::E_INVALIDARG);
}

#[tokio::test]
async fn after_a_shutdown_nothing_is_registered() {
    let platform = Platform::startup().unwrap();
    platform.shutdown().await.unwrap();
    let register = platform.register_work_queue_with_mmcss(QueueId::IO, "Audio", 0, 0).await;
    assert_eq!(code(register), Hresult::MF_E_SHUTDOWN);
    assert_eq!(code(platform.lock_shared_work_queue("Audio", 0, None)), Hresult::MF_E_SHUTDOWN);
    assert_eq!(code(platform.register_platform_with_mmcss("Audio", 0, 0)), Hresult::MF_E_SHUTDOWN);
}

#[cfg(feature = "realtime")]
#[tokio::test]
async fn the_queue_of_a_class_has_threads_of_its_own_where_that_is_asked_for() {
    let platform = Platform::startup().unwrap();
    let here = || std::thread::current().name().unwrap_or_default().to_owned();
    let (audio, _) = platform.lock_shared_work_queue("Audio", 0, None).unwrap();
    assert_eq!(audio.run(here).await.unwrap(), "mf-Audio");
    let (plain, _) = platform.lock_shared_work_queue("", 0, None).unwrap();
    assert_eq!(plain.run(here).await.unwrap(), here());
}
