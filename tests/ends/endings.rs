//! The ways to end: each takes a kind through one of them, and says in a word how it ended.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use mf_async::{AsyncResult, Error, ErrorKind, Hresult, Platform, QueueId, Result};
use tokio_util::sync::CancellationToken;

use crate::given::{Flavor, Given, How, WakeBomb};
use crate::plain::NOT_CALLED;
use crate::play::{Kind, Play};

/// A way to end.
#[derive(Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) name: &'static str,
    pub(crate) play: fn(Flavor, &Kind) -> String,
}

macro_rules! endings {
    ($($name:literal => $play:expr,)*) => {
        [$(Ending { name: $name, play: $play }),*]
    };
}

/// All of them, in the order of the page's columns.
pub(crate) const ENDINGS: [Ending; 20] = endings! {
    "value" => |flavor, kind| by_itself(flavor, kind, How::Succeeds),
    "Begin fails" => |flavor, kind| by_itself(flavor, kind, How::BeginFails),
    "End or body fails" => |flavor, kind| by_itself(flavor, kind, How::EndFails),
    "callback dropped" => |flavor, kind| within(flavor, kind, abandoned),
    "Begin panics" => |flavor, kind| by_itself(flavor, kind, How::BeginPanics),
    "body panics" => |flavor, kind| by_itself(flavor, kind, How::BodyPanics),
    "End panics" => |flavor, kind| by_itself(flavor, kind, How::EndPanics),
    "a Drop panics" => |flavor, kind| by_itself(flavor, kind, How::DropPanics),
    "the waker panics" => |flavor, kind| within(flavor, kind, the_waker_panics),
    "dropped" => |flavor, kind| within(flavor, kind, dropped),
    "cancelled by its right" => |flavor, kind| within(flavor, kind, cancelled),
    "by a token" => |flavor, kind| within(flavor, kind, cancelled_by_token),
    "time runs out" => |flavor, kind| within(flavor, kind, time_runs_out),
    "shutdown" => |flavor, kind| within(flavor, kind, shut_down),
    "last handle dropped" => |flavor, kind| within(flavor, kind, last_handle_dropped),
    "runtime dropped" => |flavor, kind| runtime_dropped(flavor, kind, false),
    "on a foreign executor" => |flavor, kind| within(flavor, kind, on_a_foreign_executor),
    "wrapped" => |flavor, kind| wrapped(flavor, kind, Box::new(|play, scene| Box::pin(finished(play, scene)))),
    "wrapped, and shutdown" => |flavor, kind| wrapped(flavor, kind, Box::new(|play, scene| Box::pin(shut_down(play, scene)))),
    "wrapped, and runtime dropped" => |flavor, kind| runtime_dropped(flavor, kind, true),
};

/// What an ending has in hand beside the play.
struct Scene {
    platform: Platform,
    flavor: Flavor,
}

/// How it ended, in a word.
fn word(ended: &Result<()>) -> String {
    let Err(error) = ended else { return "value".to_owned() };
    match error.kind() {
        ErrorKind::Abandoned => "abandoned".to_owned(),
        ErrorKind::Panicked => "panicked".to_owned(),
        ErrorKind::Shutdown => "shutdown".to_owned(),
        ErrorKind::TimedOut => "timed out".to_owned(),
        ErrorKind::Cancelled => "cancelled".to_owned(),
        _ if error.hresult() == Hresult::E_UNEXPECTED => "panicked".to_owned(),
        _ if error.hresult() == Hresult::MF_E_INVALID_WORKQUEUE => "refused".to_owned(),
        _ if error.hresult() == Hresult::ERROR_FILE_NOT_FOUND => "its error".to_owned(),
        _ if error.hresult() == NOT_CALLED => "not called".to_owned(),
        _ if error.hresult() == Hresult::E_NOTIMPL => "its error".to_owned(),
        _ => error.hresult().to_string(),
    }
}

/// Begins in a platform of its own, ends it by `ending`, and shuts down: that succeeds, and not by its deadline.
fn play<F>(
    flavor: Flavor,
    kind: &Kind,
    (how, is_wrapped, is_by_itself): (How, bool, bool),
    ending: F,
) -> String
where
    F: FnOnce(Play, Scene) -> BoxFuture<'static, Option<String>>,
{
    flavor.runtime().block_on(async {
        let platform = Platform::startup().unwrap();
        let given = Given { platform: platform.clone(), how, is_wrapped };
        let begun = (kind.begin)(&given);
        drop(given);
        let Some(begun) = begun.filter(|begun| !begun.ends_at_once || is_by_itself) else {
            return "-".to_owned();
        };
        let weak = platform.downgrade();
        let ended = ending(begun, Scene { platform, flavor }).await;
        if let Ok(platform) = weak.upgrade() {
            in_time(platform.shutdown()).await;
        }
        ended.unwrap_or_else(|| "-".to_owned())
    })
}

