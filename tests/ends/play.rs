//! A play: something that was begun, how it is awaited, and what makes it end.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use mf_async::{Operation, Result};
use tokio_util::sync::CancellationToken;

use crate::given::Given;

/// A kind of thing that can be awaited or called back. Its play is `None` where the setting makes no sense for it.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) begin: fn(&Given) -> Option<Play>,
}

/// What a kind has begun.
pub(crate) struct Play {
    pub(crate) awaited: Box<dyn Awaited>,
    /// Makes it end by itself.
    finish: Option<Step>,
    /// Drops what would answer.
    pub(crate) abandon: Option<Act>,
    /// Lets a thread go on that the play holds up.
    unblock: Option<Step>,
    /// Gives the reply that a serial queue awaits.
    reply: Option<Step>,
    /// Whether nothing is to be waited for: it has ended when Begin returns, or soon after by itself.
    pub(crate) ends_at_once: bool,
    /// Whether it is a callback that the user awaits by nothing of the crate's.
    pub(crate) is_plain: bool,
    /// After all is over: what became of it when its future was dropped.
    pub(crate) after_drop: Option<After>,
    kept: Vec<Box<dyn Send>>,
}

type Act = Box<dyn FnOnce() + Send>;
type Step = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;
type After = Box<dyn FnOnce() -> BoxFuture<'static, &'static str> + Send>;

impl Play {
    pub(crate) fn of(awaited: impl Awaited + 'static) -> Play {
        Play {
            awaited: Box::new(awaited),
            finish: None,
            abandon: None,
            unblock: None,
            reply: None,
            ends_at_once: false,
            is_plain: false,
            after_drop: None,
            kept: Vec::new(),
        }
    }

    pub(crate) fn finished_by(mut self, finish: impl FnOnce() + Send + 'static) -> Play {
        self.finish = Some(Box::new(move || async move { finish() }.boxed()));
        self
    }

    pub(crate) fn abandoned_by(mut self, abandon: impl FnOnce() + Send + 'static) -> Play {
        self.abandon = Some(Box::new(abandon));
        self
    }

    pub(crate) fn unblocked_by(mut self, unblock: impl FnOnce() + Send + 'static) -> Play {
        self.unblock = Some(Box::new(move || async move { unblock() }.boxed()));
        self
    }

    pub(crate) fn replied_by(mut self, reply: impl Future<Output = ()> + Send + 'static) -> Play {
        self.reply = Some(Box::new(move || reply.boxed()));
        self
    }

    pub(crate) fn plain(mut self) -> Play {
        self.is_plain = true;
        self
    }

    pub(crate) fn ending_at_once(mut self) -> Play {
        self.ends_at_once = true;
        self
    }

    pub(crate) fn after_drop(
        mut self,
        after: impl FnOnce() -> BoxFuture<'static, &'static str> + Send + 'static,
    ) -> Play {
        self.after_drop = Some(Box::new(after));
        self
    }

    /// It went on if this says so in the end.
    pub(crate) fn goes_on_if(self, went_on: impl FnOnce() -> bool + Send + 'static) -> Play {
        self.after_drop(move || async move { if went_on() { "goes on" } else { "stops" } }.boxed())
    }

    pub(crate) fn keeping(mut self, kept: impl Send + 'static) -> Play {
        self.kept.push(Box::new(kept));
        self
    }

    pub(crate) async fn finish(&mut self) {
        if let Some(finish) = self.finish.take() {
            finish().await;
        }
        self.reply().await;
        self.unblock().await;
    }

    pub(crate) async fn reply(&mut self) {
        if let Some(reply) = self.reply.take() {
            reply().await;
        }
    }

    /// Whether something that the play has begun does not end before it is told to.
    pub(crate) fn holds_something_up(&self) -> bool {
        self.unblock.is_some() || self.reply.is_some()
    }

    /// What a shutdown waits for ends, because it is told to.
    pub(crate) async fn unblock(&mut self) {
        if let Some(unblock) = self.unblock.take() {
            unblock().await;
        }
    }

    /// Takes what is awaited; the rest stays.
    pub(crate) fn take_awaited(&mut self) -> Box<dyn Awaited> {
        std::mem::replace(&mut self.awaited, Box::new(Nothing))
    }
}

/// Something that is awaited.
pub(crate) trait Awaited: Send {
    fn wait(self: Box<Self>) -> BoxFuture<'static, Result<()>>;

    /// By its cookie or key.
    fn cancel(self: Box<Self>) -> Option<BoxFuture<'static, Result<()>>> {
        None
    }

    fn cancel_on(self: Box<Self>, _: &CancellationToken) -> Option<BoxFuture<'static, Result<()>>> {
        None
    }

    fn timeout(self: Box<Self>, _: Duration) -> Option<BoxFuture<'static, Result<()>>> {
        None
    }
}

impl<T: Send + 'static> Awaited for Operation<T> {
    fn wait(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        (*self).map(|value| value.map(drop)).boxed()
    }

    fn cancel(self: Box<Self>) -> Option<BoxFuture<'static, Result<()>>> {
        Some(Operation::cancel(*self).map(|value| value.map(drop)).boxed())
    }

    fn cancel_on(self: Box<Self>, token: &CancellationToken) -> Option<BoxFuture<'static, Result<()>>> {
        Some(Operation::cancel_on(*self, token).map(|value| value.map(drop)).boxed())
    }

    fn timeout(self: Box<Self>, after: Duration) -> Option<BoxFuture<'static, Result<()>>> {
        Some(Operation::timeout(*self, after).map(|value| value.map(drop)).boxed())
    }
}

/// A future that is no operation.
pub(crate) struct Waits(pub(crate) BoxFuture<'static, Result<()>>);

impl Awaited for Waits {
    fn wait(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        self.0
    }
}

/// It was taken.
struct Nothing;

impl Awaited for Nothing {
    fn wait(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        unreachable!("what is awaited was taken")
    }
}
