//! The table that turns an id into a queue, and the way in for everything that dispatches.

use std::cmp::Reverse;
use std::panic::Location;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures::future::select;
use tokio::runtime::Handle;

use crate::async_result::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, Dispatch, Parts, QueueId, Shortcut, Token,
    Unknown,
};
use crate::contain::{Payload, contain, drop_contained};
use crate::error::{Error, Hresult, Result};
use crate::mmcss::{Groups, Mmcss};
use crate::queue::calling_out::CallingOut;
use crate::queue::current_queue::CurrentQueue;
use crate::queue::engine::{Engine, Monitor, Spawner};
use crate::queue::kind::{Held, OnLastUnlock, Queue, QueueKind, QueueLock};
use crate::queue::priority::Priority;
use crate::queue::private::Private;
use crate::queue::work_item::{IntoWorkItem, Job, Slot, Work, WorkItem};
use crate::stepping;
use crate::tokio_quirks;
use crate::tracker::{Begun, Phase, Tracker, closed};

/// The table of a platform's queues, and the way in: everything that dispatches shares it.
pub(crate) struct Queues {
    pub(crate) tracker: Tracker<Weak<dyn Dispatch>>,
    runtime: Handle,
    monitor: Arc<Monitor>,
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
            monitor: Arc::default(),
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

