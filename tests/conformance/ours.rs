//! The subject *ours*: this crate's portable platform, on a runtime of its own.

mod events;
mod rtwq;
mod services;
mod streams;
mod transforms;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::executor::block_on;
use mf_async::rtwq::PeriodicKey;
use mf_async::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, Error, Hresult, Platform, PlatformLock,
    Unknown, WorkItem, WorkItemKey, WorkQueueType,
};
use tokio::sync::{Notify, SetOnce};

use crate::subject::{Answer, Kind, Mmcss, Parameters, Subject};

/// A platform, once it is started. Calls go to it after its shutdown, too.
#[derive(Clone, Default)]
pub(crate) struct Ours(Arc<Inner>);

#[derive(Default)]
struct Inner {
    platform: Mutex<Option<Platform>>,
    locks: Mutex<Vec<PlatformLock>>,
}

/// How long a shutdown waits for what is outstanding: Media Foundation's 5 s would make those wait who want to
/// see just that.
const DEADLINE: Duration = Duration::from_millis(300);

/// A parallel queue runs so many items at the same time.
const WORKERS: usize = 4;

impl Ours {
    pub(crate) fn platform(&self) -> Platform {
        let platform = self.0.platform.lock().unwrap_or_else(PoisonError::into_inner);
        platform.clone().unwrap_or_else(|| not_in_rust("a platform that is not started"))
    }
}

/// What a case must not ask, since it cannot be written with this crate's types.
pub(crate) fn not_in_rust(what: &str) -> ! {
    panic!("{what} cannot be written in Rust: the case belongs among those that are not run against ours")
}

pub(crate) fn answer<T>(result: mf_async::Result<T>) -> Answer<T> {
    result.map_err(|error: Error| error.hresult())
}

