//! The kinds without events and bytes: operations, methods, closures and futures, and the waits for a queue.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use mf_async::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, CancelCookie, Method, Operation, Platform,
    QueueId, Result, WorkItemKey, WorkQueue, WorkQueueType,
};
use tokio::sync::oneshot;

use crate::given::{EXPECTED, Given, How, body, told};
use crate::play::{Kind, Play, Waits};

pub(crate) fn kinds() -> Vec<Kind> {
    vec![
        Kind { name: "`begin_end`, by hand", begin: |given| by_hand(given, None) },
        Kind { name: "`begin_end_with`, on a named queue", begin: on_a_named_queue },
        Kind { name: "`begin_end` behind a scheduled item", begin: behind_a_schedule },
        Kind { name: "`begin_end` behind a waiting item", begin: behind_a_wait },
        Kind { name: "`Method::begin`, by `begin_end`", begin: method },
        Kind { name: "`Method::begin_blocking`, by `begin_end`", begin: method_that_blocks },
        Kind { name: "`Method::call`", begin: method_call },
        Kind { name: "`Method::call`, serialized, behind another", begin: serialized },
        Kind { name: "`WorkQueue::run`", begin: run },
        Kind { name: "`WorkQueue::spawn`", begin: spawn },
        Kind { name: "`WorkQueue::spawn_local`", begin: spawn_local },
        Kind { name: "`AsyncResult::signaled`", begin: signaled },
        Kind { name: "`BoundedQueue::reserve`", begin: reserve },
        Kind { name: "`barrier`", begin: |given| wait_for_queue(given, |queue| queue.barrier().boxed()) },
        Kind { name: "`quiesce`", begin: |given| wait_for_queue(given, |queue| queue.quiesce().boxed()) },
        Kind { name: "`Deadline::ended`", begin: deadline },
        Kind { name: "`Platform::shutdown`", begin: shutdown },
    ]
}

/// A component that keeps the result until it is told to invoke it.
fn by_hand(given: &Given, on: Option<CallbackParameters>) -> Option<Play> {
    use How::{BeginFails, BeginPanics, DropPanics, EndFails, EndPanics};
    given.is(&[BeginFails, EndFails, BeginPanics, EndPanics, DropPanics]).then_some(())?;
    let result = Arc::new(Mutex::new(None));
    let last = given.last();
    let went = last.went.clone();
    let begin = |(): &(), callback: Arc<dyn AsyncCallback>| {
        given.begin()?;
        *result.lock().unwrap() = Some(given.platform.result(given.wrap(callback)).build()?);
        Ok(())
    };
    let end = move |(): &(), _: &AsyncResult| last.call();
    let operation: Operation<()> = match on {
        None => given.platform.begin_end(&(), begin, end),
        Some(parameters) => given.platform.begin_end_with(parameters, &(), begin, end),
    };
    let (invoked, dropped) = (result.clone(), result.clone());
    let invoke = move || {
        let kept: Option<AsyncResult> = invoked.lock().unwrap().take();
        kept.into_iter().for_each(|result| result.invoke().unwrap());
    };
    let abandon = move || drop(dropped.lock().unwrap().take());
    Some(
        Play::of(operation)
            .finished_by(invoke)
            .abandoned_by(abandon)
            .goes_on_if(move || went.on())
            .keeping(Dropped(result)),
    )
}

/// What a component keeps goes with the play.
struct Dropped(Arc<Mutex<Option<AsyncResult>>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        drop(self.0.lock().unwrap().take());
    }
}

fn on_a_named_queue(given: &Given) -> Option<Play> {
    let queue = given.platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
    let mut play = by_hand(given, Some(CallbackParameters::on(&queue)))?;
    let (after, runs_end) = (play.after_drop.take()?, queue.clone());
    let play = play.after_drop(move || {
        async move {
            runs_end.quiesce().await.unwrap();
            after().await
        }
        .boxed()
    });
    Some(play.keeping(queue))
}

