//! `EventStream`: the events of a generator as a stream that loses none and never asks twice.

#[cfg(all(test, mf_async_loom))]
mod loom;
mod overflow;
mod pump;
mod slot;

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::stream::{FusedStream, Stream};
use tokio::runtime::Handle;
use tokio::task::coop::poll_proceed;
use tokio::time::Sleep;

pub use self::overflow::{DropNewest, DropOldest, Latest, Lossless, Overflow};

use self::pump::{GENERATOR_GONE, Look, Pump, is_transient};
use crate::error::{Error, Hresult, Result};
use crate::event::{MediaEvent, MediaEventType, SharedGenerator};

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
/// never left in a state where nobody can ask. What happens to events that come faster than they are
/// read is the type `P`: [`Lossless`] unless chosen otherwise. An event whose own status is a failure is
/// an item like any other; see [`MediaEvent::ok`].
///
/// The stream does not keep the generator alive, and has it to itself: another stream of the same
/// generator is refused as long as this one lives. One that is made when this one is dropped takes over: it
/// has every event that this one has not read, in order, also while this one's callback is still at work on
/// another thread.
///
/// # The end
/// The stream ends, with `None`, when the generator is shut down or dropped, or its platform is shut
/// down, and after the event given to [`until`](EventStream::until). [`end_cause`](EventStream::end_cause) says which. Any
/// other failure is an `Err` item, once, and then the end. A generator that refuses for the moment
/// (`MF_E_NOTACCEPTING`, `MF_E_INVALIDREQUEST`) is asked again, after 1 ms at first and never more than
/// 100 ms; if it refuses 20 times in a row, that is a failure. That needs a tokio runtime with timers;
/// without one the first refusal is the failure.
///
/// # Cancel safety
/// Dropping a future that waits for the next event loses nothing and asks nothing twice; the next one
/// goes on. Dropping the *stream* takes back its request, and events that it had taken and nobody had
/// read go back to the front of the generator's queue. A generator that is not made of a
/// [`MediaEventQueue`](crate::MediaEventQueue) may not be able to take them back; then at most one event is lost.
#[must_use = "a stream does nothing unless it is polled"]
pub struct EventStream<P: Overflow = Lossless> {
    pump: Arc<Pump>,
    /// What was taken and is the reader's already.
    ready: VecDeque<MediaEvent>,
    pause: Option<Pin<Box<Sleep>>>,
    /// Refusals since the last event.
    refusals: u32,
    runtime: Option<Handle>,
    end: Option<End>,
    policy: PhantomData<fn() -> P>,
    /// What must live as long as the stream; the last field, since the pump says goodbye to it.
    _kept: Option<Arc<dyn Any + Send + Sync>>,
}

/// Why the stream has ended.
enum End {
    LastEvent,
    Cause(Error),
}

impl EventStream {
    /// A stream that loses nothing.
    ///
    /// # Errors
    /// As [`new`](EventStream::new).
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
    /// `MF_E_MULTIPLE_SUBSCRIBERS` when another stream has the generator, or a request of somebody else is
    /// outstanding; neither is disturbed. `MF_E_SHUTDOWN` when the generator is shut down. Otherwise
    /// what the generator says.
    pub fn new(generator: &impl SharedGenerator, policy: P) -> Result<EventStream<P>> {
        let weak = generator.downgrade();
        let Some(strong) = weak.upgrade() else { return Err(Error::abandoned(GENERATOR_GONE)) };
        let pump = Pump::new(weak, policy.policy());
        strong.subscribe(&pump.token())?;
        let mut stream = EventStream {
            pump,
            ready: VecDeque::new(),
            pause: None,
            refusals: 0,
            runtime: Handle::try_current().ok(),
            end: None,
            policy: PhantomData,
            _kept: None,
        };
        stream.pump.advance();
        if let Some(error) = stream.pump.take_failure() {
            stream.refused(error)?;
        }
        Ok(stream)
    }