fn within<F>(flavor: Flavor, kind: &Kind, ending: fn(Play, Scene) -> F) -> String
where
    F: Future<Output = Option<String>> + Send + 'static,
{
    play(flavor, kind, (How::Succeeds, false, false), |play, scene| Box::pin(ending(play, scene)))
}

type WrappedEnding = Box<dyn FnOnce(Play, Scene) -> BoxFuture<'static, Option<String>>>;

fn wrapped(flavor: Flavor, kind: &Kind, ending: WrappedEnding) -> String {
    play(flavor, kind, (How::Succeeds, true, false), ending)
}

fn by_itself(flavor: Flavor, kind: &Kind, how: How) -> String {
    play(flavor, kind, (how, false, true), |play, scene| Box::pin(finished(play, scene)))
}

/// A shutdown that takes its deadline is wrong, whatever it says.
async fn in_time(shutdown: impl Future<Output = Result<()>>) {
    let (start, real) = (tokio::time::Instant::now(), Instant::now());
    shutdown.await.unwrap();
    let took = start.elapsed().min(real.elapsed()).max(if start.elapsed() > DEADLINE {
        DEADLINE
    } else {
        Duration::ZERO
    });
    assert!(took < DEADLINE, "the shutdown took its deadline");
}

const DEADLINE: Duration = Duration::from_secs(5);

async fn some_turns() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Polls once, in the task that waits later.
async fn poll_once(future: &mut BoxFuture<'static, Result<()>>) -> Option<Result<()>> {
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(ended) => Some(ended),
            Poll::Pending => None,
        })
    })
    .await
}

async fn finished(mut play: Play, _scene: Scene) -> Option<String> {
    let mut waits = play.take_awaited().wait();
    if let Some(ended) = poll_once(&mut waits).await {
        return Some(word(&ended));
    }
    play.finish().await;
    Some(word(&waits.await))
}

async fn abandoned(mut play: Play, _scene: Scene) -> Option<String> {
    let abandon = play.abandon.take()?;
    let mut waits = play.take_awaited().wait();
    let polled = poll_once(&mut waits).await;
    abandon();
    play.unblock().await;
    Some(word(&match polled {
        Some(ended) => ended,
        None => waits.await,
    }))
}

async fn the_waker_panics(mut play: Play, _scene: Scene) -> Option<String> {
    if play.is_plain {
        return None;
    }
    let mut waits = play.take_awaited().wait();
    let waker = WakeBomb::waker();
    let polled = waits.as_mut().poll(&mut Context::from_waker(&waker));
    play.finish().await;
    some_turns().await;
    Some(word(&match polled {
        Poll::Ready(ended) => ended,
        Poll::Pending => waits.await,
    }))
}

async fn dropped(mut play: Play, scene: Scene) -> Option<String> {
    let after = play.after_drop.take()?;
    let mut waits = play.take_awaited().wait();
    let polled = poll_once(&mut waits).await;
    drop(waits);
    if polled.is_some() {
        return Some("value".to_owned());
    }
    some_turns().await;
    polls_end(&play, &scene).await;
    play.finish().await;
    for _ in 0..3 {
        settled(&scene).await;
        some_turns().await;
    }
    let became = after().await;
    drop(play);
    Some(became.to_owned())
}

/// A poll that was under way at the drop or the cancel has ended: had it not, it could still find ready what comes next.
fn polls_end<'a>(play: &Play, scene: &'a Scene) -> impl Future<Output = ()> + Send + use<'a> {
    let may_wait = !play.holds_something_up();
    async move {
        if may_wait {
            settled(scene).await;
        }
    }
}

/// Nothing runs on the queues that run bodies and requests.
async fn settled(scene: &Scene) {
    for queue in [QueueId::IO, QueueId::MULTITHREADED] {
        // None is given out while the platform shuts down.
        if let Ok(queue) = scene.platform.queue(queue) {
            queue.quiesce().await.unwrap();
        }
    }
}