    /// How many items a parallel queue runs at the same time, unless they are held up.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// A result that keeps the platform open.
    pub(crate) fn create_result(
        &self,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<AsyncResult> {
        let parts = Parts { callback: Some(callback), state, ..Parts::default() };
        match self.token("create an asynchronous result") {
            Ok(token) => Ok(AsyncResult::new(parts, Some(token))),
            Err(error) => {
                drop_contained(parts);
                Err(error)
            }
        }
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

    /// `MFInvokeCallback`: a reply if a serial queue awaits one, else the callback, on the queue that it names.
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
        // An operation takes one end by itself.
        if matches!(callback.shortcut(), Shortcut::HandOver(_)) {
            result.set_invoked();
        } else if !result.claim_invoke() {
            return Ok(());
        }
        self.send(priority, result, callback)
    }

    /// Hands the result to its callback, or puts it on the queue that the callback names.
    #[inline]
    fn send(
        &self,
        priority: Priority,
        result: &AsyncResult,
        callback: &Arc<dyn AsyncCallback>,
    ) -> Result<()> {
        let own = if let Shortcut::HandOver(own) = callback.shortcut() { Some(own) } else { None };
        if own.is_some_and(|own| own.hand_over(result)) {
            return Ok(());
        }
        let parameters = ask(callback)?;
        let mut slot = Some(Work::Item(WorkItem::from_result(result).priority(priority)));
        let queued = self
            .resolve(parameters.queue, |queue| enqueue(queue, &mut slot, parameters.flags))
            .and_then(|queued| queued);
        if queued.as_ref().is_err_and(Error::is_shutdown) && own.is_some_and(|own| own.hand_over_last(result))
        {
            return Ok(());
        }
        queued
    }

    /// Puts a work item on the queue of this id: `MFPutWorkItem` and its kin.
    ///
    /// A ready result goes along: when it has run before this returns, nothing of it is left here whose drop could be the
    /// last. `begun` is the line that reports name; `None` for an item of this crate, which reports name otherwise.
    #[inline]
    pub(crate) fn put(&self, queue: QueueId, item: WorkItem, begun: Option<Begun>) -> Result<()> {
        let mut slot = Some(Work::Item(item));
        let put = |queue: &Arc<Queue>| self.put_item(queue, &mut slot, begun);
        let put = self.admit(PUT).and_then(|()| self.resolve(queue, put)?);
        if put.is_err() {
            drop_refused(&mut slot);
        }
        put
    }

    /// Puts a work item on the queue that its callback names. A ready result is invoked.
    pub(crate) fn invoke_item(&self, mut item: WorkItem, begun: Option<Begun>) -> Result<()> {
        if let Some(result) = item.ready() {
            let result = result.clone();
            drop_contained(item);
            return self.invoke(&result);
        }
        let asked =
            self.admit("invoke a callback").and_then(|()| contain(|| item.job().parameters()).map_err(asked));
        match asked {
            Ok(CallbackParameters { queue, flags }) => {
                item.put_by(begun, queue, &self.tracker);
                let mut slot = Some(Work::Item(item));
                let put = self.resolve(queue, |queue| enqueue(queue, &mut slot, flags));
                drop_refused(&mut slot);
                put?
            }
            Err(error) => {
                drop_contained(item);
                Err(error)
            }
        }
    }

    /// The same on a queue that the caller holds.
    #[inline(always)]
    pub(crate) fn put_on(
        &self,
        queue: &Arc<Queue>,
        item: impl IntoWorkItem,
        begun: Option<Begun>,
    ) -> Result<()> {
        let mut slot = Some(Work::Item(item.into_work_item()));
        let put = self.admit(PUT).and_then(|()| self.put_item(queue, &mut slot, begun));
        if put.is_err() {
            drop_refused(&mut slot);
        }
        put
    }

    /// Puts an item. A ready result without a callback signals its event instead.
    #[inline(always)]
    fn put_item(&self, queue: &Queue, slot: &mut Slot, begun: Option<Begun>) -> Result<()> {
        let Some(Work::Item(item)) = slot else { return Ok(()) };
        let Some(flags) = item.callback().map(ask_flags).transpose()? else {
            item.ready().inspect(|result| result.signal());
            return Ok(());
        };
        if let Some(result) = item.ready() {
            result.check_not_awaited(PUT)?;
            if result.has_failed() && !result.claim_invoke() {
                return Ok(());
            }
            result.set_invoked();
        }
        item.put_by(begun, queue.id, &self.tracker);
        enqueue(queue, slot, flags)
    }

    /// Dispatches what was accepted before, on the queue that its callback names, which is asked again.
    pub(crate) fn dispatch(&self, job: Job, priority: Priority) -> Result<()> {
        match job {
            Job::Ready(result) => {
                let dispatched = self.dispatch_result(priority, &result);
                drop_contained(result);
                dispatched
            }
            Job::Invocation(_) => {
                let parameters = job.parameters();
                let mut slot = Some(Work::Item(WorkItem::from(job).priority(priority)));
                self.resolve(parameters.queue, |queue| enqueue(queue, &mut slot, parameters.flags))?
            }
        }
    }

    /// The same for a result. If a serial queue awaits a reply by it, this is the reply.
    pub(crate) fn dispatch_result(&self, priority: Priority, result: &AsyncResult) -> Result<()> {
        if let Some(serial) = result.take_reply() {
            serial.replied();
            return Ok(());
        }
        self.invoke_late(priority, result)
    }

    /// Whether the callback could be dispatched now: its queue is open and allows its flags.
    pub(crate) fn check(&self, job: &Job) -> Result<CallbackParameters> {
        let parameters = contain(|| job.parameters()).map_err(asked)?;
        self.resolve(parameters.queue, |queue| queue.allows(parameters.flags))??;
        Ok(parameters)
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

    /// Releases a lock that was left by number.
    pub(crate) fn unlock(&self, id: QueueId) -> Result<()> {
        if !id.is_private() {
            return Ok(());
        }
        let queue = self.private.find(id).ok_or_else(|| self.not_open(id))?;
        queue.take_left().map(drop).ok_or_else(|| {
            let what = format!("unlock queue {id}: it has no lock that was left on it by number");
            Error::new(Hresult::MF_E_INVALID_WORKQUEUE, what)
        })
    }

    /// Where callbacks of this queue run.
    pub(crate) fn place(&self, queue: QueueId) -> CurrentQueue {
        CurrentQueue { platform: self.address(), queue }
    }

    /// Ends something: drops, wakes or calls what is the user's, who may not wait for the end from there.
    pub(crate) fn call_out<T>(&self, call: impl FnOnce() -> T) -> T {
        CallingOut::enter(self.address(), call)
    }

    /// Fails where a wait for the end of this platform, or for its queues, would wait for itself: in its callbacks, and
    /// in code of the user's that its shutdown calls.
    pub(crate) fn check_may_wait(&self, doing: &str) -> Result<()> {
        let what = match self.runs_here() {
            Some(queue) => {
                format!("{doing} from a callback on queue {queue}, which it would wait for: do it in a task")
            }
            None if self.is_calling_out() => {
                format!(
                    "{doing} from what the platform's shutdown drops or calls, and waits for: do it in a task"
                )
            }
            None => return Ok(()),
        };
        Err(Error::new(Hresult::ERROR_POSSIBLE_DEADLOCK, what))
    }

    /// Whether the end of this platform calls on the current thread.
    pub(crate) fn is_calling_out(&self) -> bool {
        CallingOut::is_of(self.address())
    }

    /// Whether the current thread runs a callback of this platform.
    pub(crate) fn runs_here(&self) -> Option<QueueId> {
        CurrentQueue::current().filter(|place| place.platform == self.address()).map(|place| place.queue)
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
            drop(queue.close());
        }
    }

    /// The platform is gone: no queue waits for a reply any more.
    pub(crate) fn orphan(&self) {
        self.all().iter().for_each(|queue| queue.await_no_replies());
    }

    /// Drops everything that is still queued.
    pub(crate) fn kill(&self) {
        self.all().iter().for_each(|queue| queue.abort());
    }

    /// Drops the private queues. The table owns serial queues, which own locks on those below, and a lock left by number
    /// is a ring of a queue and itself.
    pub(crate) fn forget(&self) {
        let mut forgotten: Vec<_> = std::mem::take(&mut *self.private.lock_write()).into_values().collect();
        // The youngest first: none of them owns another then, whose drop would be nested in its own.
        forgotten.sort_by_key(|queue| Reverse(queue.id));
        for queue in forgotten {
            drop(queue.take_all_left());
        }
    }

    /// Waits until every queue is empty and nothing runs.
    ///
    /// When all that is left waits for replies, the queues above those that await one go on: a reply may come from there.
    pub(crate) async fn drained(&self) {
        select(pin!(self.all_quiet()), pin!(self.lift_what_waits())).await;
    }

    async fn lift_what_waits(&self) {
        let (mut tick, mut last) = (REPLY_TICK, None);
        loop {
            tokio::time::sleep(tick).await;
            let all = self.all();
            let before = self.made_and_put(&all);
            let mut waits = all.iter().filter(|queue| !queue.is_quiet());
            if waits.all(|queue| queue.waits_for_reply()) && self.made_and_put(&all) == before {
                all.iter().for_each(|queue| queue.lift_turns());
            }
            // Where nothing happens, ever more rarely: a paused clock would go through millions of ticks at once.
            let changed = last.replace(before) != Some(before);
            tick = if changed { REPLY_TICK } else { (2 * tick).min(LONGEST_REPLY_TICK) };
        }
    }

    async fn all_quiet(&self) {
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
        (private, platform, queues.iter().map(|queue| queue.put_count()).sum())
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
            // An operation that has begun may need another hop to complete.
            Phase::Draining if self.runs_here().is_some() => Ok(()),
            _ => Err(closed(doing)),
        }
    }

