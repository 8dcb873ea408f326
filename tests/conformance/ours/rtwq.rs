//! Ours: long-running queues, deadlines, and who hears of the platform.

use std::sync::Arc;
use std::time::Duration;

use mf_async::rtwq::{Deadline, PlatformEvents, PlatformEventsGuard};

use crate::ours::{Ours, answer};
use crate::subject::{Answer, Rtwq};

struct Told<F>(F);

impl<F: Fn(&'static str) + Send + Sync> PlatformEvents for Told<F> {
    fn initialization_complete(&self) {
        (self.0)("InitializationComplete");
    }

    fn shutdown_start(&self) {
        (self.0)("ShutdownStart");
    }

    fn shutdown_complete(&self) {
        (self.0)("ShutdownComplete");
    }
}

fn time(hundreds_of_nanoseconds: i64) -> Duration {
    Duration::from_nanos(u64::try_from(hundreds_of_nanoseconds).unwrap_or(0).saturating_mul(100))
}

impl Rtwq for Ours {
    type Deadline = Deadline;
    type Listener = PlatformEventsGuard;

    fn set_long_running(&self, queue: u32, enable: bool) -> Answer {
        answer(self.platform().queue(queue)).map(|queue| queue.set_long_running(enable))
    }

    fn set_deadline(&self, queue: u32, deadline: i64) -> Answer<Deadline> {
        answer(self.platform().queue(queue)).map(|queue| queue.set_deadline(time(deadline)))
    }

    fn set_deadline2(&self, queue: u32, deadline: i64, warning: i64) -> Answer<Deadline> {
        let (within, warn_after) = (time(deadline), time(warning));
        answer(self.platform().queue(queue)).map(|queue| queue.set_deadline_with_warning(within, warn_after))
    }

    fn cancel_deadline(&self, deadline: Deadline) -> Answer {
        drop(deadline);
        Ok(())
    }

    fn register_platform_events(
        &self,
        tell: impl Fn(&'static str) + Send + Sync + 'static,
    ) -> Answer<PlatformEventsGuard> {
        Ok(self.platform().register_platform_events(Arc::new(Told(tell))))
    }

    fn unregister_platform_events(&self, listener: PlatformEventsGuard) -> Answer {
        drop(listener);
        Ok(())
    }
}
