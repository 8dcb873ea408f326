//! A waker is cloned, which may be user code, with no lock held: what the clone does may use the very thing that is polled.

use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use crate::support::page_transform::{Liberties, page_transform};
use crate::support::reader::page_reader;
use crate::support::{LIMIT, mta, sample, start};
use futures::stream::StreamExt;
use mf_async::com::{AsyncTransform, Mta, media_engine_events};
use windows::Win32::Media::MediaFoundation::MF_MEDIA_ENGINE_EVENT_PLAY;
use windows::core::HRESULT;

type Hook = Box<dyn Fn() + Send + Sync>;

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, |_| (), |_| (), drop_hook);

unsafe fn clone(data: *const ()) -> RawWaker {
    let hook = ManuallyDrop::new(unsafe { Arc::from_raw(data.cast::<Hook>()) });
    hook();
    RawWaker::new(Arc::into_raw(Arc::clone(&hook)).cast(), &TABLE)
}

unsafe fn drop_hook(data: *const ()) {
    drop(unsafe { Arc::from_raw(data.cast::<Hook>()) });
}

/// Polls once with a waker whose clone calls `hook`, on a thread of its own; `None` if that never returns.
fn polled<F: Future + Send + 'static>(
    future: F,
    hook: impl Fn() + Send + Sync + 'static,
) -> Option<Poll<F::Output>>
where
    F::Output: Send,
{
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || {
        let data = Arc::into_raw(Arc::new(Box::new(hook) as Hook));
        let waker = unsafe { Waker::new(data.cast(), &TABLE) };
        let polled = pin!(future).poll(&mut Context::from_waker(&waker));
        let _ = done.send(polled);
    });
    is_done.recv_timeout(LIMIT).ok()
}

#[test]
fn notifications() {
    let _platform = start();
    let (notify, mut events) = media_engine_events();
    let told = move || unsafe { notify.EventNotify(MF_MEDIA_ENGINE_EVENT_PLAY.0 as u32, 0, 0) }.unwrap();
    let next = async move { events.next().await.unwrap().event };
    assert_eq!(polled(next, told), Some(Poll::Ready(MF_MEDIA_ENGINE_EVENT_PLAY)));
}

#[test]
fn a_read() {
    let platform = start();
    let (reader, strings) = page_reader(&platform, 1);
    let read = reader.read_sample(0);
    let callback: Mta<_> = mta(strings.callback);
    let answer = move || unsafe { callback.OnReadSample(HRESULT(0), 0, 0, 7, &*sample(7)) }.unwrap();
    // What hangs has all of it.
    let time = async move {
        let timestamp = read.await.unwrap().timestamp;
        drop(reader);
        timestamp
    };
    assert_eq!(polled(time, answer), Some(Poll::Ready(7)));
}

#[test]
fn a_transform() {
    let platform = start();
    let (transform, _seen) = page_transform(Liberties::default());
    let mut transform = AsyncTransform::new(&platform, mta(transform)).unwrap();
    let handle = transform.handle();
    let next = async move { transform.next().await.is_some() };
    assert_eq!(polled(next, move || assert!(!format!("{handle:?}").is_empty())), Some(Poll::Pending));
}
