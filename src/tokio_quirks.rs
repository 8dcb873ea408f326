//! Workarounds for tokio's own behaviour, each with the version that it was measured on.

use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use pin_project::pin_project;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::coop;

use crate::contain::WakerGuard;

/// Whether the runtime has begun to shut down.
///
/// tokio 1.54.1 has no way to ask. A task that is spawned on such a runtime is dropped at once, on this thread,
/// and its handle says so.
pub(crate) fn is_shut_down(runtime: &Handle) -> bool {
    let probe = runtime.spawn(pending::<()>());
    let gone = probe.is_finished();
    probe.abort();
    gone
}

/// Whether the runtime's clock is paused.
///
/// tokio 1.54.1 has no way to ask. A paused clock stands still while the system's goes on, except for its jumps to the
/// next timer, so it is looked at more than once.
pub(crate) fn is_clock_paused(runtime: &Handle) -> bool {
    let _entered = runtime.enter();
    let stands_still = || {
        let (paused, real) = (tokio::time::Instant::now(), std::time::Instant::now());
        while real.elapsed().is_zero() {}
        tokio::time::Instant::now() == paused
    };
    (0..3).any(|_| stands_still())
}

/// One poll's share of tokio's cooperative budget.
///
/// tokio 1.54.1 sends a poll away when its task has used up its budget, and wakes it. A foreign executor that is
/// nested in a task, such as `futures::executor::block_on`, polls again without a new budget: a future that insists
/// on one would never go on. So a future is sent away once, and then goes on.
#[derive(Debug, Default)]
pub(crate) struct CoopBudget {
    was_sent_away: bool,
}

impl CoopBudget {
    /// A share for one poll; pending when the budget is used up and the future was not yet sent away.
    #[inline]
    pub(crate) fn ask(&mut self, cx: &mut Context<'_>) -> Poll<CoopShare> {
        match coop::poll_proceed(cx) {
            Poll::Ready(share) => Poll::Ready(CoopShare(Some(share))),
            Poll::Pending if !self.was_sent_away => {
                self.was_sent_away = true;
                // tokio keeps the wake for the turn of its own scheduler, which does not come while another
                // executor has the thread.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => Poll::Ready(CoopShare(None)),
        }
    }

    /// The poll was ready, and has used its share up.
    #[inline]
    pub(crate) fn spend(&mut self, share: &CoopShare) {
        self.was_sent_away = false;
        if let Some(share) = &share.0 {
            share.made_progress();
        }
    }
}

/// One poll's share of the budget. Dropped without being spent, it is given back.
pub(crate) struct CoopShare(Option<coop::RestoreOnPending>);

/// A future of tokio's own, or of another library's, as the user may poll it: it keeps the user's waker only behind a
/// guard, and asks for budget as this crate's futures do.
///
/// Such a library wakes several wakers in a row, and one that panicked would keep the others from being woken. And
/// tokio 1.54.1's timers, semaphores and channels insist on budget: see [`CoopBudget`].
#[pin_project]
#[derive(Debug)]
pub(crate) struct GuardedFuture<F> {
    #[pin]
    future: F,
    guard: WakerGuard,
    budget: CoopBudget,
}

impl<F> GuardedFuture<F> {
    pub(crate) fn new(future: F) -> GuardedFuture<F> {
        GuardedFuture { future, guard: WakerGuard::default(), budget: CoopBudget::default() }
    }
}

impl<F: Future> Future for GuardedFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let share = ready!(this.budget.ask(cx));
        let waker = this.guard.of(cx.waker());
        let polled = poll_unconstrained(this.future, &mut Context::from_waker(&waker));
        if polled.is_ready() {
            this.budget.spend(&share);
        }
        polled
    }
}

/// Whether a tokio runtime polls a future on this thread at this moment. To block the thread then may keep the runtime
/// from going on; to block one of its blocking threads does not.
///
/// tokio 1.54.1 has no way to ask. While it polls there is a budget, of 128 steps; elsewhere there is none. The probe
/// uses the budget up, so the task is sent away at its next step, and goes on in its next turn. A future under
/// `task::unconstrained` has no budget, and is not found out.
pub(crate) fn polls_here() -> bool {
    if Handle::try_current().is_err() {
        return false;
    }
    let mut cx = Context::from_waker(Waker::noop());
    (0..=MOST_STEPS).any(|_| match coop::poll_proceed(&mut cx) {
        Poll::Ready(step) => {
            step.made_progress();
            false
        }
        Poll::Pending => true,
    })
}

/// More steps than a budget has.
const MOST_STEPS: usize = 256;

/// Polls a future of tokio's own that asks for budget itself, without one.
pub(crate) fn poll_unconstrained<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
    std::pin::pin!(coop::unconstrained(future)).poll(cx)
}

/// Moves a task that was just woken on this worker to where other workers can steal it.
///
/// tokio 1.54.1, `multi_thread/worker.rs`: a task that a worker wakes goes to that worker's LIFO slot, from which no other
/// worker steals, and for which none is woken. If the worker is then held up, the task waits for it. A further task takes
/// the slot, and moves the former one to the run queue. About 150 ns, on the edge from idle to busy only. A runtime of one
/// thread has no other worker.
pub(crate) fn leave_lifo_slot(runtime: &Handle) {
    if runtime.runtime_flavor() != RuntimeFlavor::CurrentThread {
        drop(runtime.spawn(ready(())));
    }
}

/// A task of this crate's own, which no thread holds up that wakes it and then blocks: see [`leave_lifo_slot`]. That thread may
/// wait for just this task, in a callback or with another executor.
#[pin_project]
pub(crate) struct Stealable<F> {
    #[pin]
    task: F,
    runtime: Handle,
    /// The task's waker, and what wraps it.
    waker: Option<(Waker, Waker)>,
}

impl<F> Stealable<F> {
    pub(crate) fn new(task: F, runtime: &Handle) -> Stealable<F> {
        Stealable { task, runtime: runtime.clone(), waker: None }
    }
}

impl<F: Future> Future for Stealable<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let same = this.waker.take().filter(|(inner, _)| inner.will_wake(cx.waker()));
        let (_, waker) = this.waker.insert(same.unwrap_or_else(|| {
            let inner = cx.waker().clone();
            (inner.clone(), Arc::new(LeavesSlot { inner, runtime: this.runtime.clone() }).into())
        }));
        this.task.poll(&mut Context::from_waker(waker))
    }
}

struct LeavesSlot {
    inner: Waker,
    runtime: Handle,
}

impl Wake for LeavesSlot {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.inner.wake_by_ref();
        leave_lifo_slot(&self.runtime);
    }
}

/// Wakes a worker of the runtime, from a thread that is none.
///
/// tokio 1.54.1, `multi_thread/idle.rs`: a push from outside wakes no worker while one is counted as searching. A worker that
/// is just falling asleep is counted so, and does not always look again. The next push wakes it.
pub(crate) fn wake_a_worker(runtime: &Handle) {
    drop(runtime.spawn(ready(())));
}
