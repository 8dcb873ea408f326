//! Media Foundation's further reaches, which few programs need: bounded queues, deadlines, MMCSS, platform events.

pub use crate::bounded_queue::{BoundedQueue, Permit};
pub use crate::mmcss::Mmcss;
pub use crate::platform::{PlatformEvents, PlatformEventsGuard};
pub use crate::queue::{Deadline, DeadlineStatus};
pub use crate::timer::PeriodicKey;
