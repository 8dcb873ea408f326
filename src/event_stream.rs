//! `EventStream`: the events of a generator as a stream that loses none and never asks twice.

mod buffer;
#[cfg(all(test, mf_async_loom))]
mod loom;
pub(crate) mod overflow;
mod pump;
mod state;
mod weak_generator;

use std::any::Any;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::stream::{FusedStream, Stream};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep};

pub use self::overflow::{DropNewest, DropOldest, Latest, Lossless, Overflow};

use self::pump::{EventPump, Look, is_transient};
use self::weak_generator::generator_gone;
use crate::contain::{contain, drop_payload, wake_contained};
use crate::error::{Error, Hresult, Result};
use crate::event::{MediaEvent, MediaEventType, SharedGenerator, drop_events};
use crate::tokio_quirks::{CoopBudget, GuardedFuture, poll_unconstrained};

/// The events of a [`MediaEventGenerator`](crate::MediaEventGenerator), as a [`Stream`].
///
/// ```
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// use std::sync::Arc;
/// use mf_async::{EventStream, MediaEvent, MediaEventType, Platform};
///
/// let platform = Platform::startup()?;
/// let session = Arc::new(platform.create_event_queue()?);
/// let mut events = EventStream::lossless(&session)?.until(MediaEventType::MESessionClosed);
/// session.queue_event(MediaEvent::new(MediaEventType::MESessionStarted))?;
/// session.queue_event(MediaEvent::new(MediaEventType::MESessionClosed))?;
/// let mut seen = Vec::new();
/// while let Some(event) = events.next().await {
///     seen.push(event?.event_type());
/// }
/// assert_eq!(seen, [MediaEventType::MESessionStarted, MediaEventType::MESessionClosed]);
/// # drop((events, session));
/// # platform.shutdown().await }
/// ```
///
/// One callback serves the stream as long as it lives; it always ends its request, so the generator is
/// never left in a state where no one can ask. What happens to events that come faster than they are
/// read is the type `P`: [`Lossless`] unless chosen otherwise. An event whose own status is a failure is
/// an item like any other; see [`MediaEvent::ok`].
///
/// The stream does not keep the generator alive, and has it to itself: as long as the stream lives, another stream of
/// the same generator, a request of another callback and [`get_event`](crate::MediaEventGenerator::get_event) are
/// refused with `MF_E_MULTIPLE_SUBSCRIBERS`, also while events wait that the stream has not taken. A stream that is
/// made when this one is dropped takes over: it has every event that this one has not read, in order, also while this
/// one's callback is still at work on another thread.
///
/// All of this is so for a generator that is made of a [`MediaEventQueue`](crate::MediaEventQueue), and for one that
/// wraps such a generator and forwards the four calls of [`MediaEventGenerator`](crate::MediaEventGenerator).
///
/// # The end
/// The stream ends, with `None`, when the generator is shut down or dropped, or its platform is shut
/// down, and after the event given to [`until`](EventStream::until). [`end_cause`](EventStream::end_cause) says which. Any
/// other failure is an `Err` item, once, and then the end; so is a panic of the generator. A generator that refuses for
/// the moment (`MF_E_NOTACCEPTING`, `MF_E_INVALIDREQUEST`) is asked again, after 1 ms at first and never more than
/// 100 ms; if it refuses 20 times in a row, that is a failure. That needs a tokio runtime with timers;
/// without one the first refusal is the failure.
///
/// # Cancel safety
/// Dropping a future that waits for the next event loses nothing and asks nothing twice; the next one
/// goes on. Dropping the *stream* takes back its request, and events that it had taken and its reader had not
/// read go back to the front of the generator's queue. A generator that is not made of a
/// [`MediaEventQueue`](crate::MediaEventQueue) keeps the request until its next event; that one, and what was taken
/// and not read, is queued again by [`queue_event`](crate::MediaEventGenerator::queue_event), behind what waits there.
#[must_use = "a stream does nothing unless it is polled"]
pub struct EventStream<P: Overflow = Lossless> {
    pump: Arc<EventPump>,
    /// What was taken and is the reader's already.
    ready: VecDeque<MediaEvent>,
    /// After a refusal, before the generator is asked again.
    pause: Option<(Instant, Pin<Box<GuardedFuture<Sleep>>>)>,
    budget: CoopBudget,
    /// Refusals since the last event.
    refusals: u32,
    runtime: Option<Handle>,
    end: Option<End>,
    policy: PhantomData<fn() -> P>,
    /// What must live as long as the stream; the last field, since the pump gives events back to it.
    _kept: Option<Arc<dyn Any + Send + Sync>>,
}

