//! Promise: every place that calls code of the user's has a guard. Here is the list of them: in each, that code asks for a
//! report, which takes the locks of what is outstanding, and panics; and then the queues run, a shutdown succeeds, and no
//! call of the crate has panicked.

use std::future::{Future, pending, poll_fn, ready};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use mf_async::byte_stream::ByteStreamFromIo;
use mf_async::rtwq::PlatformEvents;
use mf_async::source_resolver::{ResolutionFlags, ResolvedObject, SchemeHandler};
use mf_async::{
    AsyncCallback, AsyncResult, ByteStreamExt, CallbackParameters, ErrorKind, EventStream, Hresult,
    MediaEvent, Operation, Platform, QueueId, Result, Unknown, WeakPlatform, WorkItem, WorkQueueType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

use crate::support::{Kept, both_runtimes, callback, kept, on, until};

/// Counts how often it went off. Each time it asks for a report, and panics.
#[derive(Clone, Default)]
struct Bomb(Arc<(AtomicUsize, OnceLock<WeakPlatform>, AtomicBool)>);

impl Bomb {
    fn go_off(&self) -> ! {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        // A report may ask a bomb for its name.
        if !self.0.2.swap(true, Ordering::SeqCst) {
            if let Some(Ok(platform)) = self.0.1.get().map(WeakPlatform::upgrade) {
                drop(platform.report());
            }
            self.0.2.store(false, Ordering::SeqCst);
        }
        panic!("expected in a test")
    }

    fn count(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    /// Something whose drop panics.
    fn in_drop(&self) -> DropBomb {
        DropBomb(self.clone())
    }

    fn as_waker(&self) -> Waker {
        Waker::from(Arc::new(WakeBomb(self.clone())))
    }

    /// Polls once, with a waker that panics.
    fn poll<F: Future>(&self, future: Pin<&mut F>) {
        assert!(future.poll(&mut Context::from_waker(&self.as_waker())).is_pending());
    }
}

struct DropBomb(Bomb);

impl DropBomb {
    fn touch(&self) {}
}

impl Drop for DropBomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.go_off();
        }
    }
}

struct WakeBomb(Bomb);

impl Wake for WakeBomb {
    fn wake(self: Arc<Self>) {
        self.0.go_off();
    }
}

/// A callback each of whose methods can panic.
struct CallbackBomb {
    parameters: Option<Bomb>,
    invoke: Option<Bomb>,
    name: Option<Bomb>,
}

impl AsyncCallback for CallbackBomb {
    fn parameters(&self) -> CallbackParameters {
        self.parameters.as_ref().map_or(CallbackParameters::default(), |bomb| bomb.go_off())
    }

    fn invoke(&self, _: &AsyncResult) {
        if let Some(bomb) = &self.invoke {
            bomb.go_off();
        }
    }

    fn name(&self) -> &'static str {
        self.name.as_ref().map_or("a bomb", |bomb| bomb.go_off())
    }
}

fn in_parameters(bomb: &Bomb) -> Arc<dyn AsyncCallback> {
    Arc::new(CallbackBomb { parameters: Some(bomb.clone()), invoke: None, name: None })
}

fn in_invoke(bomb: &Bomb) -> Arc<dyn AsyncCallback> {
    Arc::new(CallbackBomb { parameters: None, invoke: Some(bomb.clone()), name: None })
}

fn in_name(bomb: &Bomb) -> Arc<dyn AsyncCallback> {
    Arc::new(CallbackBomb { parameters: None, invoke: None, name: Some(bomb.clone()) })
}

fn panicked<T>(ended: Result<T>) {
    assert_eq!(ended.map(drop).unwrap_err().kind(), ErrorKind::Panicked);
}

fn shut_down<T>(ended: Result<T>) {
    assert!(ended.map(drop).unwrap_err().is_shutdown());
}

fn callback_that_panics() -> Arc<dyn AsyncCallback> {
    callback(|_| panic!("expected in a test"))
}

/// A callback that has a bomb.
fn has(bomb: &Bomb) -> Arc<dyn AsyncCallback> {
    let bomb = bomb.in_drop();
    callback(move |_| bomb.touch())
}

/// A `tokio::io` object that panics.
struct IoBomb(Bomb);

impl AsyncRead for IoBomb {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.0.go_off()
    }
}

