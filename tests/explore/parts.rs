//! Promise: the parts that others build on have no race: the resolver, byte streams, the take-over of events, methods,
//! timers, waits, and the driver of a transform.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use mf_async::byte_stream::{AccessMode, FileFlags, MemoryByteStream, OpenMode};
use mf_async::event::HasEventQueue;
use mf_async::source_resolver::{ByteStreamHandler, ResolutionFlags};
use mf_async::testing::{Explore, explore};
use mf_async::transform::{TransformDriver, TransformEvent, TransformInput, TransformOutput};
use mf_async::{
    AsyncResult, ByteStream, ByteStreamExt, EventStream, Hresult, MediaEvent, MediaEventQueue, Platform,
    QueueId, Result, Unknown, WorkItem,
};

/// Makes text of a stream.
struct Text;

impl ByteStreamHandler for Text {
    fn create_object(
        &self,
        stream: Arc<dyn ByteStream>,
        _: Option<String>,
        _: ResolutionFlags,
        _: Option<Unknown>,
    ) -> BoxFuture<'static, Result<Unknown>> {
        async move {
            let bytes = stream.read(vec![0; 16]).await?;
            Ok(Arc::new(String::from_utf8_lossy(&bytes).into_owned()) as Unknown)
        }
        .boxed()
    }
}

#[test]
fn the_resolver() {
    explore(|platform| async move {
        let resolver = Arc::new(platform.create_source_resolver());
        resolver.register_byte_stream_handler(".txt", Arc::new(Text));
        let stream = || Arc::new(MemoryByteStream::new(&platform, b"moov".to_vec()));
        let source = ResolutionFlags::MEDIA_SOURCE;
        let first = resolver.create_object_from_byte_stream(stream(), Some("a.txt"), source);
        let second = resolver.create_object_from_byte_stream(stream(), Some("b.txt"), source);
        let cancelled = second.cancel().await;
        assert_eq!(first.await?.media_source::<String>().as_deref().map(String::as_str), Some("moov"));
        if let Err(error) = cancelled {
            assert_eq!(error.hresult(), Hresult::E_ABORT);
        }
        Ok(())
    });
}

#[test]
fn reads_and_writes_of_a_file() {
    Explore::new().schedules(200).run(|platform| async move {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("explored");
        let file = platform
            .open_file(AccessMode::ReadWrite, OpenMode::DeleteIfExist, FileFlags::empty(), &path)
            .await?;
        let writes = (file.write(b"mo".to_vec()), file.write(b"ov".to_vec()));
        writes.0.await?;
        writes.1.await?;
        file.set_position(0)?;
        let reads = (file.read(vec![0; 2]), file.read(vec![0; 2]));
        assert_eq!((reads.0.await?, reads.1.await?), (b"mo".to_vec(), b"ov".to_vec()));
        Ok(())
    });
}

struct Component(MediaEventQueue);

impl HasEventQueue for Component {
    fn event_queue(&self) -> &MediaEventQueue {
        &self.0
    }
}

#[test]
fn a_stream_that_takes_over() {
    explore(|platform| async move {
        let component = Arc::new(Component(platform.create_event_queue()?));
        let producer = component.clone();
        let produced = platform.queue(QueueId::MULTITHREADED)?.run(move || {
            for number in 0..4_i64 {
                producer.0.queue_event(MediaEvent::new(1).with_value(number))?;
            }
            Ok::<_, mf_async::Error>(())
        });
        let mut seen = Vec::new();
        for _ in 0..4 {
            // Each stream reads one, and the next takes over.
            let mut events = EventStream::lossless(&component)?;
            let event = events.next().await.expect("there are four")?;
            seen.extend(event.value().as_i64());
        }
        produced.await??;
        assert_eq!(seen, [0, 1, 2, 3]);
        Ok(())
    });
}

#[test]
fn serialized_methods() {
    explore(|platform| async move {
        let inside = Arc::new(Mutex::new(false));
        let method = platform.method::<()>().serialized();
        let call = |inside: Arc<Mutex<bool>>| {
            method.call(async move {
                assert!(!std::mem::replace(&mut *inside.lock().unwrap(), true), "two at the same time");
                tokio::task::yield_now().await;
                *inside.lock().unwrap() = false;
                Ok(())
            })
        };
        let both = (call(inside.clone()), call(inside.clone()));
        let cancelled = call(inside.clone()).cancel();
        both.0.await?;
        both.1.await?;
        drop(cancelled.await);
        Ok(())
    });
}

