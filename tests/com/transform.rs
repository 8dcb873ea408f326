//! An asynchronous transform is a sink and a stream: what goes in comes out, once, in order, through drains, flushes
//! and changes of format, and no call is made that the transform did not ask for.

use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use futures::{FutureExt, SinkExt, StreamExt, TryStreamExt};
use mf_async::com::{AsyncTransform, Mta, Platform};
use mf_async::{ErrorKind, Hresult};
use windows::Win32::Foundation::{E_NOTIMPL, E_UNEXPECTED};
use windows::Win32::Media::MediaFoundation::*;
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{GUID, HRESULT, IUnknown, Ref, Result, implement};

use crate::support::page_transform::{self, Liberties, page_transform};
use crate::support::transform::{sends_events, unused_of_a_transform};
use crate::support::*;

/// An asynchronous transform that passes samples through, by the book.
#[implement(IMFTransform, IMFMediaEventGenerator, IMFShutdown)]
struct Pass {
    attributes: IMFAttributes,
    events: IMFMediaEventQueue,
    inside: Mutex<Inside>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Inside {
    held: VecDeque<IMFSample>,
    asked: u32,
    offered: u32,
    draining: bool,
    change_at: Option<u32>,
    changing: bool,
    taken: u32,
}

#[derive(Default)]
struct Seen {
    out_of_turn: AtomicU32,
    starts: AtomicU32,
    types: AtomicU32,
}

impl Pass {
    fn create(asynchronous: bool, change_at: Option<u32>) -> (IMFTransform, Arc<Seen>) {
        let mut attributes = None;
        unsafe { MFCreateAttributes(&mut attributes, 1) }.unwrap();
        let attributes = attributes.unwrap();
        unsafe { attributes.SetUINT32(&MF_TRANSFORM_ASYNC, asynchronous.into()) }.unwrap();
        let seen = Arc::new(Seen::default());
        let inside = Mutex::new(Inside { change_at, ..Inside::default() });
        let events = unsafe { MFCreateEventQueue() }.unwrap();
        (Pass { attributes, events, inside, seen: seen.clone() }.into(), seen)
    }

    fn tell(&self, event: MF_EVENT_TYPE) -> Result<()> {
        unsafe {
            self.events.QueueEventParamVar(event.0 as u32, &GUID::zeroed(), HRESULT(0), std::ptr::null())
        }
    }

    fn unlocked(&self) -> Result<()> {
        match unsafe { self.attributes.GetUINT32(&MF_TRANSFORM_ASYNC_UNLOCK) } {
            Ok(1) => Ok(()),
            _ => Err(MF_E_TRANSFORM_ASYNC_LOCKED.into()),
        }
    }

    fn ask(&self, inside: &mut Inside) -> Result<()> {
        inside.asked += 1;
        self.tell(METransformNeedInput)
    }

    fn offer(&self, inside: &mut Inside) -> Result<()> {
        inside.offered += 1;
        self.tell(METransformHaveOutput)
    }

    fn finish_drain(&self, inside: &mut Inside) -> Result<()> {
        if inside.draining && inside.held.is_empty() && !inside.changing {
            inside.draining = false;
            self.tell(METransformDrainComplete)?;
        }
        Ok(())
    }

    fn out_of_turn(&self, code: HRESULT) -> Result<()> {
        self.seen.out_of_turn.fetch_add(1, SeqCst);
        Err(code.into())
    }
}

sends_events!(Pass_Impl);

impl IMFTransform_Impl for Pass_Impl {
    unused_of_a_transform!();