impl AsyncWrite for IoBomb {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<std::io::Result<usize>> {
        self.0.go_off()
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.0.go_off()
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.0.go_off()
    }
}

/// A handler that panics at once, or in its future.
struct HandlerBomb(Bomb, bool);

impl SchemeHandler for HandlerBomb {
    fn create_object(
        &self,
        _: String,
        _: ResolutionFlags,
        _: Option<Unknown>,
    ) -> BoxFuture<'static, Result<ResolvedObject>> {
        if self.1 {
            self.0.go_off();
        }
        let bomb = self.0.clone();
        async move { bomb.go_off() }.boxed()
    }
}

struct ListenerBomb(Bomb);

impl PlatformEvents for ListenerBomb {
    fn initialization_complete(&self) {
        self.0.go_off();
    }

    fn shutdown_start(&self) {
        self.0.go_off();
    }

    fn shutdown_complete(&self) {
        self.0.go_off();
    }
}

/// A place: what is called there, and a play in which that panics.
struct Place(&'static str, fn(Platform, Bomb) -> BoxFuture<'static, ()>);

macro_rules! place {
    ($what:expr, |$platform:ident, $bomb:ident| $play:expr) => {
        Place($what, |$platform, $bomb| async move { $play }.boxed())
    };
}

/// Callbacks.
fn callbacks() -> Vec<Place> {
    vec![
        place!("invoke of a put callback", |platform, bomb| {
            platform.put(QueueId::STANDARD, in_invoke(&bomb)).unwrap();
        }),
        place!("name of a put callback", |platform, bomb| {
            platform.put(QueueId::STANDARD, in_name(&bomb)).unwrap();
        }),
        place!("invoke of a component's item, which has its caller's result", |platform, bomb| {
            let item = |platform: &Platform, callback| {
                let result = platform.result(callback).build()?;
                platform.put(QueueId::STANDARD, WorkItem::new(in_invoke(&bomb)).state(result))
            };
            panicked(platform.begin_end(&platform, item, |_, _| Ok(())).await);
        }),
        place!("parameters of a callback that is invoked", |platform, bomb| {
            let result = platform.result(in_parameters(&bomb)).build().unwrap();
            panicked(result.invoke());
            panicked(platform.invoke_callback(&result));
        }),
        place!("parameters of a callback that is scheduled", |platform, bomb| {
            panicked(platform.schedule(in_parameters(&bomb), Duration::ZERO));
            panicked(platform.put_waiting(ready(()), in_parameters(&bomb)));
        }),
        place!("parameters of the callback of a method", |platform, bomb| {
            panicked(platform.method().begin(in_parameters(&bomb), ready(Ok(()))));
        }),
        place!("name of a scheduled callback", |platform, bomb| {
            platform.schedule(in_name(&bomb), Duration::ZERO).unwrap();
            until("it is called", || bomb.count() > 0).await;
        }),
        place!("a periodic callback", |platform, bomb| {
            let periodic = bomb.clone();
            let key = platform.add_periodic_callback(move || periodic.go_off()).unwrap();
            until("it was called twice", || bomb.count() > 1).await;
            platform.remove_periodic_callback(key).unwrap();
        }),
        place!("a listener", |platform, bomb| {
            let guard = platform.register_platform_events(Arc::new(ListenerBomb(bomb.clone())));
            platform.shutdown().await.unwrap();
            assert_eq!(bomb.count(), 3);
            drop(guard);
        }),
    ]
}