    /// Calls `with` with the queue of this id. Numbers without a private bit that name no queue mean
    /// STANDARD, as observed on Windows.
    #[inline]
    fn resolve<T>(&self, id: QueueId, with: impl FnOnce(&Arc<Queue>) -> T) -> Result<T> {
        if id.is_private() {
            return Ok(with(&self.private.find(id).ok_or_else(|| self.not_open(id))?));
        }
        let named = match id {
            QueueId::RT | QueueId::IO | QueueId::TIMER | QueueId::MULTITHREADED | QueueId::LONG_FUNCTION => {
                id
            }
            _ => QueueId::STANDARD,
        };
        Ok(with(self.platform[named.0 as usize].get_or_init(|| self.platform_queue(named))))
    }

    /// Why there is no private queue of this id. A shutdown drops them all, after it has closed the platform; a call that was
    /// admitted before may find them gone, and says the same as one that comes after.
    #[cold]
    fn not_open(&self, id: QueueId) -> Error {
        match self.phase() {
            Phase::Closed => closed(&format!("use the private queue {id}")),
            _ => self.private.not_open(id),
        }
    }

    fn platform_queue(&self, id: QueueId) -> Arc<Queue> {
        let engine = match id {
            QueueId::IO | QueueId::MULTITHREADED | QueueId::LONG_FUNCTION => {
                self.parallel(id, self.spawner())
            }
            _ => self.serial(id, self.spawner()),
        };
        let queue = Queue::new(id, QueueKind::Engine(engine), Weak::<Private>::new(), Location::caller());
        queue.set_long_running(id == QueueId::LONG_FUNCTION);
        if self.phase() == Phase::Closed && tokio_quirks::is_shut_down(&self.runtime) {
            queue.abort();
        }
        queue
    }