/// Begin schedules the callback itself. That it ends by itself takes no time under a paused clock; elsewhere some.
fn behind_a_schedule(given: &Given) -> Option<Play> {
    use How::{BeginFails, BeginPanics, DropPanics, EndFails, EndPanics};
    given.is(&[BeginFails, EndFails, BeginPanics, EndPanics, DropPanics]).then_some(())?;
    let last = given.last();
    let went = last.went.clone();
    let begin = |(): &(), callback: Arc<dyn AsyncCallback>| -> Result<WorkItemKey> {
        given.begin()?;
        given.platform.schedule(given.wrap(callback), Duration::from_millis(50))
    };
    let operation = given.platform.begin_end(&(), begin, move |(): &(), _: &AsyncResult| last.call());
    Some(Play::of(operation).goes_on_if(move || went.on()))
}

fn behind_a_wait(given: &Given) -> Option<Play> {
    use How::{BeginFails, BeginPanics, BodyPanics, DropPanics, EndFails, EndPanics};
    given.is(&[BeginFails, EndFails, BeginPanics, BodyPanics, EndPanics, DropPanics]).then_some(())?;
    let last = given.last();
    let went = last.went.clone();
    let (tell, told) = told();
    let how = given.how;
    let event = async move {
        told.await;
        if how == How::BodyPanics {
            panic!("{}", EXPECTED);
        }
    };
    let begin = |(): &(), callback: Arc<dyn AsyncCallback>| -> Result<WorkItemKey> {
        given.begin()?;
        given.platform.put_waiting(event, given.wrap(callback))
    };
    let end = move |(): &(), result: &AsyncResult| {
        result.status().ok()?;
        last.call_end()
    };
    let operation = given.platform.begin_end(&(), begin, end);
    Some(Play::of(operation).finished_by(move || _ = tell.send(())).goes_on_if(move || went.on()))
}

const OF_METHODS: [How; 6] =
    [How::BeginFails, How::EndFails, How::BeginPanics, How::BodyPanics, How::EndPanics, How::DropPanics];

/// The `begin_end` of a method: Begin and End are the user's as well.
fn method_begun(
    given: &Given,
    begin: impl FnOnce(&Method<()>, Arc<dyn AsyncCallback>) -> Result<CancelCookie>,
) -> Operation<()> {
    let how = given.how;
    given.platform.begin_end(
        &given.platform.method::<()>(),
        |method, callback| {
            given.begin()?;
            begin(method, given.wrap(callback))
        },
        move |method, result| {
            if how == How::EndPanics {
                panic!("{}", EXPECTED);
            }
            method.end(result)
        },
    )
}

/// Notes that the future has come to its end.
fn noting<F: Future + Send>(future: F) -> (impl Future<Output = F::Output> + Send, Arc<Mutex<bool>>) {
    let ended = Arc::new(Mutex::new(false));
    let note = ended.clone();
    let noting = async move {
        let output = future.await;
        *note.lock().unwrap() = true;
        output
    };
    (noting, ended)
}

fn method(given: &Given) -> Option<Play> {
    given.is(&OF_METHODS).then_some(())?;
    let (tell, told) = told();
    let (body, ended) = noting(body(given, told));
    let operation = method_begun(given, |method, callback| method.begin(callback, body));
    let tell = Arc::new(Mutex::new(Some(tell)));
    let gone = tell.clone();
    let play = Play::of(operation)
        .finished_by(move || tell.lock().unwrap().take().into_iter().for_each(|tell| _ = tell.send(())))
        .abandoned_by(move || drop(gone.lock().unwrap().take()));
    Some(play.goes_on_if(move || *ended.lock().unwrap()))
}

fn method_that_blocks(given: &Given) -> Option<Play> {
    given.is(&OF_METHODS).then_some(())?;
    let last = given.last();
    let went = last.went.clone();
    let how = given.how;
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let operation = method_begun(given, |method, callback| {
        method.begin_blocking(callback, move || {
            let _ = gate.recv();
            match how {
                How::EndPanics => Ok(()),
                _ => last.call(),
            }
        })
    });
    // Once it runs, nothing stops it. A shutdown waits for it, so it is let go.
    Some(Play::of(operation).unblocked_by(move || drop(open)).goes_on_if(move || went.on()))
}