/// Why the stream has ended.
enum End {
    LastEvent,
    Cause(Error),
}

/// What a step towards the next event has come to.
enum Progress {
    Event(MediaEvent),
    /// There is nothing now.
    Nothing,
    /// There may be something after another step.
    Again,
    Ended,
    Failed(Error),
}

impl EventStream {
    /// A stream that loses nothing.
    ///
    /// # Errors
    /// As [`new`](EventStream::new).
    #[track_caller]
    pub fn lossless(generator: &impl SharedGenerator) -> Result<EventStream> {
        EventStream::new(generator, Lossless)
    }
}

impl<P: Overflow> EventStream<P> {
    /// A stream of the generator's events, which are asked for from now on.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> mf_async::Result<()> {
    /// # use std::sync::Arc;
    /// # use mf_async::event_stream::DropOldest;
    /// # use mf_async::{EventStream, MediaEventType, Platform};
    /// # let platform = Platform::startup()?;
    /// let queue = Arc::new(platform.create_event_queue()?);
    /// let events = EventStream::new(&queue, DropOldest(8))?.only(&[MediaEventType::MEMediaSample]);
    /// assert_eq!(events.dropped(), 0);
    /// # drop((events, queue));
    /// # platform.shutdown().await }
    /// ```
    ///
    /// # Errors
    /// `MF_E_MULTIPLE_SUBSCRIBERS` when another stream has the generator, or a request of another callback is
    /// outstanding; neither is disturbed. `MF_E_SHUTDOWN` when the generator is shut down. Otherwise
    /// what the generator says.
    #[track_caller]
    pub fn new(generator: &impl SharedGenerator, policy: P) -> Result<EventStream<P>> {
        let mut stream = EventStream {
            pump: EventPump::new(generator.shared(), policy.policy(), Location::caller()),
            ready: VecDeque::new(),
            pause: None,
            budget: CoopBudget::default(),
            refusals: 0,
            runtime: Handle::try_current().ok(),
            end: None,
            policy: PhantomData,
            _kept: None,
        };
        stream.pump.drive();
        if let Some(error) = stream.pump.take_error() {
            stream.refused(error)?;
        }
        Ok(stream)
    }

    /// Keeps something alive as long as the stream: a generator that has no other owner.
    #[cfg(windows)]
    pub(crate) fn keep(mut self, kept: Arc<dyn Any + Send + Sync>) -> EventStream<P> {
        self._kept = Some(kept);
        self
    }

    /// Passes only events of these types; others are taken and dropped.
    pub fn only(mut self, types: &[MediaEventType]) -> EventStream<P> {
        self.pump.only(types.into(), &mut self.ready);
        self
    }

    /// Ends with the first event of this type, which is passed, and which no overflow drops.
    pub fn until(mut self, last: impl Into<MediaEventType>) -> EventStream<P> {
        self.pump.until(last.into(), &mut self.ready);
        self
    }