    fn GetOutputStreamInfo(&self, _: u32) -> Result<MFT_OUTPUT_STREAM_INFO> {
        let flags = MFT_OUTPUT_STREAM_PROVIDES_SAMPLES.0 as u32;
        Ok(MFT_OUTPUT_STREAM_INFO { dwFlags: flags, ..Default::default() })
    }
    fn GetAttributes(&self) -> Result<IMFAttributes> {
        Ok(self.attributes.clone())
    }
    fn GetOutputAvailableType(&self, _: u32, _: u32) -> Result<IMFMediaType> {
        Ok(pcm().into_inner())
    }
    fn SetInputType(&self, _: u32, _: Ref<'_, IMFMediaType>, _: u32) -> Result<()> {
        self.unlocked()
    }
    fn SetOutputType(&self, _: u32, _: Ref<'_, IMFMediaType>, _: u32) -> Result<()> {
        self.unlocked()?;
        self.seen.types.fetch_add(1, SeqCst);
        let mut inside = self.inside.lock().unwrap();
        if std::mem::take(&mut inside.changing) {
            self.offer(&mut inside)?;
        }
        Ok(())
    }
    fn ProcessMessage(&self, message: MFT_MESSAGE_TYPE, _: usize) -> Result<()> {
        self.unlocked()?;
        let mut inside = self.inside.lock().unwrap();
        match message {
            MFT_MESSAGE_NOTIFY_START_OF_STREAM => {
                self.seen.starts.fetch_add(1, SeqCst);
                self.ask(&mut inside)?;
                self.ask(&mut inside)
            }
            MFT_MESSAGE_COMMAND_DRAIN => {
                (inside.draining, inside.asked) = (true, 0);
                self.finish_drain(&mut inside)
            }
            MFT_MESSAGE_COMMAND_FLUSH => {
                *inside = Inside::default();
                Ok(())
            }
            _ => Ok(()),
        }
    }
    fn ProcessInput(&self, _: u32, sample: Ref<'_, IMFSample>, _: u32) -> Result<()> {
        self.unlocked()?;
        let mut inside = self.inside.lock().unwrap();
        if inside.asked == 0 {
            return self.out_of_turn(MF_E_NOTACCEPTING);
        }
        inside.asked -= 1;
        inside.held.push_back(sample.ok()?.clone());
        self.offer(&mut inside)
    }
    fn ProcessOutput(&self, _: u32, _: u32, buffers: *mut MFT_OUTPUT_DATA_BUFFER, _: *mut u32) -> Result<()> {
        self.unlocked()?;
        let mut inside = self.inside.lock().unwrap();
        if inside.offered == 0 {
            return self.out_of_turn(E_UNEXPECTED);
        }
        inside.offered -= 1;
        if inside.change_at == Some(inside.taken) {
            (inside.change_at, inside.changing) = (None, true);
            return Err(MF_E_TRANSFORM_STREAM_CHANGE.into());
        }
        inside.taken += 1;
        unsafe { (*buffers).pSample = ManuallyDrop::new(inside.held.pop_front()) };
        if !inside.draining {
            self.ask(&mut inside)?;
        }
        self.finish_drain(&mut inside)
    }
}

fn pass(platform: &Platform, change_at: Option<u32>) -> (AsyncTransform, Arc<Seen>) {
    let (transform, seen) = Pass::create(true, change_at);
    (AsyncTransform::new(platform, mta(transform)).unwrap(), seen)
}

fn time(sample: &Mta<IMFSample>) -> i64 {
    unsafe { sample.GetSampleTime() }.unwrap() / 1_000_000
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_in_comes_out_in_order() {
    let platform = start();
    let (transform, seen) = pass(&platform, None);
    let (mut input, output) = transform.split();
    let put = async {
        for index in 0..50 {
            input.send(sample(index)).await?;
        }
        input.close().await
    };
    let take = output.map_ok(|sample| time(&sample)).try_collect::<Vec<_>>();
    let (put, times) = within(async { tokio::join!(put, take) }).await;
    put.unwrap();
    assert_eq!(times.unwrap(), (0..50).collect::<Vec<_>>());
    assert_eq!(seen.out_of_turn.load(SeqCst), 0);
}

#[tokio::test]
async fn a_drain_lets_everything_out_and_samples_may_follow() {
    let platform = start();
    let (mut transform, seen) = pass(&platform, None);
    for round in 0..3 {
        within(transform.send(sample(round))).await.unwrap();
        within(transform.drain()).await.unwrap();
        assert_eq!(time(&within(transform.next()).await.unwrap().unwrap()), round);
    }
    assert_eq!(seen.starts.load(SeqCst), 3, "each drain ends a stream");
    assert_eq!(seen.out_of_turn.load(SeqCst), 0);
    within(transform.drain()).await.unwrap();
    within(transform.close()).await.unwrap();
    assert!(within(transform.next()).await.is_none());
}

#[tokio::test]
async fn a_change_of_format_is_negotiated() {
    let platform = start();
    for own in [false, true] {
        let (mut transform, seen) = pass(&platform, Some(1));
        let asked = Arc::new(AtomicU32::new(0));
        if own {
            let asked = asked.clone();
            transform.on_format_change(move |transform, output| {
                asked.fetch_add(1, SeqCst);
                unsafe { transform.SetOutputType(output, &*pcm(), 0) }
            });
        }
        for index in 0..3 {
            within(transform.send(sample(index))).await.unwrap();
            assert_eq!(time(&within(transform.next()).await.unwrap().unwrap()), index);
        }
        assert_eq!((seen.types.load(SeqCst), asked.load(SeqCst)), (1, own.into()));
        assert_eq!(seen.out_of_turn.load(SeqCst), 0);
    }
}

#[tokio::test]
async fn a_choice_of_a_format_that_panics_is_an_error_on_both_sides() {
    let platform = start();
    let (mut transform, _seen) = pass(&platform, Some(0));
    transform.on_format_change(|_, _| panic!("a choice"));
    let (mut input, mut output) = transform.split();
    within(input.send(sample(0))).await.unwrap();
    let error = within(output.next()).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.hresult()), (ErrorKind::Panicked, Hresult::E_UNEXPECTED));
    assert_eq!(within(input.send(sample(1))).await.unwrap_err().kind(), ErrorKind::Panicked);
}

#[tokio::test]
async fn a_flush_throws_away_what_is_inside() {
    let platform = start();
    let (mut transform, _seen) = pass(&platform, None);
    within(transform.send(sample(1))).await.unwrap();
    transform.flush().unwrap();
    assert!(transform.next().now_or_never().is_none());
    within(transform.send(sample(2))).await.unwrap();
    assert_eq!(time(&within(transform.next()).await.unwrap().unwrap()), 2);
}

