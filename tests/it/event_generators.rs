//! What the tests of event streams share: a component with an event queue, and a generator that wraps another.

use std::sync::Arc;

use mf_async::event::{GetEventFlags, HasEventQueue};
use mf_async::{
    AsyncCallback, AsyncResult, Hresult, MediaEvent, MediaEventGenerator, MediaEventQueue, Platform, Result,
    Unknown,
};

use crate::support::both_runtimes;

/// A component that is a generator by its event queue.
pub(crate) struct Source {
    pub(crate) events: MediaEventQueue,
}

impl Source {
    pub(crate) fn new(platform: &Platform) -> Arc<Source> {
        Arc::new(Source { events: platform.create_event_queue().unwrap() })
    }
}

impl HasEventQueue for Source {
    fn event_queue(&self) -> &MediaEventQueue {
        &self.events
    }
}

/// A generator of a user's that wraps another, and forwards the four calls of the contract and nothing else.
pub(crate) struct Forward(Arc<dyn MediaEventGenerator>);

impl MediaEventGenerator for Forward {
    fn get_event(&self, flags: GetEventFlags) -> Result<MediaEvent> {
        self.0.get_event(flags)
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        self.0.begin_get_event(callback, state)
    }

    fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent> {
        self.0.end_get_event(result)
    }

    fn queue_event(&self, event: MediaEvent) -> Result<()> {
        self.0.queue_event(event)
    }
}

/// How a stream sees its generator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Seen {
    Itself,
    /// Through a generator that wraps it.
    Wrapped,
    /// Through two.
    WrappedTwice,
}

impl Seen {
    const ALL: [Seen; 3] = [Seen::Itself, Seen::Wrapped, Seen::WrappedTwice];

    pub(crate) fn through<G: MediaEventGenerator + 'static>(
        self,
        generator: &Arc<G>,
    ) -> Arc<dyn MediaEventGenerator> {
        let generator: Arc<dyn MediaEventGenerator> = generator.clone();
        match self {
            Seen::Itself => generator,
            Seen::Wrapped => Arc::new(Forward(generator)),
            Seen::WrappedTwice => Arc::new(Forward(Arc::new(Forward(generator)))),
        }
    }

    pub(crate) fn source(self, platform: &Platform) -> Arc<dyn MediaEventGenerator> {
        self.through(&Source::new(platform))
    }
}

/// Runs a test with each way to see a generator.
pub(crate) fn however_seen(test: impl Fn(Seen)) {
    for seen in Seen::ALL {
        eprintln!("the generator is seen: {seen:?}");
        test(seen);
    }
}

/// Runs a test on both kinds of runtime, with each way to see a generator.
pub(crate) fn everywhere<F: Future<Output = ()>>(body: impl FnOnce(Seen) -> F + Copy + Send + 'static) {
    however_seen(|seen| both_runtimes(move || body(seen)));
}
