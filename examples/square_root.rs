//! The component of the page "Writing an Asynchronous Method", ported from C++ call by call: a square root
//! with a Begin and an End. It is used twice, by a callback as in C++, and by `.await`.
//!
//! Run: `cargo run --example square_root`. It prints:
//! ```text
//! by callback: sqrt(2) = 1.4142135623730951
//! by .await:   sqrt(2) = 1.4142135623730951
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use mf_async::{AsyncCallback, AsyncResult, Error, Hresult, Platform, QueueId, Result, Unknown, WorkItem};

/// `CSqrt`: the component, and the callback of its own work item.
pub struct SquareRoot {
    platform: Platform,
}

/// `AsyncOp`: the private object, which carries the number there and its root back.
struct AsyncOp(Mutex<f64>);

impl SquareRoot {
    /// A component on this platform.
    pub fn new(platform: &Platform) -> Arc<SquareRoot> {
        Arc::new(SquareRoot { platform: platform.clone() })
    }

    /// `BeginSquareRoot`: makes the caller's result, and puts itself on a queue with that as its state.
    pub fn begin_square_root(
        self: &Arc<Self>,
        x: f64,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        let operation = Arc::new(AsyncOp(Mutex::new(x)));
        let result = self.platform.result(callback).object(operation).state(state).build()?;
        self.platform.put(QueueId::STANDARD, WorkItem::new(self.clone()).state(Arc::new(result)))
    }

    /// `EndSquareRoot`: the status if that is a failure, else the root.
    pub fn end_square_root(&self, result: &AsyncResult) -> Result<f64> {
        result.status().ok()?;
        let operation = result.require_object::<AsyncOp>()?;
        Ok(*operation.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// `DoCalculateSquareRoot`.
    fn calculate(operation: &AsyncOp) -> Result<()> {
        let mut value = operation.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *value < 0.0 {
            return Err(Error::new(Hresult::E_INVALIDARG, format!("calculate the square root of {value}")));
        }
        *value = value.sqrt();
        Ok(())
    }
}

impl AsyncCallback for SquareRoot {
    /// `Invoke`, on the queue's thread: does the work, and completes the caller's result.
    fn invoke(&self, result: &AsyncResult) {
        let Some(callers) = result.state::<AsyncResult>() else { return };
        let done = callers.require_object().and_then(SquareRoot::calculate);
        callers.set_status(done.map_or_else(Hresult::from, |()| Hresult::S_OK));
        if let Err(error) = self.platform.invoke_callback(callers) {
            eprintln!("nobody hears of the square root: {error}");
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let platform = Platform::startup()?;
    let component = SquareRoot::new(&platform);

    // As in C++: the callback is called on a queue's thread, and calls End.
    let (tell, told) = std::sync::mpsc::channel();
    let ender = component.clone();
    let callback = Arc::new(move |result: &AsyncResult| {
        let _ = tell.send(ender.end_square_root(result));
    });
    component.begin_square_root(2.0, callback, None)?;
    let root =
        tokio::task::spawn_blocking(move || told.recv()).await.expect("the thread ends").expect("a call");
    println!("by callback: sqrt(2) = {}", root?);

    let ender = component.clone();
    let root = platform.begin_end(
        &(),
        |(), callback| component.begin_square_root(2.0, callback, None),
        move |(), result| ender.end_square_root(result),
    );
    println!("by .await:   sqrt(2) = {}", root.await?);

    drop(component);
    platform.shutdown().await
}