#[test]
fn a_cancel_while_its_timer_fires() {
    explore(|platform| async move {
        let calls = Arc::new(Mutex::new(0));
        let counted = calls.clone();
        let item = WorkItem::new(Arc::new(move |_: &AsyncResult| *counted.lock().unwrap() += 1));
        let key = platform.schedule(item, Duration::from_millis(20))?;
        let of_item = platform.clone();
        let cancelled = platform.queue(QueueId::IO)?.run(move || of_item.cancel_work_item(key).is_ok());
        let was_cancelled = cancelled.await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        platform.queue(QueueId::STANDARD)?.quiesce().await?;
        assert_eq!(*calls.lock().unwrap(), u32::from(!was_cancelled));
        Ok(())
    });
}

#[test]
fn a_cancel_while_its_event_happens() {
    explore(|platform| async move {
        let (send, receive) = tokio::sync::oneshot::channel::<()>();
        let statuses = Arc::new(Mutex::new(Vec::new()));
        let noted = statuses.clone();
        let callback = move |result: &AsyncResult| noted.lock().unwrap().push(result.status());
        let result = platform.result(Arc::new(callback)).build()?;
        let key = platform.put_waiting(async { drop(receive.await) }, &result)?;
        drop(result);
        let happens = platform.queue(QueueId::IO)?.run(move || drop(send));
        let was_cancelled = platform.cancel_work_item(key).is_ok();
        happens.await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        platform.queue(QueueId::STANDARD)?.quiesce().await?;
        let expected = if was_cancelled { Hresult::MF_E_OPERATION_CANCELLED } else { Hresult::S_OK };
        assert_eq!(*statuses.lock().unwrap(), [expected]);
        Ok(())
    });
}

#[test]
fn shutdown_while_operations_are_under_way() {
    explore(|platform| async move {
        let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED)?;
        let ran = (queue.run(|| 1), queue.spawn(async { 2 }));
        drop(queue);
        let shutdown = platform.shutdown();
        for ended in [ran.0.await, ran.1.await] {
            if let Err(error) = ended {
                assert!(error.is_shutdown(), "{error}");
            }
        }
        shutdown.await
    });
}

/// A transform that asks for two inputs at a time, and works on a queue.
struct Transform {
    driver: Mutex<TransformDriver>,
    held: Mutex<Vec<u32>>,
    out: Mutex<Vec<u32>>,
    changed: tokio::sync::Notify,
}

impl Transform {
    fn event(&self, event: TransformEvent) {
        self.driver.lock().unwrap().event(event);
        self.changed.notify_one();
    }
}

async fn drive(platform: Platform, transform: Arc<Transform>, inputs: u32) -> Result<()> {
    let queue = platform.queue(QueueId::MULTITHREADED)?;
    let (mut next, mut is_drained) = (0, false);
    while !is_drained {
        let changed = transform.changed.notified();
        let (input, output) = {
            let mut driver = transform.driver.lock().unwrap();
            if next == inputs && !driver.is_draining() && driver.drain() {
                // What was put in is worked on first: on a serial queue that is behind all of it.
                let drained = transform.clone();
                let drain = move || drained.event(TransformEvent::DrainComplete);
                platform.queue(QueueId::STANDARD)?.run(drain).detach();
            }
            let input = if next < inputs { driver.input() } else { TransformInput::Wait };
            (input, driver.output())
        };
        match input {
            TransformInput::Start => {
                for _ in 0..2 {
                    let asks = transform.clone();
                    queue.run(move || asks.event(TransformEvent::NeedInput)).detach();
                }
            }
            TransformInput::Process => {
                transform.held.lock().unwrap().push(next);
                next += 1;
                let works = transform.clone();
                let work = move || {
                    let sample = works.held.lock().unwrap().remove(0);
                    works.out.lock().unwrap().push(sample);
                    works.event(TransformEvent::HaveOutput);
                    works.event(TransformEvent::NeedInput);
                };
                platform.queue(QueueId::STANDARD)?.run(work).detach();
            }
            _ => {}
        }
        is_drained = matches!(output, TransformOutput::Drained);
        if matches!(input, TransformInput::Wait) && matches!(output, TransformOutput::Wait) {
            changed.await;
        }
    }
    Ok(())
}

#[test]
fn the_driver_of_a_transform() {
    explore(|platform| async move {
        let transform = Arc::new(Transform {
            driver: Mutex::new(TransformDriver::new()),
            held: Mutex::default(),
            out: Mutex::default(),
            changed: tokio::sync::Notify::new(),
        });
        drive(platform, transform.clone(), 3).await?;
        assert_eq!(*transform.out.lock().unwrap(), [0, 1, 2]);
        Ok(())
    });
}
