//! The one table that turns an id into a queue, and the way in for whoever must dispatch.

use std::panic::Location;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError, Weak};

use tokio::runtime::Handle;

use crate::async_result::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, Dispatch, Parts, QueueId, Shortcut, Token,
    Unknown,
};
use crate::contain::drop_contained;
use crate::error::{Error, Hresult, Result};
use crate::mmcss::{Groups, Mmcss};
use crate::queue::item::{Call, Item, Place};
use crate::queue::kind::{Held, Kind, Lock, Queue};
use crate::queue::lanes::Priority;
use crate::queue::lookout::Lookout;
use crate::queue::pool::{Host, Pool};
use crate::queue::private::Private;
use crate::queue::serial::Serial;
use crate::queue::{WorkQueue, WorkQueueType, realtime, window};
use crate::tracker::{Begun, Phase, Tracker, closed};

/// The table of a platform's queues, and the way in: whoever must dispatch holds a clone of it.
pub(crate) struct Queues {
    pub(crate) tracker: Tracker<Weak<dyn Dispatch>>,
    runtime: Handle,
    lookout: Arc<Lookout>,
    /// How many items a parallel queue runs at the same time: one per worker.
    width: usize,
    platform: [OnceLock<Arc<Queue>>; 8],
    private: Arc<Private>,
    groups: Groups,
}

