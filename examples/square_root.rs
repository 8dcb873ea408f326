//! The component of the page "Writing an Asynchronous Method", ported from C++ call by call: a square root
//! with a Begin and an End. It is used twice, by a callback as in C++, and by `.await`.
//!
//! Run: `cargo run --example square_root`. It prints:
//! ```text
//! by callback: sqrt(2) = 1.4142135623730951
//! by .await:   sqrt(2) = 1.4142135623730951
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use mf_async::{
    AsyncCallback, AsyncResult, Error, Hresult, Platform, QueueId, Result, WeakPlatform, WorkItem,
};

/// `CSqrt`: the component, and the callback of its own work item.
pub struct SquareRoot {
    /// Weak, because a queue of the platform owns the component while its item waits there.
    platform: WeakPlatform,
}

/// `AsyncOp`: the private object, which carries the number there and its root back.
struct AsyncOp(Mutex<f64>);

impl SquareRoot {
    /// A component on this platform.
    pub fn new(platform: &Platform) -> Arc<SquareRoot> {
        Arc::new(SquareRoot { platform: platform.downgrade() })
    }

    /// `BeginSquareRoot`: makes the caller's result, and puts itself on a queue with that as its state.
    pub fn begin_square_root(self: &Arc<Self>, x: f64, callback: Arc<dyn AsyncCallback>) -> Result<()> {
        let platform = self.platform.upgrade()?;
        let result = platform.result(callback).object(AsyncOp::new(x)).build()?;
        platform.put(QueueId::STANDARD, WorkItem::new(self.clone()).state(result))
    }

    /// `EndSquareRoot`: the status if that is a failure, else the root.
    pub fn end_square_root(&self, result: &AsyncResult) -> Result<f64> {
        result.status().ok()?;
        Ok(*result.require_object::<AsyncOp>()?.value())
    }
}

impl AsyncCallback for SquareRoot {
    /// `Invoke`, on the queue's thread: does the work, and completes the caller's result.
    fn invoke(&self, result: &AsyncResult) {
        let Ok(callers) = result.require_state::<AsyncResult>() else { return };
        let done = callers.require_object().and_then(AsyncOp::calculate);
        callers.set_status(done.map_or_else(Hresult::from, |()| Hresult::S_OK));
        // An error means that the platform is shut down. Then an operation that waits has ended with that.
        let _ = callers.invoke();
    }
}

impl AsyncOp {
    fn new(x: f64) -> Arc<AsyncOp> {
        Arc::new(AsyncOp(Mutex::new(x)))
    }

    fn value(&self) -> impl std::ops::DerefMut<Target = f64> + '_ {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `DoCalculateSquareRoot`.
    fn calculate(&self) -> Result<()> {
        let mut value = self.value();
        if *value < 0.0 {
            let what = format!("calculate the square root of {}", *value);
            return Err(Error::new(Hresult::E_INVALIDARG, what));
        }
        *value = value.sqrt();
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let platform = Platform::startup()?;
    let component = SquareRoot::new(&platform);

    // As in C++: the callback is called on a queue's thread, and calls End.
    let (send, mut roots) = tokio::sync::mpsc::unbounded_channel();
    let ender = component.clone();
    let callback = Arc::new(move |result: &AsyncResult| _ = send.send(ender.end_square_root(result)));
    component.begin_square_root(2.0, callback)?;
    println!("by callback: sqrt(2) = {}", roots.recv().await.expect("the callback comes")?);

    let root = platform.begin_end(
        &component,
        |component, callback| component.begin_square_root(2.0, callback),
        |component, result| component.end_square_root(result),
    );
    println!("by .await:   sqrt(2) = {}", root.await?);

    platform.shutdown().await
}
