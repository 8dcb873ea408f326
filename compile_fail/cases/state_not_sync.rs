//! A state is read on other threads, so it must be `Sync`.

use std::cell::Cell;
use std::sync::Arc;

use mf_async::Unknown;

fn main() {
    let _state: Unknown = Arc::new(Cell::new(1));
}
