//! What a play is given: a runtime of some flavor, and what the user's code in it does.

use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use mf_async::{AsyncCallback, AsyncResult, CallbackParameters, Error, Hresult, Platform, Result};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// The runtime of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    CurrentThread,
    MultiThread,
    Paused,
}

impl Flavor {
    pub(crate) const ALL: [Flavor; 3] = [Flavor::CurrentThread, Flavor::MultiThread, Flavor::Paused];

    /// One blocking thread, so that a play can hold up what is to run there.
    pub(crate) fn runtime(self) -> Runtime {
        let mut builder = match self {
            Flavor::MultiThread => Builder::new_multi_thread(),
            _ => Builder::new_current_thread(),
        };
        if self == Flavor::MultiThread {
            builder.worker_threads(2);
        }
        builder.enable_all().max_blocking_threads(1).start_paused(self == Flavor::Paused).build().unwrap()
    }
}

/// What the user's code does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// It succeeds, when it is told to.
    Succeeds,
    BeginFails,
    EndFails,
    BeginPanics,
    BodyPanics,
    EndPanics,
    DropPanics,
}

/// The setting of a play.
pub(crate) struct Given {
    pub(crate) platform: Platform,
    pub(crate) how: How,
    /// Whether the user wraps the callback that is handed to Begin.
    pub(crate) is_wrapped: bool,
}

impl Given {
    pub(crate) fn is(&self, hows: &[How]) -> bool {
        self.how == How::Succeeds || hows.contains(&self.how)
    }

    /// Begin itself: it fails, or panics, or is done.
    pub(crate) fn begin(&self) -> Result<()> {
        match self.how {
            How::BeginFails => Err(its_error()),
            How::BeginPanics => panic!("{}", EXPECTED),
            _ => Ok(()),
        }
    }

    /// The callback as it is handed to the component.
    pub(crate) fn wrap(&self, callback: Arc<dyn AsyncCallback>) -> Arc<dyn AsyncCallback> {
        if self.is_wrapped { Arc::new(Wrapped(callback)) } else { callback }
    }

    /// The user's End, or whatever is called last.
    pub(crate) fn last(&self) -> Last {
        Last { how: self.how, went: Went::default(), bomb: (self.how == How::DropPanics).then(DropBomb::new) }
    }
}

/// The error that the user's code fails with.
pub(crate) fn its_error() -> Error {
    Error::new(Hresult::E_NOTIMPL, "expected in a test")
}

/// What the user's code panics with.
pub(crate) const EXPECTED: &str = "expected in a test";

/// The user's code that is called last; it notes whether it was.
pub(crate) struct Last {
    how: How,
    pub(crate) went: Went,
    bomb: Option<DropBomb>,
}

impl Last {
    pub(crate) fn call(self) -> Result<()> {
        *self.went.0.lock().unwrap() = true;
        let _bomb = self.bomb;
        match self.how {
            How::EndFails => Err(its_error()),
            How::EndPanics | How::BodyPanics => panic!("{}", EXPECTED),
            _ => Ok(()),
        }
    }
}

impl Last {
    /// The same where the body is another.
    pub(crate) fn call_end(self) -> Result<()> {
        if self.how == How::BodyPanics { Ok(()) } else { self.call() }
    }
}

/// Whether the last code of the user's was called.
#[derive(Clone, Default)]
pub(crate) struct Went(Arc<Mutex<bool>>);

impl Went {
    pub(crate) fn on(&self) -> bool {
        *self.0.lock().unwrap()
    }
}

/// Its drop panics.
pub(crate) struct DropBomb(());

impl DropBomb {
    pub(crate) fn new() -> DropBomb {
        DropBomb(())
    }
}

impl Drop for DropBomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("{}", EXPECTED);
        }
    }
}

/// A waker that panics.
pub(crate) struct WakeBomb;

impl WakeBomb {
    pub(crate) fn waker() -> Waker {
        Waker::from(Arc::new(WakeBomb))
    }
}

impl Wake for WakeBomb {
    fn wake(self: Arc<Self>) {
        panic!("{}", EXPECTED);
    }
}

/// A callback of the user's around another: it forwards what it is asked for and called with.
pub(crate) struct Wrapped(pub(crate) Arc<dyn AsyncCallback>);

impl AsyncCallback for Wrapped {
    fn parameters(&self) -> CallbackParameters {
        self.0.parameters()
    }

    fn invoke(&self, result: &AsyncResult) {
        self.0.invoke(result);
    }
}

/// A future waits here until it is told to go on. When the other half is dropped it waits for ever.
pub(crate) fn told() -> (oneshot::Sender<()>, impl Future<Output = ()> + Send) {
    let (tell, told) = oneshot::channel();
    let waits = async move {
        if told.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    (tell, waits)
}

/// The body of a call: it waits until it is told to go on.
pub(crate) fn body<F: Future<Output = ()> + Send>(
    given: &Given,
    told: F,
) -> impl Future<Output = Result<()>> + Send + use<F> {
    let how = given.how;
    let bomb = (how == How::DropPanics).then(DropBomb::new);
    async move {
        let _bomb = bomb;
        told.await;
        match how {
            How::EndFails => Err(its_error()),
            How::BodyPanics => panic!("{}", EXPECTED),
            _ => Ok(()),
        }
    }
}