/// Begin, End, closures and futures.
fn bodies() -> Vec<Place> {
    vec![
        place!("Begin", |platform, bomb| {
            let begin = |(): &(), _| -> Result<()> { bomb.go_off() };
            panicked(platform.begin_end(&(), begin, |(), _| Ok(())).await);
        }),
        place!("End", |platform, bomb| {
            let begin = |platform: &Platform, callback| platform.result(callback).build()?.invoke();
            let end = move |_: &Platform, _: &AsyncResult| -> Result<()> { bomb.go_off() };
            panicked(platform.begin_end(&platform, begin, end).await);
        }),
        place!("End on a queue", |platform, bomb| {
            let begin = |platform: &Platform, callback| platform.result(callback).build()?.invoke();
            let end = move |_: &Platform, _: &AsyncResult| -> Result<()> { bomb.go_off() };
            let parameters = CallbackParameters::on(QueueId::STANDARD);
            panicked(platform.begin_end_with(parameters, &platform, begin, end).await);
        }),
        place!("a closure", |platform, bomb| {
            let queue = platform.queue(QueueId::STANDARD).unwrap();
            panicked(queue.run(move || -> () { bomb.go_off() }).await);
        }),
        place!("a future", |platform, bomb| {
            let queue = platform.queue(QueueId::STANDARD).unwrap();
            let future: Operation<()> = queue.spawn(async move { bomb.go_off() });
            panicked(future.await);
        }),
        place!("the making of a local future, and that itself", |platform, bomb| {
            let window = platform.allocate_work_queue(WorkQueueType::Window).unwrap();
            let makes = bomb.clone();
            panicked(window.spawn_local(move || -> std::future::Ready<()> { makes.go_off() }).await);
            panicked(window.spawn_local(move || poll_fn(move |_| -> Poll<()> { bomb.go_off() })).await);
            assert_eq!(window.run(|| 1).await.unwrap(), 1);
        }),
        place!("the body of a method", |platform, bomb| {
            panicked(platform.method::<()>().call(async move { bomb.go_off() }).await);
        }),
        place!("the body of a method that blocks", |platform, bomb| {
            let method = platform.method::<()>();
            let begun = platform.begin_end(
                &method,
                |method, callback| method.begin_blocking(callback, move || bomb.go_off()),
                |method, result| method.end(result),
            );
            panicked(begun.await);
        }),
        place!("the event of a wait", |platform, bomb| {
            let begin =
                |platform: &Platform, callback| platform.put_waiting(async move { bomb.go_off() }, callback);
            let waited = platform.begin_end(&platform, begin, |_, result| result.status().ok());
            assert_eq!(waited.await.unwrap_err().hresult(), Hresult::E_UNEXPECTED);
        }),
        place!("tokio::io", |platform, bomb| {
            panicked(ByteStreamFromIo::reader(&platform, IoBomb(bomb.clone())).read(vec![0; 1]).await);
            panicked(ByteStreamFromIo::writer(&platform, IoBomb(bomb)).write(vec![0; 1]).await);
        }),
        place!("a handler", |platform, bomb| {
            for at_once in [true, false] {
                let resolver = platform.create_source_resolver();
                resolver.register_scheme_handler("bomb", Arc::new(HandlerBomb(bomb.clone(), at_once)));
                panicked(resolver.create_object("bomb:", ResolutionFlags::BYTE_STREAM).await);
            }
        }),
        place!("a canceller", |platform, bomb| {
            let queue = platform.queue(QueueId::STANDARD).unwrap();
            let (_keep, never) = tokio::sync::watch::channel(());
            let never = || {
                let mut never = never.clone();
                async move { never.changed().await }
            };
            let token = CancellationToken::new();
            let cancels = || {
                let bomb = bomb.clone();
                move || -> () { bomb.go_off() }
            };
            drop(queue.spawn(never()).cancel_with(cancels()));
            let waits = queue.spawn(never()).cancel_with(cancels()).timeout(Duration::from_millis(1));
            assert_eq!(waits.await.unwrap_err().hresult(), Hresult::ERROR_TIMEOUT);
            token.cancel();
            let ended = queue.spawn(tokio::time::sleep(Duration::from_millis(1))).cancel_with(cancels());
            ended.cancel_on(&token).await.unwrap();
            assert_eq!(bomb.count(), 3);
        }),
        place!("a canceller, and then the drop of what it panicked with", |platform, bomb| {
            let payload = bomb.in_drop();
            let (operation, callback) = kept(&platform);
            drop(operation.cancel_with(move || -> () { std::panic::panic_any(payload) }));
            drop(callback);
        }),
    ]
}

