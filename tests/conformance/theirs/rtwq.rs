//! Theirs: long-running queues, deadlines, and who hears of the platform.

use mf_async::com::Mta;
use windows::Win32::Foundation::HANDLE;
use windows::Win32::System::Threading::{
    IRtwqPlatformEvents, IRtwqPlatformEvents_Impl, RtwqCancelDeadline, RtwqRegisterPlatformEvents,
    RtwqSetDeadline, RtwqSetDeadline2, RtwqSetLongRunning, RtwqUnregisterPlatformEvents,
};
use windows::core::{Result, implement};

use crate::subject::{Answer, Rtwq};
use crate::theirs::{Theirs, answer};

/// A deadline that was set.
pub(crate) struct Deadline(HANDLE);

// SAFETY: it names a deadline to what cancels it, on any thread.
unsafe impl Send for Deadline {}
// SAFETY: as above.
unsafe impl Sync for Deadline {}

#[implement(IRtwqPlatformEvents)]
struct EventsListener(Box<dyn Fn(&'static str) + Send + Sync>);

impl IRtwqPlatformEvents_Impl for EventsListener_Impl {
    fn InitializationComplete(&self) -> Result<()> {
        (self.0)("InitializationComplete");
        Ok(())
    }

    fn ShutdownStart(&self) -> Result<()> {
        (self.0)("ShutdownStart");
        Ok(())
    }

    fn ShutdownComplete(&self) -> Result<()> {
        (self.0)("ShutdownComplete");
        Ok(())
    }
}

impl Rtwq for Theirs {
    type Deadline = Deadline;
    type Listener = Mta<IRtwqPlatformEvents>;

    fn set_long_running(&self, queue: u32, enable: bool) -> Answer {
        // SAFETY: takes numbers, which may be any.
        answer(unsafe { RtwqSetLongRunning(queue, enable) })
    }

    fn set_deadline(&self, queue: u32, deadline: i64) -> Answer<Deadline> {
        // SAFETY: takes numbers, which may be any.
        answer(unsafe { RtwqSetDeadline(queue, deadline) }).map(Deadline)
    }

    fn set_deadline2(&self, queue: u32, deadline: i64, warning: i64) -> Answer<Deadline> {
        // SAFETY: takes numbers, which may be any.
        answer(unsafe { RtwqSetDeadline2(queue, deadline, warning) }).map(Deadline)
    }

    fn cancel_deadline(&self, deadline: Deadline) -> Answer {
        // SAFETY: it was set, and is not used any more.
        answer(unsafe { RtwqCancelDeadline(deadline.0) })
    }

    fn register_platform_events(
        &self,
        tell: impl Fn(&'static str) + Send + Sync + 'static,
    ) -> Answer<Mta<IRtwqPlatformEvents>> {
        let listener: Mta<IRtwqPlatformEvents> = Mta::of(EventsListener(Box::new(tell)));
        // SAFETY: the listener may be called from any thread.
        answer(unsafe { RtwqRegisterPlatformEvents(&*listener) }).map(|()| listener)
    }

    fn unregister_platform_events(&self, listener: Mta<IRtwqPlatformEvents>) -> Answer {
        // SAFETY: the listener was registered.
        answer(unsafe { RtwqUnregisterPlatformEvents(&*listener) })
    }
}