fn method_call(given: &Given) -> Option<Play> {
    use How::{BodyPanics, DropPanics, EndFails};
    (given.is(&[EndFails, BodyPanics, DropPanics]) && !given.is_wrapped).then_some(())?;
    let (tell, told) = told();
    let (body, ended) = noting(body(given, told));
    let operation = given.platform.method::<()>().call(body);
    let tell = Arc::new(Mutex::new(Some(tell)));
    let gone = tell.clone();
    let play = Play::of(operation)
        .finished_by(move || tell.lock().unwrap().take().into_iter().for_each(|tell| _ = tell.send(())))
        .abandoned_by(move || drop(gone.lock().unwrap().take()));
    Some(play.goes_on_if(move || *ended.lock().unwrap()))
}

fn serialized(given: &Given) -> Option<Play> {
    use How::{BodyPanics, DropPanics, EndFails};
    (given.is(&[EndFails, BodyPanics, DropPanics]) && !given.is_wrapped).then_some(())?;
    let method = given.platform.method::<()>().serialized();
    let (first, told_first) = told();
    let ahead = method.call(async move {
        told_first.await;
        Ok(())
    });
    let (tell, told) = told();
    let (body, ended) = noting(body(given, told));
    let operation = method.call(body);
    // Both by their turns: the second runs when the first has ended.
    let tell = Arc::new(Mutex::new(Some((first, tell))));
    let gone = tell.clone();
    let play = Play::of(operation)
        .finished_by(move || {
            let both = tell.lock().unwrap().take();
            both.into_iter().for_each(|(first, tell)| _ = (first.send(()), tell.send(())));
        })
        .abandoned_by(move || {
            let both = gone.lock().unwrap().take();
            both.into_iter().for_each(|(first, _)| _ = first.send(()));
        });
    Some(play.goes_on_if(move || *ended.lock().unwrap()).keeping(ahead))
}

/// Behind an item that awaits its reply, on a serial queue.
fn run(given: &Given) -> Option<Play> {
    use How::{BodyPanics, DropPanics};
    (given.is(&[BodyPanics, DropPanics]) && !given.is_wrapped).then_some(())?;
    let (queue, reply) = held_queue(&given.platform);
    let last = given.last();
    let went = last.went.clone();
    let operation = queue.run(move || last.call());
    Some(Play::of(operation).replied_by(reply).goes_on_if(move || went.on()).keeping(queue))
}

/// A serial queue whose first item awaits its reply, and the reply.
fn held_queue(platform: &Platform) -> (WorkQueue, impl Future<Output = ()> + Send + use<>) {
    struct Keeps(CallbackParameters, Mutex<Option<oneshot::Sender<AsyncResult>>>);
    impl AsyncCallback for Keeps {
        fn parameters(&self) -> CallbackParameters {
            self.0
        }
        fn invoke(&self, result: &AsyncResult) {
            let keep = self.1.lock().unwrap().take();
            keep.into_iter().for_each(|keep| _ = keep.send(result.clone()));
        }
    }
    let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
    let parameters = CallbackParameters::on(&queue).with_flags(CallbackFlags::REPLY);
    let (keep, kept) = oneshot::channel();
    queue.put(Arc::new(Keeps(parameters, Mutex::new(Some(keep))))).unwrap();
    let reply = async move {
        // If the callback is dropped un-called, nothing awaits the reply.
        if let Ok(result) = kept.await {
            let _ = result.invoke();
        }
    };
    (queue, reply)
}

fn spawn(given: &Given) -> Option<Play> {
    use How::{BodyPanics, DropPanics};
    (given.is(&[BodyPanics, DropPanics]) && !given.is_wrapped).then_some(())?;
    let (tell, told) = told();
    let (body, ended) = noting(body(given, told));
    let operation = given.platform.queue(QueueId::MULTITHREADED).unwrap().spawn(body);
    let tell = Arc::new(Mutex::new(Some(tell)));
    let gone = tell.clone();
    let play = Play::of(operation)
        .finished_by(move || tell.lock().unwrap().take().into_iter().for_each(|tell| _ = tell.send(())))
        .abandoned_by(move || drop(gone.lock().unwrap().take()));
    Some(play.goes_on_if(move || *ended.lock().unwrap()))
}

