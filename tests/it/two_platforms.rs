//! Promise: platforms live beside each other, and nothing of one is taken for the other's: queue ids and keys are
//! distinct in a process, and those of another platform are refused.

use std::collections::HashSet;
use std::time::Duration;

use mf_async::{CallbackParameters, Hresult, Platform, QueueId, WorkItemKey, WorkQueueType};

use crate::support::{Count, both_runtimes, callback, on, until};

#[test]
fn a_queue_of_another_platform_is_refused() {
    both_runtimes(|| async {
        let (one, other) = (Platform::startup().unwrap(), Platform::startup().unwrap());
        let queue = one.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let own = other.allocate_work_queue(WorkQueueType::Standard).unwrap();
        assert_ne!(queue.id(), own.id());
        let id = queue.id();
        for refused in [
            other.put(id, callback(|_| ())).map(drop),
            other.queue(id).map(drop),
            other.allocate_serial_work_queue(id).map(drop),
            other.unlock_work_queue(id).map(drop),
            other.schedule(on(id, |_| ()), Duration::ZERO).map(drop),
            other.put_waiting(std::future::ready(()), on(id, |_| ())).map(drop),
            other.method::<()>().begin(on(id, |_| ()), std::future::ready(Ok(()))).map(drop),
        ] {
            let error = refused.unwrap_err();
            assert_eq!(error.hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
            assert!(error.to_string().contains("it was not allocated here"), "{error}");
        }
        let named = CallbackParameters::on(id);
        let begin = |platform: &Platform, callback| platform.result(callback).build()?.invoke();
        let ended = other.begin_end_with(named, &other, begin, |_, _| Ok(())).await;
        assert_eq!(ended.unwrap_err().hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
        assert_eq!((queue.stats().put, own.stats().put), (0, 0));
        drop((queue, own));
        one.shutdown().await.unwrap();
        other.shutdown().await.unwrap();
    });
}

#[test]
fn a_key_of_another_platform_cancels_nothing() {
    both_runtimes(|| async {
        let (one, other) = (Platform::startup().unwrap(), Platform::startup().unwrap());
        let (calls, hour) = (Count::new(), Duration::from_secs(3600));
        for _ in 0..3 {
            let scheduled = [&one, &other].map(|of| of.schedule(calls.counts(), hour).unwrap());
            let waiting =
                [&one, &other].map(|of| of.put_waiting(std::future::pending(), calls.counts()).unwrap());
            for [key, others] in [scheduled, waiting] {
                assert_ne!(key, others);
                assert_eq!(other.cancel_work_item(key).unwrap_err().hresult(), Hresult::MF_E_NOT_FOUND);
                assert_eq!(one.cancel_work_item(others).unwrap_err().hresult(), Hresult::MF_E_NOT_FOUND);
                one.cancel_work_item(key).unwrap();
                other.cancel_work_item(others).unwrap();
            }
        }
        until("cancelled waits call back", || calls.get() == 6).await;
        let periodic = [&one, &other].map(|of| of.add_periodic_callback(|| ()).unwrap());
        assert_ne!(periodic[0], periodic[1]);
        for (of, key) in [(&one, periodic[1]), (&other, periodic[0])] {
            assert_eq!(of.remove_periodic_callback(key).unwrap_err().hresult(), Hresult::MF_E_NOT_FOUND);
        }
        one.remove_periodic_callback(periodic[0]).unwrap();
        other.remove_periodic_callback(periodic[1]).unwrap();
        one.shutdown().await.unwrap();
        other.shutdown().await.unwrap();
    });
}

/// By turns, and more than are taken of the process's numbers at a time.
#[test]
fn no_number_is_handed_out_twice() {
    both_runtimes(|| async {
        let platforms = [(); 3].map(|()| Platform::startup().unwrap());
        let (mut ids, mut keys) = (HashSet::<QueueId>::new(), HashSet::<WorkItemKey>::new());
        for number in 0..3000 {
            let platform = &platforms[number % 3];
            if number < 300 {
                assert!(ids.insert(platform.allocate_work_queue(WorkQueueType::Standard).unwrap().id()));
            }
            let key = platform.schedule(callback(|_| ()), Duration::from_secs(3600)).unwrap();
            assert!(keys.insert(key));
            if number % 2 == 0 {
                platform.cancel_work_item(key).unwrap();
            }
        }
        for platform in platforms {
            platform.shutdown().await.unwrap();
        }
    });
}