    /// The next event; `None` at the end.
    ///
    /// # Errors
    /// What made the stream fail, once; see [the end](EventStream#the-end).
    ///
    /// # Cancel safety
    /// Cancel safe: an event is either returned or still there.
    pub async fn next(&mut self) -> Option<Result<MediaEvent>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The event that is there now, without waiting; `None` when there is none now.
    ///
    /// It asks for none of tokio's cooperative budget, so a loop takes everything that is there:
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> mf_async::Result<()> {
    /// # use std::sync::Arc;
    /// # use mf_async::{EventStream, Hresult, MediaEvent, MediaEventType, Platform};
    /// # let platform = Platform::startup()?;
    /// # let queue = Arc::new(platform.create_event_queue()?);
    /// let mut events = EventStream::lossless(&queue)?;
    /// for _ in 0..1_000 {
    ///     queue.queue_event(MediaEvent::new(MediaEventType::MEMediaSample))?;
    /// }
    /// let mut count = 0;
    /// while let Some(event) = events.try_next()? {
    ///     count += u32::from(event.status().is_success());
    /// }
    /// assert_eq!(count, 1_000);
    ///
    /// queue.shutdown();
    /// assert_eq!(events.try_next().unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
    /// # drop((events, queue));
    /// # platform.shutdown().await }
    /// ```
    ///
    /// An event whose callback is still on its way over a work queue is not there yet.
    ///
    /// # Errors
    /// When the stream has ended: [what ended it](EventStream::end_cause), such as `MF_E_SHUTDOWN`; and
    /// `MF_E_END_OF_STREAM` after the event given to [`until`](EventStream::until). The same again at every further call.
    pub fn try_next(&mut self) -> Result<Option<MediaEvent>> {
        while self.end.is_none() {
            match self.step(None) {
                Progress::Event(event) => return Ok(Some(event)),
                Progress::Nothing => return Ok(None),
                Progress::Again => {}
                Progress::Ended => self.finish(End::LastEvent),
                Progress::Failed(error) => self.finish(End::Cause(error)),
            }
        }
        Err(self.end_error("take an event: the stream has ended with its last"))
    }

    /// Waits for an event of this type, and drops those before it.
    ///
    /// # Errors
    /// The status of an [`MEError`](MediaEventType::MEError) that comes first; what made the stream fail;
    /// why it ended, and `MF_E_END_OF_STREAM` when it ended with its last event.
    ///
    /// # Cancel safety
    /// Cancel safe, except that the events passed over are gone.
    pub async fn wait_for(&mut self, wanted: impl Into<MediaEventType>) -> Result<MediaEvent> {
        let wanted = wanted.into();
        while let Some(event) = self.next().await {
            let event = event?;
            if event.event_type() == wanted {
                return Ok(event);
            }
            if event.event_type() == MediaEventType::MEError {
                let failed = event.status().is_failure();
                return Err(if failed { event } else { event.with_status(Hresult::E_FAIL) }.error());
            }
            drop_events([event]);
        }
        Err(self.end_error(format!("wait for the event {wanted}: the stream ended before it")))
    }

    /// Why the stream has ended: `MF_E_SHUTDOWN`, that the generator was dropped, or what failed. `None`
    /// while it has not, and when it ended with its last event.
    #[must_use]
    pub fn end_cause(&self) -> Option<&Error> {
        if let Some(End::Cause(error)) = &self.end { Some(error) } else { None }
    }

    /// How many events were lost because they were not read in time; always 0 for [`Lossless`].
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.pump.dropped()
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<MediaEvent>>> {
        if let Some(event) = self.ready.pop_front() {
            self.refusals = 0;
            return Poll::Ready(Some(Ok(event)));
        }
        for _ in 0..STEPS {
            match self.step(Some(&mut *cx)) {
                Progress::Event(event) => return Poll::Ready(Some(Ok(event))),
                Progress::Nothing => return Poll::Pending,
                Progress::Again => {}
                Progress::Ended => {
                    self.finish(End::LastEvent);
                    return Poll::Ready(None);
                }
                Progress::Failed(error) => return Poll::Ready(self.fail(error)),
            }
        }
        // Many events have come that are not wanted: other tasks have their turn.
        wake_contained(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// One step towards the next event. With a context, its task is woken when there is more to do.
    fn step(&mut self, mut cx: Option<&mut Context<'_>>) -> Progress {
        if let Some(event) = self.ready.pop_front() {
            self.refusals = 0;
            return Progress::Event(event);
        }
        if let Some((until, pause)) = &mut self.pause {
            let is_over = match &mut cx {
                Some(cx) => poll_unconstrained(pause.as_mut(), cx).is_ready(),
                None => *until <= Instant::now(),
            };
            if !is_over {
                return Progress::Nothing;
            }
            self.pause = None;
        }
        let failed = match self.pump.look(cx.as_deref(), &mut self.ready) {
            Look::Event(event) => {
                self.refusals = 0;
                return Progress::Event(event);
            }
            Look::Pending => return Progress::Nothing,
            Look::Ended => return Progress::Ended,
            Look::Drive => {
                self.pump.run();
                Ok(())
            }
            Look::Dropped => self.request_dropped(),
            Look::Failed(error) => self.refused(error),
        };
        failed.map_or_else(Progress::Failed, |()| Progress::Again)
    }

    /// The generator has refused: asks again after a pause, or gives the error back if it is final.
    fn refused(&mut self, error: Error) -> Result<()> {
        if !is_transient(error.hresult()) || !self.pause_after_refusal() {
            return Err(error);
        }
        Ok(())
    }

    /// The generator has dropped the request, and has not said why: it is asked again, which shows it.
    fn request_dropped(&mut self) -> Result<()> {
        if !self.pump.has_generator() {
            return Err(generator_gone());
        }
        if self.refusals == 0 {
            self.refusals = 1;
            return Ok(());
        }
        if self.pause_after_refusal() { Ok(()) } else { Err(Error::abandoned(REQUESTS_DROPPED)) }
    }

    /// False if the generator has refused too often, or there is no runtime to wait on.
    fn pause_after_refusal(&mut self) -> bool {
        let Some(runtime) = Handle::try_current().ok().or_else(|| self.runtime.clone()) else { return false };
        self.refusals += 1;
        if self.refusals >= REFUSALS {
            return false;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << (self.refusals - 1).min(16)).min(LONGEST_PAUSE);
        let _context = runtime.enter();
        // A runtime without timers is only known by its panic.
        match contain(|| tokio::time::sleep(pause)) {
            Ok(sleep) => self.pause = Some((sleep.deadline(), Box::pin(GuardedFuture::new(sleep)))),
            Err(payload) => drop_payload(payload),
        }
        self.pause.is_some()
    }

    /// Ends with this cause; returns the last item.
    fn fail(&mut self, error: Error) -> Option<Result<MediaEvent>> {
        let quiet = error.is_shutdown() || !self.pump.has_generator();
        self.finish(End::Cause(error.clone()));
        if quiet { None } else { Some(Err(error)) }
    }

    fn finish(&mut self, end: End) {
        self.end = Some(end);
        self.pause = None;
        self.pump.close(std::mem::take(&mut self.ready));
    }

    /// What ended the stream, as an error.
    fn end_error(&self, what: impl Into<Cow<'static, str>>) -> Error {
        self.end_cause().cloned().unwrap_or_else(|| Error::new(Hresult::MF_E_END_OF_STREAM, what))
    }
}

impl<P: Overflow> Stream for EventStream<P> {
    type Item = Result<MediaEvent>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<MediaEvent>>> {
        // Not pinned structurally: nothing in here is ever pinned.
        let stream = self.get_mut();
        if stream.end.is_some() {
            return Poll::Ready(None);
        }
        let share = ready!(stream.budget.ask(cx));
        let polled = stream.poll_event(cx);
        if polled.is_ready() {
            stream.budget.spend(&share);
        }
        polled
    }
}

impl<P: Overflow> FusedStream for EventStream<P> {
    fn is_terminated(&self) -> bool {
        self.end.is_some()
    }
}

impl<P: Overflow> Drop for EventStream<P> {
    fn drop(&mut self) {
        self.pump.close(std::mem::take(&mut self.ready));
    }
}

impl<P: Overflow> fmt::Debug for EventStream<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("ended", &self.end.is_some())
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}

const REQUESTS_DROPPED: &str = "wait for an event: the generator drops every request without calling back";

/// So many refusals in a row are a failure; with these pauses that is after about 1.3 s.
const REFUSALS: u32 = 20;

/// The pause after the first refusal; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// So many steps that give the reader nothing are taken in one poll.
const STEPS: u32 = 8;
