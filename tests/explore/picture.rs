//! Promise: a schedule that is replayed while a timeline records is in its picture.

use mf_async::QueueId;
use mf_async::testing::{Explore, FailureKind};
use mf_async::timeline;

#[test]
fn a_replay_is_drawn() {
    let timeline = timeline::record();
    let failed = Explore::new()
        .replay("1:")
        .check(|platform| async move { platform.queue(QueueId::IO)?.run(|| panic!("drawn")).await });
    assert_eq!(failed.expect_err("it panics").kind(), FailureKind::Panic);
    assert!(timeline.lanes().iter().any(|lane| lane.queue == QueueId::IO));
    assert!(timeline.svg("a replay").contains("IO"));
}
