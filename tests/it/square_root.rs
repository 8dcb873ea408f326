//! The component of the example `square_root`, written by hand against the traits as a C++ author would,
//! behaves as the page says.

#[path = "../../examples/square_root.rs"]
#[expect(dead_code, unreachable_pub, reason = "an example is a program, with a `main`")]
mod example;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use example::SquareRoot;
use mf_async::{AsyncResult, Hresult, Platform, Result};
use tokio::sync::mpsc;

async fn roots_of_many() -> Result<()> {
    const CALLS: u32 = 100;
    let platform = Platform::startup()?;
    let component = SquareRoot::new(&platform);
    let operations: Vec<_> = (0..CALLS)
        .map(|x| {
            platform.begin_end(
                &component,
                |component, callback| component.begin_square_root(f64::from(x), callback),
                |component, result| component.end_square_root(result),
            )
        })
        .collect();
    for (x, operation) in (0..CALLS).zip(operations) {
        assert_eq!(operation.await?, f64::from(x).sqrt());
    }
    drop(component);
    platform.shutdown().await
}

#[tokio::test]
async fn roots_of_many_on_one_thread() -> Result<()> {
    roots_of_many().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roots_of_many_on_two() -> Result<()> {
    roots_of_many().await
}

#[tokio::test]
async fn the_callback_comes_once_and_keeps_the_component() -> Result<()> {
    let platform = Platform::startup()?;
    let component = SquareRoot::new(&platform);
    let calls = Arc::new(AtomicUsize::new(0));
    let (tell, mut told) = mpsc::unbounded_channel();
    let (ender, counter) = (component.clone(), calls.clone());
    let callback = Arc::new(move |result: &AsyncResult| {
        counter.fetch_add(1, Ordering::SeqCst);
        let _ = tell.send(ender.end_square_root(result));
    });
    component.begin_square_root(9.0, callback)?;
    drop(component);
    assert_eq!(told.recv().await.expect("it is called")?, 3.0);
    platform.shutdown().await?;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert!(told.recv().await.is_none());
    Ok(())
}

#[tokio::test]
async fn a_failure_comes_by_the_callback_as_the_status() -> Result<()> {
    let platform = Platform::startup()?;
    let component = SquareRoot::new(&platform);
    let outcome = platform
        .begin_end(
            &component,
            |component, callback| component.begin_square_root(-1.0, callback),
            |component, result| component.end_square_root(result),
        )
        .outcome()
        .await;
    assert_eq!(outcome.begin, Hresult::S_OK);
    assert_eq!(outcome.status, Hresult::E_INVALIDARG);
    assert_eq!(outcome.value.expect_err("it is negative").hresult(), Hresult::E_INVALIDARG);
    drop(component);
    platform.shutdown().await
}

#[tokio::test]
async fn end_refuses_a_foreign_result() -> Result<()> {
    let platform = Platform::startup()?;
    let component = SquareRoot::new(&platform);
    let foreign = platform.event_result().object(Arc::new(3_u32)).build()?;
    let code = component.end_square_root(&foreign).map_err(Hresult::from);
    assert_eq!(code, Err(Hresult::E_NOINTERFACE));
    drop((foreign, component));
    platform.shutdown().await
}

#[tokio::test]
async fn begin_fails_when_the_platform_is_shut_down_and_nobody_is_called() -> Result<()> {
    let platform = Platform::startup()?;
    let component = SquareRoot::new(&platform);
    platform.shutdown().await?;
    let (tell, mut told) = mpsc::unbounded_channel();
    let callback = Arc::new(move |_: &AsyncResult| _ = tell.send(()));
    let code = component.begin_square_root(2.0, callback).map_err(Hresult::from);
    assert_eq!(code, Err(Hresult::MF_E_SHUTDOWN));
    assert!(told.recv().await.is_none(), "the callback was let go");
    Ok(())
}

#[tokio::test]
async fn a_component_that_is_kept_does_not_keep_the_platform() -> Result<()> {
    let platform = Platform::startup()?;
    let component = SquareRoot::new(&platform);
    let operation = platform.begin_end(
        &component,
        |component, callback| component.begin_square_root(4.0, callback),
        |component, result| component.end_square_root(result),
    );
    drop(platform);
    // The item had run, or the platform has ended: the operation does not wait for a shutdown.
    let root = operation.await.map_err(Hresult::from);
    assert!(root == Ok(2.0) || root == Err(Hresult::MF_E_SHUTDOWN), "{root:?}");
    let code = component.begin_square_root(2.0, Arc::new(|_: &AsyncResult| ())).map_err(Hresult::from);
    assert_eq!(code, Err(Hresult::MF_E_SHUTDOWN));
    Ok(())
}
