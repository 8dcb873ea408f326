//! An operation has one value, so it is awaited once.

use mf_async::{Operation, Result};

async fn twice(operation: Operation<u32>) -> Result<u32> {
    Ok(operation.await? + operation.await?)
}

fn main() {}