impl Queues {
    pub(crate) fn new(runtime: Handle) -> Arc<Queues> {
        let width = runtime.metrics().num_workers().max(1);
        Arc::new_cyclic(|this: &Weak<Queues>| Queues {
            tracker: Tracker::new(this.clone(), Some(runtime.clone())),
            lookout: Arc::new(Lookout::new(&runtime)),
            runtime,
            width,
            platform: Default::default(),
            private: Arc::default(),
            groups: Groups::default(),
        })
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// A result that keeps the platform open.
    #[inline]
    pub(crate) fn create_result(
        &self,
        object: Option<Unknown>,
        callback: Option<Arc<dyn AsyncCallback>>,
        state: Option<Unknown>,
    ) -> Result<AsyncResult> {
        self.create_result_to("create an asynchronous result", object, callback, state)
    }

    /// The same, as a part of what the caller is doing.
    #[inline]
    pub(crate) fn create_result_to(
        &self,
        doing: &'static str,
        object: Option<Unknown>,
        callback: Option<Arc<dyn AsyncCallback>>,
        state: Option<Unknown>,
    ) -> Result<AsyncResult> {
        let parts = Parts { object, hides_object: false, callback, state };
        Ok(AsyncResult::new(parts, Some(self.token(doing)?)))
    }

    /// A token for something new.
    #[inline]
    pub(crate) fn token(&self, doing: &'static str) -> Result<Token> {
        self.tracker.token(doing)
    }

    /// Whether the platform has not been closed.
    #[inline]
    pub(crate) fn admit_new(&self, doing: &'static str) -> Result<()> {
        if self.phase() == Phase::Closed { Err(closed(doing)) } else { Ok(()) }
    }

    /// `MFInvokeCallback`: a reply if a serial queue awaits one, else the callback, queued on the queue
    /// that it names.
    #[inline]
    pub(crate) fn invoke(&self, result: &AsyncResult) -> Result<()> {
        if let Some(serial) = result.take_reply() {
            serial.replied();
            return Ok(());
        }
        self.admit("invoke a callback")?;
        self.invoke_late(Priority::Normal, result)
    }

    /// Invokes a callback that was accepted before: a timer's, or a wait's.
    #[inline]
    pub(crate) fn invoke_late(&self, priority: Priority, result: &AsyncResult) -> Result<()> {
        let Some(callback) = result.callback() else {
            result.signal();
            return Ok(());
        };
        result.set_invoked();
        if let Shortcut::HandOver(to) = callback.shortcut() {
            if to.hand_over(result) {
                return Ok(());
            }
        }
        let parameters = callback.parameters();
        self.resolve(parameters.queue, |queue| put(queue, priority, parameters, result.clone()))?
    }

    /// `MFPutWorkItem2`: a work item of a callback and a state.
    #[inline]
    pub(crate) fn put_call(
        &self,
        queue: QueueId,
        priority: Priority,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        let call = self.admit_call(callback, state)?;
        let flags = call.callback.parameters().flags;
        self.resolve(queue, |queue| put_call(queue, priority, flags, call))?
    }

    /// The same on a queue that the caller holds.
    #[inline]
    pub(crate) fn put_call_on(
        &self,
        queue: &Arc<Queue>,
        priority: Priority,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        let call = self.admit_call(callback, state)?;
        let flags = call.callback.parameters().flags;
        put_call(queue, priority, flags, call)
    }

    /// A work item that is to be put later, by [`call_late`](Queues::call_late), and the queue that it is for:
    /// that one is open now, and allows the callback's flags.
    pub(crate) fn call_later(
        &self,
        doing: &'static str,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<(Call, QueueId)> {
        self.admit_new(doing)?;
        let parameters = callback.parameters();
        self.resolve(parameters.queue, |queue| queue.allows(parameters.flags))??;
        Ok((Call { callback, state }, parameters.queue))
    }

    /// Puts what was accepted before. Its callback is asked again where it wants to be called.
    pub(crate) fn call_late(&self, call: Call) -> Result<()> {
        let parameters = call.callback.parameters();
        self.resolve(parameters.queue, |queue| put_call(queue, Priority::Normal, parameters.flags, call))?
    }

    #[inline]
    fn admit_call(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Call> {
        self.admit(PUT)?;
        Ok(Call { callback, state })
    }

    /// `MFPutWorkItemEx2`: the queue is the one given; the callback's flags still count.
    ///
    /// The result goes along: when it has run already before this returns, nothing of it is left here, whose
    /// drop could be the last.
    #[inline]
    pub(crate) fn put(&self, queue: QueueId, priority: Priority, result: AsyncResult) -> Result<()> {
        self.admit(PUT)?;
        self.resolve(queue, |queue| put_given(queue, priority, result))?
    }

    /// The same on a queue that the caller holds.
    #[inline]
    pub(crate) fn put_on(&self, queue: &Arc<Queue>, priority: Priority, result: AsyncResult) -> Result<()> {
        self.admit(PUT)?;
        put_given(queue, priority, result)
    }

    /// Whether the callback could be dispatched now: its queue is open and allows its flags.
    pub(crate) fn check(&self, result: &AsyncResult) -> Result<CallbackParameters> {
        let parameters =
            result.callback().map_or_else(CallbackParameters::default, |callback| callback.parameters());
        self.resolve(parameters.queue, |queue| queue.allows(parameters.flags))??;
        Ok(parameters)
    }

    #[track_caller]
    pub(crate) fn allocate(self: &Arc<Self>, kind: WorkQueueType) -> Result<WorkQueue> {
        self.admit("allocate a work queue")?;
        let begun = Location::caller();
        self.add(begun, |id| {
            let (place, tokens) = (self.place(id), self.tracker.token_source());
            Ok(Kind::Pool(match kind {
                WorkQueueType::Standard => Pool::serial(place, tokens, self.host()),
                WorkQueueType::Multithreaded => Pool::parallel(place, tokens, self.width, self.host()),
                WorkQueueType::Window => Pool::serial(place, tokens, window::host(&self.runtime, id)?),
            }))
        })
    }

    /// A parallel queue for everybody of an MMCSS class, on raised threads of its own where that is asked
    /// for and possible.
    #[track_caller]
    pub(crate) fn allocate_shared(self: &Arc<Self>, mmcss: &Mmcss) -> Result<WorkQueue> {
        self.admit("lock a shared work queue")?;
        let begun = Location::caller();
        self.add(begun, |id| {
            let host = match realtime::host(mmcss, self.width, id)? {
                Some(host) => host,
                None => self.host(),
            };
            Ok(Kind::Pool(Pool::parallel(self.place(id), self.tracker.token_source(), self.width, host)))
        })
    }

    /// What a queue is registered as with MMCSS.
    pub(crate) fn mmcss(&self, queue: QueueId) -> Result<Mmcss> {
        self.resolve(queue, |queue| queue.mmcss())
    }

    /// Registers every platform queue.
    pub(crate) fn set_platform_mmcss(&self, mmcss: &Mmcss) -> Result<()> {
        self.admit("register the platform with MMCSS")?;
        for id in [1, 2, 3, 4, 5, 7] {
            self.resolve(QueueId(id), |queue| queue.set_mmcss(mmcss.clone()))?;
        }
        Ok(())
    }

    #[track_caller]
    pub(crate) fn allocate_serial(self: &Arc<Self>, base: QueueId) -> Result<WorkQueue> {
        self.admit("allocate a serial work queue")?;
        let base = self.lock(base)?;
        let begun = Location::caller();
        self.add(begun, |id| Ok(Kind::Serial(Serial::new(self.place(id), base))))
    }

    /// Another handle to a queue, by its id.
    pub(crate) fn handle(self: &Arc<Self>, id: QueueId) -> Result<WorkQueue> {
        self.admit("lock a work queue")?;
        let lock = self.lock(id)?;
        let held = if id.is_private() {
            Some(Held::new(lock.queue(), self.token("lock a work queue")?))
        } else {
            None
        };
        Ok(WorkQueue { lock, queues: self.clone(), _held: held })
    }

    /// Takes off a lock that [`WorkQueue::into_id`] left.
    pub(crate) fn unlock(&self, id: QueueId) -> Result<()> {
        if !id.is_private() {
            return Ok(());
        }
        let queue = self.private.find(id).ok_or_else(|| self.private.not_open(id))?;
        queue.take_left().map(drop).ok_or_else(|| {
            let what = format!("unlock queue {id}: it has no lock that was left on it by number");
            Error::new(Hresult::MF_E_INVALID_WORKQUEUE, what)
        })
    }

    /// Where callbacks of this queue run.
    pub(crate) fn place(&self, queue: QueueId) -> Place {
        Place { platform: self.address(), queue }
    }

    /// Whether the current thread runs a callback of this platform.
    pub(crate) fn runs_here(&self) -> Option<QueueId> {
        Place::current().filter(|place| place.platform == self.address()).map(|place| place.queue)
    }

    /// Every queue that exists: those that are open, and those that still run what was queued.
    pub(crate) fn all(&self) -> Vec<Arc<Queue>> {
        let mut all: Vec<_> = self.platform.iter().filter_map(OnceLock::get).cloned().collect();
        let mut private = self.private.all();
        private.sort_by_key(|queue| queue.id);
        all.append(&mut private);
        all
    }

    /// From now on only callbacks of this platform may put.
    pub(crate) fn start_draining(&self) -> bool {
        self.tracker.start_draining()
    }

    /// No more puts at all; queues end when they are empty.
    pub(crate) fn close(&self) {
        for queue in self.all() {
            queue.close();
        }
    }

    /// The platform is gone: no queue waits for a reply any more.
    pub(crate) fn orphan(&self) {
        for queue in self.all() {
            if let Kind::Serial(serial) = &queue.kind {
                serial.orphan();
            }
        }
    }

    /// Lets go of everything that is still queued.
    pub(crate) fn kill(&self) {
        for queue in self.all() {
            queue.kill();
        }
    }

    /// Lets go of the private queues. The table owns serial queues, which own locks on those below, and
    /// a lock left by number is a ring of a queue and itself.
    pub(crate) fn forget(&self) {
        let forgotten = std::mem::take(&mut *self.private.lock_write());
        for queue in forgotten.into_values() {
            let left = std::mem::take(&mut *queue.left.lock().unwrap_or_else(PoisonError::into_inner));
            drop(left);
        }
    }

    /// Waits until every queue is empty and nothing runs.
    pub(crate) async fn drained(&self) {
        loop {
            for queue in self.all() {
                queue.until_quiet().await;
            }
            // A callback may have put on a queue that was looked at before, or on a new one. If nothing
            // was made and put from before the first look to after the last, all of them were quiet at
            // the same time.
            let all = self.all();
            let before = self.made_and_put(&all);
            if all.iter().all(|queue| queue.is_quiet()) && self.made_and_put(&all) == before {
                return;
            }
        }
    }

    fn made_and_put(&self, queues: &[Arc<Queue>]) -> (u32, usize, u64) {
        // ORDERING: Acquire: who sees a callback's queue quiet sees what the callback allocated.
        let private = self.private.allocated.load(Ordering::Acquire);
        let platform = self.platform.iter().filter_map(OnceLock::get).count();
        (private, platform, queues.iter().map(|queue| queue.next_ticket()).sum())
    }

    /// An item for this queue was cancelled.
    #[inline]
    pub(crate) fn count_cancelled(&self, id: QueueId) {
        let _ = self.resolve(id, |queue| queue.count_cancelled());
    }

    pub(crate) fn is_running(&self) -> bool {
        self.tracker.handle().is_running()
    }

    /// Whether something new may be put from here, now.
    #[inline]
    pub(crate) fn admit(&self, doing: &'static str) -> Result<()> {
        match self.phase() {
            Phase::Running => Ok(()),
            // An operation that is on its way may need another hop to come home.
            Phase::Draining if self.runs_here().is_some() => Ok(()),
            _ => Err(closed(doing)),
        }
    }

    /// Calls `with` with the queue of this id. Numbers without a private bit that name no queue mean
    /// STANDARD, as observed on Windows.
    #[inline]
    fn resolve<T>(&self, id: QueueId, with: impl FnOnce(&Arc<Queue>) -> T) -> Result<T> {
        if id.is_private() {
            return Ok(with(&self.private.find(id).ok_or_else(|| self.private.not_open(id))?));
        }
        let named = match id {
            QueueId::RT | QueueId::IO | QueueId::TIMER | QueueId::MULTITHREADED | QueueId::LONG_FUNCTION => {
                id
            }
            _ => QueueId::STANDARD,
        };
        Ok(with(self.platform[named.0 as usize].get_or_init(|| self.platform_queue(named))))
    }

    fn platform_queue(&self, id: QueueId) -> Arc<Queue> {
        let parallel = matches!(id, QueueId::IO | QueueId::MULTITHREADED | QueueId::LONG_FUNCTION);
        let (place, tokens) = (self.place(id), self.tracker.token_source());
        let pool = if parallel {
            Pool::parallel(place, tokens, self.width, self.host())
        } else {
            Pool::serial(place, tokens, self.host())
        };
        pool.set_long_running(id == QueueId::LONG_FUNCTION);
        Queue::new(id, Kind::Pool(pool), Weak::new(), Location::caller())
    }

    fn host(&self) -> Host {
        Host::Runtime(self.runtime.clone(), self.lookout.clone())
    }

    fn lock(&self, id: QueueId) -> Result<Lock> {
        if id.is_private() {
            // Under the table's lock, which the last unlock takes for writing: no lock is put on a
            // queue that is just being let go.
            let table = self.private.lock_read();
            return table.get(&id).map(Lock::new).ok_or_else(|| self.private.not_open(id));
        }
        self.resolve(id, Lock::new)
    }

    pub(super) fn add(
        self: &Arc<Self>,
        begun: Begun,
        make: impl FnOnce(QueueId) -> Result<Kind>,
    ) -> Result<WorkQueue> {
        let token = self.token("allocate a work queue")?;
        let id = self.private.new_id()?;
        let queue = Queue::new(id, make(id)?, Arc::downgrade(&self.private), begun);
        let lock = Lock::new(&queue);
        let held = Some(Held::new(&queue, token));
        self.private.lock_write().insert(id, queue);
        Ok(WorkQueue { lock, queues: self.clone(), _held: held })
    }

    #[inline]
    fn phase(&self) -> Phase {
        self.tracker.handle().phase()
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
}

impl Dispatch for Queues {
    fn invoke(&self, result: &AsyncResult) -> Result<()> {
        Queues::invoke(self, result)
    }

    fn invoke_accepted(&self, result: &AsyncResult) -> Result<()> {
        self.invoke_late(Priority::Normal, result)
    }

    fn put_accepted(&self, result: &AsyncResult) -> Result<()> {
        self.resolve(QueueId::MULTITHREADED, |queue| put_given(queue, Priority::Normal, result.clone()))?
    }

    fn check(&self, result: &AsyncResult) -> Result<()> {
        self.check(result).map(drop)
    }
}

#[inline]
fn put_given(queue: &Arc<Queue>, priority: Priority, result: AsyncResult) -> Result<()> {
    match result.callback().map(|callback| callback.parameters()) {
        Some(parameters) => put(queue, priority, parameters, result),
        None => {
            result.signal();
            Ok(())
        }
    }
}

#[inline]
fn put_call(queue: &Arc<Queue>, priority: Priority, flags: CallbackFlags, call: Call) -> Result<()> {
    queue.allows(flags)?;
    put_item(queue, Item::call(call, flags, priority))
}

#[inline]
fn put(
    queue: &Arc<Queue>,
    priority: Priority,
    parameters: CallbackParameters,
    result: AsyncResult,
) -> Result<()> {
    queue.allows(parameters.flags)?;
    put_item(queue, Item::invoke(result, parameters.flags, priority))
}

#[inline]
fn put_item(queue: &Arc<Queue>, item: Item) -> Result<()> {
    queue.put(item).map_err(|item| {
        drop_contained(item);
        closed("put a work item on a queue whose platform or runtime is gone")
    })
}

const PUT: &str = "put a work item";
