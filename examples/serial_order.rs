//! A media source's operation queue: operations run one at a time in the order in which they were begun,
//! however long each takes; what is not valid is refused by Begin, and then no callback comes.
//!
//! Run: `cargo run --example serial_order`. It prints:
//! ```text
//! refused: E_INVALIDARG (0x80070057): seek to -1 s: before the start
//! start, seek, stop
//! ```

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mf_async::{AsyncCallback, CancelCookie, Error, Hresult, Method, Operation, Platform, Result};

struct Source {
    method: Method<()>,
    log: Arc<Mutex<Vec<&'static str>>>,
}

impl Source {
    fn begin(
        &self,
        name: &'static str,
        takes: u64,
        callback: Arc<dyn AsyncCallback>,
    ) -> Result<CancelCookie> {
        let log = self.log.clone();
        self.method.begin(callback, async move {
            tokio::time::sleep(Duration::from_millis(takes)).await;
            log.lock().unwrap_or_else(PoisonError::into_inner).push(name);
            Ok(())
        })
    }

    fn begin_seek(&self, to: i64, callback: Arc<dyn AsyncCallback>) -> Result<CancelCookie> {
        if to < 0 {
            return Err(Error::new(Hresult::E_INVALIDARG, format!("seek to {to} s: before the start")));
        }
        self.begin("seek", 5, callback)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let platform = Platform::startup()?;
    let source = Source { method: platform.method().serialized(), log: Arc::default() };
    let operation = |begin: &dyn Fn(Arc<dyn AsyncCallback>) -> Result<CancelCookie>| -> Operation<()> {
        let ender = source.method.clone();
        platform.begin_end(&(), |(), callback| begin(callback), move |(), result| ender.end(result))
    };

    let refused = operation(&|callback| source.begin_seek(-1, callback)).await;
    println!("refused: {}", refused.expect_err("it is before the start"));

    operation(&|callback| source.begin("start", 20, callback)).detach();
    operation(&|callback| source.begin_seek(30, callback)).detach();
    operation(&|callback| source.begin("stop", 0, callback)).await?;
    println!("{}", source.log.lock().unwrap_or_else(PoisonError::into_inner).join(", "));
    platform.shutdown().await
}