/// Wakers, of every future that the crate hands out.
fn wakers() -> Vec<Place> {
    vec![
        place!("the wakers of operations", |platform, bomb| {
            let (mut operations, callbacks): (Vec<_>, Vec<_>) = (0..3).map(|_| kept(&platform)).unzip();
            operations.iter_mut().for_each(|operation| bomb.poll(Pin::new(operation)));
            platform.shutdown().await.unwrap();
            assert_eq!(bomb.count(), 3);
            for operation in operations {
                shut_down(operation.await);
            }
            drop(callbacks);
        }),
        place!("the waker of an operation that is abandoned", |platform, bomb| {
            let (mut operation, callback) = kept(&platform);
            bomb.poll(Pin::new(&mut operation));
            drop(callback);
            assert_eq!(operation.await.unwrap_err().kind(), ErrorKind::Abandoned);
        }),
        place!("the waker of an operation whose value comes", |platform, bomb| {
            let (mut operation, callback) = kept(&platform);
            bomb.poll(Pin::new(&mut operation));
            platform.result(callback).build().unwrap().invoke().unwrap();
            operation.await.unwrap();
        }),
        place!("the wakers of a barrier and of quiesce", |platform, bomb| {
            let queue = platform.queue(QueueId::STANDARD).unwrap();
            let (open, gate) = std::sync::mpsc::channel::<()>();
            queue.run(move || gate.recv().is_err()).detach();
            // Two of each, of which none may keep the others from being woken.
            let (mut barriers, mut quiet) =
                ([(); 2].map(|()| Box::pin(queue.barrier())), Box::pin(queue.quiesce()));
            if tokio::runtime::Handle::current().runtime_flavor()
                == tokio::runtime::RuntimeFlavor::CurrentThread
            {
                drop(open);
                barriers.iter_mut().for_each(|barrier| bomb.poll(barrier.as_mut()));
                bomb.poll(quiet.as_mut());
            } else {
                barriers.iter_mut().for_each(|barrier| bomb.poll(barrier.as_mut()));
                bomb.poll(quiet.as_mut());
                drop(open);
            }
            queue.barrier().await.unwrap();
            for barrier in barriers {
                barrier.await.unwrap();
            }
            quiet.await.unwrap();
        }),
        place!("the wakers of a shutdown", |platform, bomb| {
            let lock = platform.lock().unwrap();
            let mut shutdowns = [(); 3].map(|()| Box::pin(platform.shutdown()));
            shutdowns.iter_mut().for_each(|shutdown| bomb.poll(shutdown.as_mut()));
            let last = tokio::spawn(platform.shutdown());
            drop(lock);
            last.await.unwrap().unwrap();
            for shutdown in shutdowns {
                shutdown.await.unwrap();
            }
        }),
        place!("the wakers of a result without a callback", |platform, bomb| {
            let result = platform.event_result().build().unwrap();
            let mut signals = [(); 3].map(|()| Box::pin(result.signaled()));
            signals.iter_mut().for_each(|signal| bomb.poll(signal.as_mut()));
            result.invoke().unwrap();
            for signal in signals {
                signal.await.unwrap();
            }
            assert_eq!(bomb.count(), 3);
        }),
        place!("the wakers of a put that waits for room", |platform, bomb| {
            let queue = platform.queue(QueueId::STANDARD).unwrap().bounded(2).unwrap();
            let places = (queue.reserve().await.unwrap(), queue.reserve().await.unwrap());
            let mut first = Box::pin(queue.reserve());
            bomb.poll(first.as_mut());
            let second = tokio::spawn(queue.reserve());
            tokio::task::yield_now().await;
            drop(places.0);
            drop(first.await.unwrap());
            drop(second.await.unwrap().unwrap());
            // At a shutdown, two of them.
            let (_one, _two) = (places.1, queue.reserve().await.unwrap());
            let mut waiting = [(); 2].map(|()| Box::pin(queue.reserve()));
            waiting.iter_mut().for_each(|waits| bomb.poll(waits.as_mut()));
            platform.shutdown().await.unwrap();
            for waits in waiting {
                shut_down(waits.await);
            }
        }),
        place!("the waker of an event stream", |platform, bomb| {
            let source = Arc::new(platform.create_event_queue().unwrap());
            let mut events = EventStream::lossless(&source).unwrap();
            bomb.poll(std::pin::pin!(events.next()));
            source.queue_event(MediaEvent::new(1)).unwrap();
            events.next().await.unwrap().unwrap();
            bomb.poll(std::pin::pin!(events.next()));
            source.shutdown();
            assert!(events.next().await.is_none());
        }),
        place!("the waker of a deadline", |platform, bomb| {
            let queue = platform.queue(QueueId::STANDARD).unwrap();
            let mut deadline = queue.set_deadline(Duration::from_secs(3600));
            if deadline.ended().now_or_never().is_none() {
                bomb.poll(std::pin::pin!(deadline.ended()));
            }
            deadline.ended().await.unwrap();
            if bomb.count() == 0 {
                // It was met before it could be polled.
                let _ = std::panic::catch_unwind(AssertUnwindSafe(|| bomb.go_off()));
            }
        }),
        place!("the wakers of a timeout and of a token", |platform, bomb| {
            let (operation, callback) = kept(&platform);
            let mut timeout = Box::pin(operation.timeout(Duration::from_millis(1)));
            bomb.poll(timeout.as_mut());
            until("the time is up", || bomb.count() > 0).await;
            assert_eq!(timeout.await.unwrap_err().hresult(), Hresult::ERROR_TIMEOUT);
            let (operation, other) = kept(&platform);
            let token = CancellationToken::new();
            let mut on = Box::pin(operation.cancel_on(&token));
            bomb.poll(on.as_mut());
            token.cancel();
            assert_eq!(on.await.unwrap_err().hresult(), Hresult::MF_E_OPERATION_CANCELLED);
            assert_eq!(bomb.count(), 2);
            drop((callback, other));
        }),
    ]
}

