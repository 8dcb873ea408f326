//! A media source's operation queue: Start, Seek and Stop run one at a time in the order in which they were
//! begun, though each takes as long as it likes; what is not valid is refused by Begin, and calls nobody.
//!
//! Run: `cargo run --example serial_order`. It prints:
//! ```text
//! seek to -1 refused: E_INVALIDARG (0x80070057): seek to -1 s: before the start
//! started
//! at 30 s
//! stopped after 2 operations
//! ```

use std::sync::Arc;
use std::time::Duration;

use mf_async::{AsyncCallback, CancelCookie, Error, Hresult, Method, Platform, Result};

struct Source {
    control: Method<()>,
    stop: Method<u32>,
}

impl Source {
    fn begin_start(&self, callback: Arc<dyn AsyncCallback>) -> Result<CancelCookie> {
        self.control.begin(callback, None, async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            println!("started");
            Ok(())
        })
    }

    fn begin_seek(&self, to: i64, callback: Arc<dyn AsyncCallback>) -> Result<CancelCookie> {
        if to < 0 {
            return Err(Error::new(Hresult::E_INVALIDARG, format!("seek to {to} s: before the start")));
        }
        self.control.begin_blocking(callback, None, move || {
            println!("at {to} s");
            Ok(())
        })
    }

    fn begin_stop(&self, callback: Arc<dyn AsyncCallback>) -> Result<CancelCookie> {
        self.stop.begin(callback, None, async { Ok(2) })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let platform = Platform::startup()?;
    let control = platform.method().serialized();
    let source = Source { stop: control.sibling(), control: control.clone() };

    let refused = platform.begin_end(|callback| source.begin_seek(-1, callback), |_| Ok(()));
    println!("seek to -1 refused: {}", refused.await.expect_err("it is before the start"));

    platform.begin_end(|callback| source.begin_start(callback), |_| Ok(())).detach();
    platform.begin_end(|callback| source.begin_seek(30, callback), |_| Ok(())).detach();
    let ender = source.stop.clone();
    let stopped = platform.begin_end(|callback| source.begin_stop(callback), move |result| ender.end(result));
    println!("stopped after {} operations", stopped.await?);
    platform.shutdown().await
}