fn spawn_local(given: &Given) -> Option<Play> {
    use How::{BodyPanics, DropPanics};
    (given.is(&[BodyPanics, DropPanics]) && !given.is_wrapped).then_some(())?;
    let (tell, told) = told();
    let (body, ended) = noting(body(given, told));
    let window = given.platform.allocate_work_queue(WorkQueueType::Window).unwrap();
    let operation = window.spawn_local(move || body);
    let play = Play::of(operation).finished_by(move || _ = tell.send(()));
    // Its thread is not a runtime's: the quiet of the window queue shows that it has ended.
    let after = move || {
        async move {
            while !*ended.lock().unwrap() {
                tokio::task::yield_now().await;
            }
            "goes on"
        }
        .boxed()
    };
    Some(play.after_drop(after).keeping(window))
}

fn reserve(given: &Given) -> Option<Play> {
    (given.is(&[]) && !given.is_wrapped).then_some(())?;
    let queue = given.platform.queue(QueueId::MULTITHREADED).unwrap().bounded(1).unwrap();
    let place = queue.try_reserve().unwrap();
    let waits = queue.reserve().map(|place| place.map(drop)).boxed();
    let place = Arc::new(Mutex::new(Some(place)));
    let given_back = place.clone();
    let after =
        move || async move { if queue.try_reserve().is_ok() { "lost nothing" } else { "lost" } }.boxed();
    let play = Play::of(Waits(waits)).finished_by(move || drop(given_back.lock().unwrap().take()));
    Some(play.after_drop(after).keeping(place))
}

fn wait_for_queue(
    given: &Given,
    wait: fn(&WorkQueue) -> futures::future::BoxFuture<'static, Result<()>>,
) -> Option<Play> {
    (given.is(&[]) && !given.is_wrapped).then_some(())?;
    let (queue, reply) = held_queue(&given.platform);
    let waits = wait(&queue);
    let again = queue.clone();
    let after = move || {
        async move {
            wait(&again).await.unwrap();
            "lost nothing"
        }
        .boxed()
    };
    Some(Play::of(Waits(waits)).replied_by(reply).after_drop(after).keeping(queue))
}

/// A result without a callback, which its component keeps.
fn signaled(given: &Given) -> Option<Play> {
    (given.is(&[]) && !given.is_wrapped).then_some(())?;
    let result = given.platform.event_result().build().unwrap();
    let (awaited, again, kept) = (result.clone(), result.clone(), Arc::new(Mutex::new(Some(result))));
    let waits = async move { awaited.signaled().await }.boxed();
    let invoked = kept.clone();
    let invoke = move || {
        let result = invoked.lock().unwrap().take();
        result.into_iter().for_each(|result| result.invoke().unwrap());
    };
    let after = move || {
        async move {
            again.signaled().await.unwrap();
            "lost nothing"
        }
        .boxed()
    };
    Some(Play::of(Waits(waits)).finished_by(invoke).after_drop(after).keeping(Dropped(kept)))
}

/// Behind an item that awaits its reply.
fn deadline(given: &Given) -> Option<Play> {
    (given.is(&[]) && !given.is_wrapped).then_some(())?;
    let (queue, reply) = held_queue(&given.platform);
    let deadline = Arc::new(tokio::sync::Mutex::new(queue.set_deadline(Duration::from_secs(3600))));
    let again = deadline.clone();
    let waits = async move { deadline.lock().await.ended().await.map(drop) }.boxed();
    let after = move || {
        async move {
            again.lock().await.ended().await.unwrap();
            "lost nothing"
        }
        .boxed()
    };
    Some(Play::of(Waits(waits)).replied_by(reply).after_drop(after).keeping(queue))
}

/// A shutdown that waits for a lock, which is dropped when it is told to end.
fn shutdown(given: &Given) -> Option<Play> {
    (given.is(&[]) && !given.is_wrapped).then_some(())?;
    let lock = Arc::new(Mutex::new(Some(given.platform.lock().unwrap())));
    let waits = given.platform.shutdown().boxed();
    let unlocked = lock.clone();
    let unlock = move || drop(unlocked.lock().unwrap().take());
    let platform = given.platform.downgrade();
    let after = move || {
        async move {
            let platform = platform.upgrade().unwrap();
            platform.shutdown().await.unwrap();
            "goes on"
        }
        .boxed()
    };
    Some(Play::of(Waits(waits)).unblocked_by(unlock).after_drop(after).keeping(lock))
}