async fn cancelled(mut play: Play, scene: Scene) -> Option<String> {
    let waits = play.take_awaited().cancel()?;
    goes_on_unless_ended(waits, play, scene).await
}

/// Without a right to cancel the wait goes on, and the operation with it.
async fn goes_on_unless_ended(
    mut waits: BoxFuture<'static, Result<()>>,
    mut play: Play,
    scene: Scene,
) -> Option<String> {
    // The first poll may be what cancels it.
    for _ in 0..2 {
        if let Some(ended) = poll_once(&mut waits).await {
            return Some(word(&ended));
        }
        some_turns().await;
        polls_end(&play, &scene).await;
    }
    play.finish().await;
    Some(word(&waits.await))
}

async fn cancelled_by_token(mut play: Play, scene: Scene) -> Option<String> {
    let token = CancellationToken::new();
    let mut waits = play.take_awaited().cancel_on(&token)?;
    if let Some(ended) = poll_once(&mut waits).await {
        return Some(word(&ended));
    }
    token.cancel();
    goes_on_unless_ended(waits, play, scene).await
}

async fn time_runs_out(mut play: Play, scene: Scene) -> Option<String> {
    let mut waits = play.take_awaited().timeout(Duration::from_millis(1))?;
    let polled = poll_once(&mut waits).await;
    if scene.flavor == Flavor::Paused {
        // A thread that the play holds up would keep the clock from going on by itself.
        tokio::time::advance(Duration::from_millis(2)).await;
    }
    let ended = match polled {
        Some(ended) => ended,
        None => waits.await,
    };
    play.finish().await;
    Some(word(&ended))
}

async fn shut_down(mut play: Play, scene: Scene) -> Option<String> {
    let mut waits = play.take_awaited().wait();
    let polled = poll_once(&mut waits).await;
    let shutdown = scene.platform.shutdown();
    play.reply().await;
    play.unblock().await;
    let ended = match polled {
        Some(ended) => ended,
        None => waits.await,
    };
    drop(play);
    in_time(shutdown).await;
    Some(word(&ended))
}

async fn last_handle_dropped(mut play: Play, scene: Scene) -> Option<String> {
    let mut waits = play.take_awaited().wait();
    let polled = poll_once(&mut waits).await;
    drop(scene.platform);
    play.unblock().await;
    Some(word(&match polled {
        Some(ended) => ended,
        None => waits.await,
    }))
}

/// The future is polled in the runtime first, and awaited outside when that is gone.
fn runtime_dropped(flavor: Flavor, kind: &Kind, is_wrapped: bool) -> String {
    let runtime = flavor.runtime();
    let begun = runtime.block_on(async {
        let platform = Platform::startup().unwrap();
        let given = Given { platform: platform.clone(), how: How::Succeeds, is_wrapped };
        let mut play = (kind.begin)(&given).filter(|play| !play.ends_at_once)?;
        let mut waits = play.take_awaited().wait();
        let mut polled = poll_once(&mut waits).await;
        some_turns().await;
        if polled.is_none() {
            polled = poll_once(&mut waits).await;
        }
        Some((platform, play, waits, polled))
    });
    let Some((platform, mut play, waits, polled)) = begun else { return "-".to_owned() };
    runtime.shutdown_background();
    futures::executor::block_on(play.unblock());
    let ended = polled.unwrap_or_else(|| futures::executor::block_on(waits));
    // Workers end in their own time; then everything is refused.
    let put = || platform.put(QueueId::STANDARD, Arc::new(|_: &AsyncResult| ()));
    while !put().as_ref().is_err_and(Error::is_shutdown) {
        std::thread::yield_now();
    }
    drop((play, platform));
    word(&ended)
}

/// On a thread that no runtime knows of. Without a reading of the clock: what waits there is woken, or hangs.
async fn on_a_foreign_executor(mut play: Play, _scene: Scene) -> Option<String> {
    if play.is_plain {
        return None;
    }
    let waits = play.take_awaited().wait();
    let (begin, begun) = tokio::sync::oneshot::channel();
    let (end, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let (mut waits, mut begin) = (waits, Some(begin));
        let waits = poll_fn(|cx| {
            let polled = Pin::new(&mut waits).poll(cx);
            begin.take().into_iter().for_each(|begin| _ = begin.send(()));
            polled
        });
        let _ = end.send(futures::executor::block_on(waits));
    });
    begun.await.unwrap();
    play.finish().await;
    Some(word(&ended.await.unwrap()))
}