    /// Keeps something alive as long as the stream: a generator that nobody else holds.
    #[cfg(windows)]
    pub(crate) fn keep(mut self, kept: Arc<dyn Any + Send + Sync>) -> EventStream<P> {
        self._kept = Some(kept);
        self
    }

    /// Passes only events of these types; others are taken and let go.
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

    /// Waits for an event of this type, and lets those before it go.
    ///
    /// # Errors
    /// The status of an [`MEError`](MediaEventType::MEError) that comes first; what made the stream fail;
    /// why it ended, and `MF_E_END_OF_STREAM` when it ended with its last event.
    ///
    /// # Cancel safety
    /// Cancel safe, save that the events passed over are gone.
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
        }
        Err(self.end_cause().cloned().unwrap_or_else(|| {
            let what = format!("wait for the event {wanted}: the stream ended before it");
            Error::new(Hresult::MF_E_END_OF_STREAM, what)
        }))
    }

    /// Why the stream has ended: `MF_E_SHUTDOWN`, that the generator was dropped, or what failed. `None`
    /// while it has not, and when it ended with its last event.
    #[must_use]
    pub fn end_cause(&self) -> Option<&Error> {
        if let Some(End::Cause(error)) = &self.end { Some(error) } else { None }
    }

    /// How many events were lost because nobody read them in time; always 0 for [`Lossless`].
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.pump.dropped()
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<MediaEvent>>> {
        for _ in 0..MOVES {
            if let Some(event) = self.ready.pop_front() {
                self.refusals = 0;
                return Poll::Ready(Some(Ok(event)));
            }
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let refused = match self.pump.look(cx, &mut self.ready) {
                Look::Event(event) => {
                    self.refusals = 0;
                    return Poll::Ready(Some(Ok(event)));
                }
                Look::Pending => return Poll::Pending,
                Look::Ended => {
                    self.finish(End::LastEvent);
                    return Poll::Ready(None);
                }
                Look::Move => {
                    self.pump.advance();
                    Ok(())
                }
                Look::LetGo => self.let_go(),
                Look::Failed(error) => self.refused(error),
            };
            if let Err(error) = refused {
                return Poll::Ready(self.fail(error));
            }
        }
        // Much has come that nobody wants: let others have their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The generator has refused: asks again after a pause, or gives the error back if it is final.
    fn refused(&mut self, error: Error) -> Result<()> {
        if !is_transient(error.hresult()) || !self.pause_after_refusal() {
            return Err(error);
        }
        Ok(())
    }

    /// The generator has dropped the request, and has not said why: asking again will tell.
    fn let_go(&mut self) -> Result<()> {
        if self.pump.generator().is_none() {
            return Err(Error::abandoned(GENERATOR_GONE));
        }
        if self.refusals == 0 {
            self.refusals = 1;
            return Ok(());
        }
        if self.pause_after_refusal() { Ok(()) } else { Err(Error::abandoned(LET_GO)) }
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
        self.pause = Some(Box::pin(tokio::time::sleep(pause)));
        true
    }

    /// Ends with this cause; returns the last item.
    fn fail(&mut self, error: Error) -> Option<Result<MediaEvent>> {
        let quiet = error.is_shutdown() || self.pump.generator().is_none();
        self.finish(End::Cause(error.clone()));
        if quiet { None } else { Some(Err(error)) }
    }

    fn finish(&mut self, end: End) {
        self.end = Some(end);
        self.pause = None;
        self.pump.close(std::mem::take(&mut self.ready));
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
        let turn = ready!(poll_proceed(cx));
        let polled = stream.poll_event(cx);
        if polled.is_ready() {
            turn.made_progress();
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

const LET_GO: &str = "wait for an event: the generator lets go of every request without calling back";

/// So many refusals in a row are a failure; with these pauses that is after about 1.3 s.
const REFUSALS: u32 = 20;

/// The pause after the first refusal; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// So many steps that give the reader nothing are taken in one poll.
const MOVES: u32 = 64;