    pub(super) fn serial(&self, id: QueueId, spawner: Spawner) -> Engine {
        Engine::serial(self.place(id), self.tracker.token_source(), spawner, self.monitor.clone())
    }

    pub(super) fn parallel(&self, id: QueueId, spawner: Spawner) -> Engine {
        Engine::parallel(
            self.place(id),
            self.tracker.token_source(),
            spawner,
            self.monitor.clone(),
            self.width,
        )
    }

    pub(super) fn spawner(&self) -> Spawner {
        let runtime = self.runtime.clone();
        if stepping::is_on() {
            Spawner::Stepped { runtime, is_window: false }
        } else {
            Spawner::Runtime(runtime)
        }
    }

    pub(super) fn lock(&self, id: QueueId) -> Result<QueueLock> {
        if id.is_private() {
            // Under the table's lock, which the last unlock takes for writing: no queue is locked that is just ending.
            let table = self.private.lock_read();
            return table.get(&id).map(QueueLock::new).ok_or_else(|| self.not_open(id));
        }
        self.resolve(id, QueueLock::new)
    }

    /// Adds a private queue. Returns the first lock on it, and what its handle holds.
    pub(super) fn add(
        &self,
        begun: Begun,
        make: impl FnOnce(QueueId) -> Result<QueueKind>,
    ) -> Result<(QueueLock, Held)> {
        let token = self.token("allocate a work queue")?;
        let id = self.private.new_id()?;
        let queue = Queue::new(id, make(id)?, self.table(), begun);
        let lock = QueueLock::new(&queue);
        let held = Held::new(&queue, token);
        self.private.lock_write().insert(id, queue);
        Ok((lock, held))
    }

    fn table(&self) -> Weak<dyn OnLastUnlock> {
        let table: Weak<Private> = Arc::downgrade(&self.private);
        table
    }

    #[inline]
    fn phase(&self) -> Phase {
        self.tracker.handle().phase()
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
}

/// The parameters of a callback that another than its author invokes: a panic there is an error here.
#[inline]
fn ask(callback: &Arc<dyn AsyncCallback>) -> Result<CallbackParameters> {
    contain(|| callback.parameters()).map_err(asked)
}

/// The same of a callback that its author puts.
#[inline]
fn ask_flags(callback: &dyn AsyncCallback) -> Result<CallbackFlags> {
    contain(|| callback.parameters().flags).map_err(asked)
}

#[cold]
fn asked(payload: Payload) -> Error {
    Error::panicked("a callback that was asked for its queue", payload)
}

/// Drops an item that was refused.
#[cold]
fn drop_refused(slot: &mut Slot) {
    slot.take().into_iter().for_each(Work::abandon);
}

/// Puts an item whose callback has these flags.
#[inline(always)]
fn enqueue(queue: &Queue, slot: &mut Slot, flags: CallbackFlags) -> Result<()> {
    queue.allows(flags)?;
    if queue.put(slot, flags) {
        return Ok(());
    }
    drop_refused(slot);
    Err(closed("put a work item on a queue whose platform or runtime is gone"))
}

impl Dispatch for Queues {
    fn invoke(&self, result: &AsyncResult) -> Result<()> {
        Queues::invoke(self, result)
    }

    fn invoke_accepted(&self, result: &AsyncResult) -> Result<()> {
        self.invoke_late(Priority::Normal, result)
    }

    fn invoke_failed(&self, result: &AsyncResult) -> Result<()> {
        result.callback().map_or(Ok(()), |callback| self.send(Priority::Normal, result, callback))
    }

    fn put_accepted(&self, result: &AsyncResult) -> Result<()> {
        let Some(callback) = result.callback() else { return Ok(()) };
        let flags = ask(callback)?.flags;
        let mut slot = Some(Work::Item(WorkItem::from_result(result)));
        self.resolve(QueueId::MULTITHREADED, |queue| enqueue(queue, &mut slot, flags))?
    }

    fn check(&self, result: &AsyncResult) -> Result<()> {
        Queues::check(self, &Job::Ready(result.clone())).map(drop)
    }
}

const PUT: &str = "put a work item";

/// So often a shutdown looks whether all that is left waits for replies.
const REPLY_TICK: Duration = Duration::from_millis(1);

/// The longest time between two looks, when nothing happens.
const LONGEST_REPLY_TICK: Duration = Duration::from_millis(100);