#[tokio::test]
async fn only_an_asynchronous_transform_will_do() {
    let platform = start();
    let (transform, _seen) = Pass::create(false, None);
    let error = AsyncTransform::new(&platform, mta(transform)).unwrap_err();
    assert_eq!(error.hresult(), Hresult::E_INVALIDARG);
}

#[tokio::test]
async fn a_shutdown_from_elsewhere_ends_both_sides_and_a_drop_shuts_down() {
    let platform = start();
    let (mut transform, _seen) = pass(&platform, None);
    let com = transform.as_com().clone();
    unsafe { com.cast::<IMFShutdown>().unwrap().Shutdown() }.unwrap();
    assert!(within(transform.next()).await.is_some_and(|item| item.unwrap_err().is_shutdown()));
    assert!(within(transform.next()).await.is_none());
    assert!(within(transform.send(sample(0))).await.unwrap_err().is_shutdown());
    drop((transform, com));

    let (transform, _seen) = pass(&platform, None);
    let events: Mta<IMFMediaEventGenerator> = transform.as_com().cast().unwrap();
    drop(transform);
    let asked = unsafe { events.GetEvent(MF_EVENT_FLAG_NO_WAIT) };
    assert_eq!(asked.unwrap_err().code(), MF_E_SHUTDOWN);
}

#[tokio::test]
async fn an_input_that_is_refused_for_a_moment_is_given_again() {
    let platform = start();
    let (transform, seen) = page_transform(Liberties { late: 3, ..Liberties::default() });
    let mut transform = AsyncTransform::new(&platform, mta(transform)).unwrap();
    for index in 0..5 {
        within(transform.send(sample(index))).await.unwrap();
        assert_eq!(time(&within(transform.next()).await.unwrap().unwrap()), index);
    }
    assert_eq!(seen.lock().unwrap().refused, 15);
}

#[tokio::test]
async fn an_answer_without_a_sample_is_none() {
    let platform = start();
    for status in [MFT_OUTPUT_DATA_BUFFER_NO_SAMPLE, MFT_OUTPUT_DATA_BUFFER_STREAM_END] {
        let (transform, _seen) = page_transform(Liberties { empty: Some(status.0), ..Liberties::default() });
        let mut transform = AsyncTransform::new(&platform, mta(transform)).unwrap();
        for index in 1..4 {
            within(transform.send(sample(index))).await.unwrap();
            assert_eq!(time(&within(transform.next()).await.unwrap().unwrap()), index);
        }
    }
}

#[tokio::test]
async fn a_drain_names_its_stream_and_the_next_sample_is_discontinuous() {
    let platform = start();
    let (transform, seen) = page_transform(Liberties::default());
    let mut transform = AsyncTransform::new(&platform, mta(transform)).unwrap();
    for index in 0..2 {
        within(transform.send(sample(2 * index))).await.unwrap();
        within(transform.next()).await.unwrap().unwrap();
        within(transform.send(sample(2 * index + 1))).await.unwrap();
        within(transform.drain()).await.unwrap();
        within(transform.next()).await.unwrap().unwrap();
    }
    let seen = seen.lock().unwrap();
    let discontinuous: Vec<_> = seen.samples.iter().map(|(_, discontinuous)| *discontinuous).collect();
    assert_eq!(discontinuous, [false, false, true, false]);
    let input = page_transform::INPUT as usize;
    let round = [
        (MFT_MESSAGE_NOTIFY_START_OF_STREAM.0, 0),
        (MFT_MESSAGE_NOTIFY_END_OF_STREAM.0, input),
        (MFT_MESSAGE_COMMAND_DRAIN.0, input),
    ];
    assert_eq!(seen.messages, [round, round].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sample_is_lost_while_the_format_changes() {
    let platform = start();
    let (transform, seen) = page_transform(Liberties { changes: true, ..Liberties::default() });
    let transform = AsyncTransform::new(&platform, mta(transform)).unwrap();
    let (mut input, output) = transform.split();
    let put = async {
        for index in 0..20 {
            input.send(sample(index)).await?;
        }
        input.close().await
    };
    let take = output.map_ok(|sample| time(&sample)).try_collect::<Vec<_>>();
    let (put, times) = within(async { tokio::join!(put, take) }).await;
    put.unwrap();
    assert_eq!(times.unwrap(), (0..20).collect::<Vec<_>>());
    assert_eq!(seen.lock().unwrap().samples.len(), 20);
}

#[tokio::test]
async fn a_transform_that_refuses_what_it_has_offered_has_failed() {
    let platform = start();
    let (transform, _seen) = page_transform(Liberties { lies: true, ..Liberties::default() });
    let mut transform = AsyncTransform::new(&platform, mta(transform)).unwrap();
    within(transform.send(sample(0))).await.unwrap();
    let failure = within(transform.next()).await.unwrap().unwrap_err();
    assert_eq!(failure.hresult(), Hresult::E_UNEXPECTED);
}
