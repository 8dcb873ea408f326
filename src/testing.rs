//! Testing your component: orders explored, faults on demand, callbacks that record their calls, and a queue stepped by hand.
//!
//! # Testing your component
//! Every test starts a platform of its own. Platforms share nothing, so tests run in parallel. With tokio's clock
//! paused, timers take no time and are exact:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use mf_async::testing::{Fault, FaultyComponent};
//! use mf_async::{Hresult, Platform, Result};
//!
//! /// What is tested: code that gives a component 1 s, and one more try.
//! async fn answer(platform: &Platform, component: &Arc<FaultyComponent<u32>>) -> Result<u32> {
//!     let ask = || {
//!         platform
//!             .begin_end(
//!                 component,
//!                 |component, callback| component.begin(callback, None),
//!                 |component, result| component.end(result),
//!             )
//!             .timeout(Duration::from_secs(1))
//!     };
//!     match ask().await {
//!         Err(error) if error.hresult() == Hresult::ERROR_TIMEOUT => ask().await,
//!         other => other,
//!     }
//! }
//!
//! # /*
//! #[tokio::test(start_paused = true)]
//! # */
//! async fn a_late_answer_is_asked_for_again() -> Result<()> {
//!     let platform = Platform::startup()?;
//!     let component = FaultyComponent::new(&platform, 42);
//!     component.plan([Fault::Late(Duration::from_secs(3600))]);
//!
//!     assert_eq!(answer(&platform, &component).await?, 42);
//!     component.assert_begins(2);
//!     component.assert_ends(1);
//!
//!     drop(component);
//!     platform.shutdown().await
//! }
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<()> { a_late_answer_is_asked_for_again().await }
//! ```
//!
//! * [`FaultyComponent`] stands in for a component that you call: it breaks the contract as its plan of [`Fault`]s
//!   says.
//! * [`RecordingCallback`] stands in for a caller of a component that you write: it counts its calls, and records
//!   their results, queues and threads.
//! * [`explore()`] runs a test under a thousand orders of what may happen, and prints the shortest in which it fails; what a
//!   [`Faulty`] wraps goes wrong by chance there. See the chapter [Finding a race](crate::guide::finding_a_race).
//! * [`ManualQueue`] runs an item only at a call of [`step`](ManualQueue::step): it makes one interleaving certain.

mod chances;
mod component;
mod explore;
mod fault;
mod faulty;
mod manual_queue;
mod recording;

pub use self::chances::FaultChances;
pub use self::component::FaultyComponent;
pub use self::explore::{Explore, Explored, FailedSchedule, FailureKind, Strategy, explore};
pub use self::fault::Fault;
pub use self::faulty::Faulty;
pub use self::manual_queue::ManualQueue;
pub use self::recording::{RecordedCall, RecordingCallback};