/// An object, and what it keeps.
struct Token<T>(#[allow(dead_code, reason = "kept for its drop")] T);

/// A callback with parameters of its own.
struct Callback<F> {
    parameters: Parameters,
    invoke: F,
}

impl<F: Fn(&AsyncResult) + Send + Sync> AsyncCallback for Callback<F> {
    fn parameters(&self) -> CallbackParameters {
        let (flags, queue) = match &self.parameters {
            Parameters::NotImplemented => return CallbackParameters::default(),
            Parameters::Are { flags, queue } => (*flags, *queue),
            Parameters::Ask(ask) => ask(),
        };
        CallbackParameters::on(queue).with_flags(CallbackFlags::from_bits_retain(flags))
    }

    fn invoke(&self, result: &AsyncResult) {
        (self.invoke)(result);
    }
}

/// What stands for an event handle, which here is any future.
pub(crate) enum Signal {
    StaysSet(Arc<SetOnce<()>>),
    Resets(Arc<Notify>),
}

impl Subject for Ours {
    type Object = Unknown;
    type Callback = Arc<dyn AsyncCallback>;
    type Result = AsyncResult;
    type Signal = Signal;

    fn new() -> Ours {
        Ours::default()
    }

    fn kind() -> Kind {
        Kind::Ours
    }

    fn startup(&self) -> Answer {
        let started = Platform::builder().worker_threads(WORKERS).shutdown_deadline(DEADLINE).startup();
        let former = answer(started).map(|platform| {
            self.0.platform.lock().unwrap_or_else(PoisonError::into_inner).replace(platform)
        })?;
        drop(former);
        Ok(())
    }

    fn startup_with(&self, _: u32, _: u32) -> Answer {
        not_in_rust("a version of the platform")
    }

    fn shutdown(&self) -> Answer {
        answer(block_on(self.platform().shutdown()))
    }

    fn lock_platform(&self) -> Answer {
        let lock = answer(self.platform().lock())?;
        self.0.locks.lock().unwrap_or_else(PoisonError::into_inner).push(lock);
        Ok(())
    }

    fn unlock_platform(&self) -> Answer {
        match self.0.locks.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            Some(lock) => drop(lock),
            None => not_in_rust("an unlock without a lock"),
        }
        Ok(())
    }

    fn object<T: Send + Sync + 'static>(&self, keeps: T) -> Unknown {
        Arc::new(Token(keeps))
    }

    fn same_object(&self, one: &Unknown, other: &Unknown) -> bool {
        Arc::ptr_eq(one, other)
    }

    fn callback(
        &self,
        parameters: Parameters,
        invoke: impl Fn(&AsyncResult) + Send + Sync + 'static,
    ) -> Arc<dyn AsyncCallback> {
        Arc::new(Callback { parameters, invoke })
    }

    fn failing_callback(&self, _: impl Fn(&AsyncResult) + Send + Sync + 'static) -> Arc<dyn AsyncCallback> {
        not_in_rust("an `invoke` that returns something")
    }

    fn same_result(&self, one: &AsyncResult, other: &AsyncResult) -> bool {
        one.ptr_eq(other)
    }

    fn create_result(
        &self,
        object: Option<&Unknown>,
        callback: Option<&Arc<dyn AsyncCallback>>,
        state: Option<&Unknown>,
    ) -> Answer<AsyncResult> {
        let platform = self.platform();
        let builder = match callback {
            Some(callback) => platform.result(callback.clone()),
            None => platform.event_result(),
        };
        answer(builder.object(object.cloned()).state(state.cloned()).build())
    }

    fn status(&self, result: &AsyncResult) -> Hresult {
        result.status()
    }

    fn set_status(&self, result: &AsyncResult, status: Hresult) -> Answer {
        result.set_status(status);
        Ok(())
    }

    fn state(&self, result: &AsyncResult) -> Answer<Unknown> {
        match result.unknown_state() {
            Some(state) => Ok(state.clone()),
            None => {
                Err(result.require_state::<()>().map_or_else(|error| error.hresult(), |()| Hresult::S_OK))
            }
        }
    }

    fn borrowed_state(&self, result: &AsyncResult) -> Option<Unknown> {
        result.unknown_state().cloned()
    }

    fn object_of(&self, result: &AsyncResult) -> Answer<Unknown> {
        match result.unknown_object() {
            Some(object) => Ok(object.clone()),
            None => {
                Err(result.require_object::<()>().map_or_else(|error| error.hresult(), |()| Hresult::S_OK))
            }
        }
    }

    fn is_signalled(&self, result: &AsyncResult) -> bool {
        result.signaled().now_or_never().is_some_and(|signalled| signalled.is_ok())
    }

    fn invoke(&self, result: &AsyncResult) -> Answer {
        answer(self.platform().invoke_callback(result))
    }

    fn put(&self, queue: u32, callback: &Self::Callback, state: Option<&Unknown>) -> Answer {
        answer(self.platform().put(queue, WorkItem::new(callback.clone()).state(state.cloned())))
    }

    fn put2(&self, queue: u32, priority: i32, callback: &Self::Callback, state: Option<&Unknown>) -> Answer {
        let (callback, state) = (callback.clone(), state.cloned());
        answer(self.platform().put(queue, WorkItem::new(callback).state(state).priority(priority)))
    }

    fn put_ex(&self, queue: u32, result: &AsyncResult) -> Answer {
        answer(self.platform().put(queue, result))
    }

    fn put_ex2(&self, queue: u32, priority: i32, result: &AsyncResult) -> Answer {
        answer(self.platform().put(queue, WorkItem::from(result).priority(priority)))
    }

    fn allocate(&self) -> Answer<u32> {
        answer(self.platform().allocate_work_queue(WorkQueueType::default())).map(|queue| queue.into_id().0)
    }

    fn allocate_ex(&self, kind: u32) -> Answer<u32> {
        let kind = match kind {
            0 => WorkQueueType::Standard,
            1 => WorkQueueType::Window,
            2 => WorkQueueType::Multithreaded,
            _ => not_in_rust("a fourth type of queue"),
        };
        answer(self.platform().allocate_work_queue(kind)).map(|queue| queue.into_id().0)
    }

    fn allocate_serial(&self, base: u32) -> Answer<u32> {
        answer(self.platform().allocate_serial_work_queue(base)).map(|queue| queue.into_id().0)
    }

    fn lock_queue(&self, queue: u32) -> Answer {
        answer(self.platform().queue(queue)).map(|queue| {
            let _ = queue.into_id();
        })
    }

    fn unlock_queue(&self, queue: u32) -> Answer {
        answer(self.platform().unlock_work_queue(queue))
    }

    fn lock_shared(&self, class: Option<&str>, priority: i32, task: Option<u32>) -> Answer<(u32, u32)> {
        let class = class.unwrap_or_else(|| not_in_rust("a missing class"));
        let (queue, task) = answer(self.platform().lock_shared_work_queue(class, priority, task))?;
        Ok((queue.into_id().0, task))
    }

    fn schedule(&self, callback: &Self::Callback, state: Option<&Unknown>, timeout: i64) -> Answer<u64> {
        let result = self.create_result(None, Some(callback), state)?;
        self.schedule_ex(&result, timeout)
    }

    fn schedule_ex(&self, result: &AsyncResult, timeout: i64) -> Answer<u64> {
        answer(self.platform().schedule_ms(result, timeout)).map(|key| key.0)
    }

    fn cancel(&self, key: u64) -> Answer {
        answer(self.platform().cancel_work_item(WorkItemKey(key)))
    }

    fn signal(&self, stays_set: bool) -> Signal {
        if stays_set { Signal::StaysSet(Arc::default()) } else { Signal::Resets(Arc::default()) }
    }

    fn set(&self, signal: &Signal) {
        match signal {
            Signal::StaysSet(once) => drop(once.set(())),
            Signal::Resets(notify) => notify.notify_one(),
        }
    }

    fn put_waiting(&self, signal: &Signal, priority: i32, result: &AsyncResult) -> Answer<u64> {
        let put = match signal {
            Signal::StaysSet(once) => {
                let once = once.clone();
                self.platform()
                    .put_waiting(async move { *once.wait().await }, WorkItem::from(result).priority(priority))
            }
            Signal::Resets(notify) => {
                let notify = notify.clone();
                let wait = async move { notify.notified().await };
                self.platform().put_waiting(wait, WorkItem::from(result).priority(priority))
            }
        };
        answer(put).map(|key| key.0)
    }

    fn add_periodic(
        &self,
        call: impl Fn() + Send + Sync + 'static,
        context: Option<&Unknown>,
    ) -> Answer<u32> {
        let context = context.cloned();
        let call = move || {
            let _context = &context;
            call();
        };
        answer(self.platform().add_periodic_callback(call)).map(|key| key.0)
    }

    fn remove_periodic(&self, key: u32) -> Answer {
        answer(self.platform().remove_periodic_callback(PeriodicKey(key)))
    }

    fn periodicity(&self) -> Answer<u32> {
        Ok(u32::try_from(self.platform().timer_periodicity().as_millis()).unwrap_or(u32::MAX))
    }

    fn in_mta(&self) -> bool {
        not_in_rust("an apartment")
    }

    fn in_sta(&self) -> bool {
        not_in_rust("an apartment")
    }
}

