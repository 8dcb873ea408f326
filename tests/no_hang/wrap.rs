//! Callbacks around other callbacks, and wakers, whose every call may panic.

use std::sync::Arc;
use std::task::{Wake, Waker};

use mf_async::{AsyncCallback, AsyncResult, CallbackParameters};

/// What a callback panics at when it is asked for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Nothing,
    Name,
    Parameters,
}

/// A component's own callback around that of its caller: it forwards what a user can forward.
pub(crate) struct Wrapped {
    callback: Arc<dyn AsyncCallback>,
    panics_at: Asked,
}

impl Wrapped {
    pub(crate) fn new(callback: Arc<dyn AsyncCallback>, panics_at: Asked) -> Wrapped {
        Wrapped { callback, panics_at }
    }
}

impl AsyncCallback for Wrapped {
    fn parameters(&self) -> CallbackParameters {
        assert!(self.panics_at != Asked::Parameters, "planned");
        self.callback.parameters()
    }

    fn invoke(&self, result: &AsyncResult) {
        self.callback.invoke(result);
    }

    fn name(&self) -> &'static str {
        assert!(self.panics_at != Asked::Name, "planned");
        self.callback.name()
    }
}

/// A waker that panics when it wakes.
pub(crate) fn panicking_waker() -> Waker {
    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("planned");
        }
    }

    Waker::from(Arc::new(Panics))
}
