//! A media source's operation queue: operations run one at a time in the order in which they were begun,
//! however long each takes; what is not valid is refused at once, and then nothing runs.
//!
//! Run: `cargo run --example serial_order`. It prints:
//! ```text
//! refused: E_INVALIDARG (0x80070057): seek to -1 s: before the start
//! start, seek, stop
//! ```

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mf_async::{Error, Hresult, Method, Operation, Platform, Result};

struct Source {
    method: Method<()>,
    log: Arc<Mutex<Vec<&'static str>>>,
}

impl Source {
    fn start(&self) -> Operation<()> {
        self.operate("start", 20)
    }

    fn seek(&self, to: i64) -> Operation<()> {
        if to < 0 {
            let what = format!("seek to {to} s: before the start");
            return Operation::failed(Error::new(Hresult::E_INVALIDARG, what));
        }
        self.operate("seek", 5)
    }

    fn stop(&self) -> Operation<()> {
        self.operate("stop", 0)
    }

    fn operate(&self, name: &'static str, takes_ms: u64) -> Operation<()> {
        let log = self.log.clone();
        self.method.call(async move {
            tokio::time::sleep(Duration::from_millis(takes_ms)).await;
            log.lock().unwrap_or_else(PoisonError::into_inner).push(name);
            Ok(())
        })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let platform = Platform::startup()?;
    let source = Source { method: platform.method().serialized(), log: Arc::default() };

    println!("refused: {}", source.seek(-1).await.expect_err("it is before the start"));

    source.start().detach();
    source.seek(30).detach();
    source.stop().await?;
    println!("{}", source.log.lock().unwrap_or_else(PoisonError::into_inner).join(", "));
    platform.shutdown().await
}