/// An operation whose End owns a bomb, and what a component keeps.
fn kept_with(platform: &Platform, bomb: &Bomb) -> Kept {
    let (mut kept, end) = (None, bomb.in_drop());
    let begin = |(): &(), callback| {
        kept = Some(callback);
        Ok(())
    };
    let end = move |(): &(), _: &AsyncResult| {
        end.touch();
        Ok(())
    };
    let operation = platform.begin_end(&(), begin, end);
    (operation, kept.unwrap())
}

/// Ends its operation, and is then the last but the caller to own it.
struct EndsIt(Mutex<Option<Kept>>);

impl Wake for EndsIt {
    fn wake(self: Arc<Self>) {
        let owned = self.0.lock().unwrap().take();
        if let Some((operation, callback)) = owned {
            drop(callback);
            shut_down(operation.now_or_never().unwrap());
        }
    }
}

/// A waker whose drop panics.
struct DropsBomb(#[expect(dead_code, reason = "its drop is what matters")] DropBomb);

impl Wake for DropsBomb {
    fn wake(self: Arc<Self>) {}
}

/// Drops.
fn drops() -> Vec<Place> {
    vec![
        place!("the End of an operation that a shutdown has ended", |platform, bomb| {
            let awaited = kept_with(&platform, &bomb);
            let dropped = kept_with(&platform, &bomb);
            platform.shutdown().await.unwrap();
            drop((awaited.1, dropped.1));
            shut_down(awaited.0.await);
            drop(dropped.0);
            assert_eq!(bomb.count(), 2);
        }),
        place!("the End of an operation that its waker ends during a shutdown", |platform, bomb| {
            let (mut operation, callback) = kept_with(&platform, &bomb);
            let ends = Arc::new(EndsIt(Mutex::default()));
            let waker = Waker::from(ends.clone());
            assert!(Pin::new(&mut operation).poll(&mut Context::from_waker(&waker)).is_pending());
            *ends.0.lock().unwrap() = Some((operation, callback));
            platform.shutdown().await.unwrap();
            assert_eq!(bomb.count(), 1);
        }),
        place!("the End of an operation whose component panicked", |platform, bomb| {
            let end = bomb.in_drop();
            let item = |platform: &Platform, callback| {
                let result = platform.result(callback).build()?;
                let item = callback_that_panics();
                platform.put(QueueId::STANDARD, WorkItem::new(item).state(result))
            };
            let end = move |_: &Platform, _: &AsyncResult| {
                end.touch();
                Ok(())
            };
            panicked(platform.begin_end(&platform, item, end).await);
        }),
        place!("the state of a result, when its operation is awaited", |platform, bomb| {
            let state: Unknown = Arc::new(Mutex::new(bomb.in_drop()));
            let begin =
                |platform: &Platform, callback| platform.result(callback).state(state).build()?.invoke();
            platform.begin_end(&platform, begin, |_, _| Ok(())).await.unwrap();
            assert_eq!(bomb.count(), 1);
        }),
        place!("a waker that another one replaces", |platform, bomb| {
            let (mut operation, callback) = kept(&platform);
            let waker = Waker::from(Arc::new(DropsBomb(bomb.in_drop())));
            assert!(Pin::new(&mut operation).poll(&mut Context::from_waker(&waker)).is_pending());
            drop(waker);
            assert!(futures::poll!(&mut operation).is_pending());
            assert_eq!(bomb.count(), 1);
            drop(callback);
        }),
        place!("a value that comes when it is not awaited any more", |platform, bomb| {
            let (mut kept, value) = (None, bomb.in_drop());
            let begin = |(): &(), callback| {
                kept = Some(callback);
                Ok(())
            };
            drop(platform.begin_end(&(), begin, move |(), _| Ok(value)));
            platform.result(kept.unwrap()).build().unwrap().invoke().unwrap();
            until("the value is dropped", || bomb.count() == 1).await;
            let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
            queue.barrier().await.unwrap();
            assert_eq!(queue.stats().panicked, 0);
        }),
        place!("what a call is begun with, when its queue is not open", |platform, bomb| {
            let closed = platform.allocate_work_queue(WorkQueueType::Standard).unwrap().id();
            let owned = bomb.in_drop();
            let begun = platform.method().begin(on(closed, move |_| owned.touch()), ready(Ok(())));
            assert_eq!(begun.unwrap_err().hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
            assert_eq!(bomb.count(), 1);
        }),
        place!("what a callback and its state own", |platform, bomb| {
            let queue = platform.queue(QueueId::STANDARD).unwrap();
            queue.put(has(&bomb)).unwrap();
            let state: Unknown = Arc::new(std::sync::Mutex::new(bomb.in_drop()));
            queue.put(WorkItem::new(callback(|_| ())).state(state)).unwrap();
            queue.barrier().await.unwrap();
            assert_eq!(bomb.count(), 2);
        }),
        place!("what is refused by a queue that is not open", |platform, bomb| {
            let closed = platform.allocate_work_queue(WorkQueueType::Standard).unwrap().id();
            for _ in 0..2 {
                let item = has(&bomb);
                assert_eq!(
                    platform.put(closed, item).unwrap_err().hresult(),
                    Hresult::MF_E_INVALID_WORKQUEUE
                );
            }
            let bomb_on = bomb.in_drop();
            platform.schedule(on(closed, move |_| bomb_on.touch()), Duration::ZERO).unwrap_err();
            assert_eq!(bomb.count(), 3);
        }),
        place!("what is refused after a shutdown", |platform, bomb| {
            let window = platform.allocate_work_queue(WorkQueueType::Window).unwrap();
            let queue = platform.queue(QueueId::STANDARD).unwrap();
            let method = platform.method::<()>();
            platform.shutdown_within(Duration::ZERO).await.unwrap();
            let owned = || {
                let bomb = bomb.in_drop();
                move || bomb.touch()
            };
            let future = || {
                let bomb = bomb.in_drop();
                async move { bomb.touch() }
            };
            let body = || future().map(Ok);
            let closure = owned();
            shut_down(queue.run(closure).await);
            shut_down(queue.spawn(future()).await);
            let local = owned();
            shut_down(window.spawn_local(move || async move { local() }).await);
            let end = owned();
            shut_down(
                platform
                    .begin_end(
                        &(),
                        |(), _| Ok(()),
                        move |(), _| {
                            end();
                            Ok(())
                        },
                    )
                    .await,
            );
            shut_down(method.call(body()).await);
            shut_down(method.begin(callback(|_| ()), body()));
            let blocking = owned();
            shut_down(method.begin_blocking(callback(|_| ()), move || {
                blocking();
                Ok(())
            }));
            shut_down(method.begin(has(&bomb), ready(Ok(()))));
            shut_down(platform.result(has(&bomb)).build());
            shut_down(queue.put(has(&bomb)));
            shut_down(platform.put(QueueId::STANDARD, has(&bomb)));
            shut_down(platform.schedule(has(&bomb), Duration::ZERO));
            shut_down(platform.put_waiting(future(), callback(|_| ())));
            shut_down(platform.put_waiting(ready(()), has(&bomb)));
            shut_down(platform.add_periodic_callback(owned()));
            assert_eq!(bomb.count(), 15);
        }),
        place!("what a shutdown drops", |platform, bomb| {
            platform.schedule(has(&bomb), Duration::from_secs(3600)).unwrap();
            let event = bomb.in_drop();
            let waits = async move {
                pending::<()>().await;
                event.touch();
            };
            platform.put_waiting(waits, callback(|_| ())).unwrap();
            let body = bomb.in_drop();
            let (keep, never) = tokio::sync::oneshot::channel::<()>();
            let future = async move {
                let _ = never.await;
                body.touch();
            };
            let spawned = platform.queue(QueueId::STANDARD).unwrap().spawn(future);
            platform.shutdown().await.unwrap();
            shut_down(spawned.await);
            assert_eq!(bomb.count(), 3);
            drop(keep);
        }),
        place!("what a cancel drops", |platform, bomb| {
            let key = platform.schedule(has(&bomb), Duration::from_secs(3600)).unwrap();
            platform.cancel_work_item(key).unwrap();
            let event = bomb.in_drop();
            let waits = async move {
                pending::<()>().await;
                event.touch();
            };
            let key = platform.put_waiting(waits, callback(|_| ())).unwrap();
            platform.cancel_work_item(key).unwrap();
            assert_eq!(bomb.count(), 2);
        }),
        place!("a value that is not awaited", |platform, bomb| {
            let queue = platform.queue(QueueId::STANDARD).unwrap();
            let value = bomb.in_drop();
            queue.run(move || value).detach();
            let value = bomb.in_drop();
            let kept = queue.run(move || value);
            queue.barrier().await.unwrap();
            drop(kept);
            let value = bomb.in_drop();
            drop(Operation::ready(value));
            assert_eq!(bomb.count(), 3);
        }),
        place!("a canceller that is not called", |platform, bomb| {
            let queue = platform.queue(QueueId::STANDARD).unwrap();
            let owned = || {
                let bomb = bomb.in_drop();
                move || bomb.touch()
            };
            queue.run(|| ()).cancel_with(owned()).detach();
            queue.run(|| ()).cancel_with(owned()).await.unwrap();
            queue.run(|| ()).cancel_with(owned()).cancel_with(|| ()).await.unwrap();
            let (value, (_keep, never)) = (bomb.in_drop(), tokio::sync::oneshot::channel::<()>());
            queue.spawn(never).cancel_with(move || value).cancel().detach();
            assert_eq!(bomb.count(), 4);
        }),
        place!("an End that is not called", |platform, bomb| {
            let end = bomb.in_drop();
            let failed = platform.begin_end(
                &(),
                |(), _| -> Result<()> { Err(Hresult::E_FAIL.into()) },
                move |(), _| {
                    end.touch();
                    Ok(())
                },
            );
            assert_eq!(failed.await.unwrap_err().hresult(), Hresult::E_FAIL);
            let end = bomb.in_drop();
            let dropped = platform.begin_end(
                &(),
                |(), _| Ok(()),
                move |(), _| {
                    end.touch();
                    Ok(())
                },
            );
            assert_eq!(dropped.await.unwrap_err().kind(), ErrorKind::Abandoned);
        }),
    ]
}

/// Plays it, and returns what went wrong.
async fn play(Place(what, play): Place) -> Option<String> {
    let (platform, bomb) = (Platform::startup().unwrap(), Bomb::default());
    let _ = bomb.0.1.set(platform.downgrade());
    let played = AssertUnwindSafe(play(platform.clone(), bomb.clone())).catch_unwind();
    match tokio::time::timeout(Duration::from_secs(20), played).await {
        Err(_) => return Some(format!("{what}: does not end")),
        Ok(Err(payload)) => {
            let text =
                payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref().copied());
            return Some(format!("{what}: a call has panicked: {text:?}"));
        }
        Ok(Ok(())) => {}
    }
    for id in [QueueId::STANDARD, QueueId::MULTITHREADED, QueueId::TIMER, QueueId::IO] {
        let Ok(queue) = platform.queue(id) else { continue };
        if queue.run(|| 1).await.ok() != Some(1) {
            return Some(format!("{what}: queue {id} does not run any more"));
        }
    }
    if let Err(error) = platform.shutdown().await {
        return Some(format!("{what}: {error}"));
    }
    (bomb.count() == 0).then(|| format!("{what}: nothing panicked"))
}

#[test]
fn each_place_has_a_guard() {
    both_runtimes(|| async {
        let mut wrong = Vec::new();
        for place in [callbacks(), bodies(), wakers(), drops()].into_iter().flatten() {
            wrong.extend(play(place).await);
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}
