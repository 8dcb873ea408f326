//! A closure outlives the call that puts it, so it cannot borrow a buffer of its caller's.

use mf_async::WorkQueue;

fn fill(queue: &WorkQueue) {
    let mut buffer = [0_u8; 16];
    drop(queue.run(|| buffer.fill(1)));
}

fn main() {}