impl Mmcss for Ours {
    fn register_queue(&self, queue: u32, class: &str, task: u32, priority: i32) -> Answer<u32> {
        answer(block_on(self.platform().register_work_queue_with_mmcss(queue, class, task, priority)))
    }

    fn unregister_queue(&self, queue: u32) -> Answer {
        answer(block_on(self.platform().unregister_work_queue_with_mmcss(queue)))
    }

    fn class(&self, queue: u32) -> Answer<String> {
        answer(self.platform().work_queue_mmcss(queue)).map(|mmcss| mmcss.class)
    }

    fn class_in(&self, _: u32, _: u32) -> (Hresult, u32) {
        not_in_rust("a buffer that is too small for a `String`")
    }

    fn task_id(&self, queue: u32) -> Answer<u32> {
        answer(self.platform().work_queue_mmcss(queue)).map(|mmcss| mmcss.task_id)
    }

    fn mmcss_priority(&self, queue: u32) -> Answer<i32> {
        answer(self.platform().work_queue_mmcss(queue)).map(|mmcss| mmcss.base_priority)
    }

    fn register_platform(&self, class: &str, task: u32, priority: i32) -> Answer<u32> {
        answer(self.platform().register_platform_with_mmcss(class, task, priority))
    }

    fn unregister_platform(&self) -> Answer {
        answer(self.platform().unregister_platform_from_mmcss())
    }
}
