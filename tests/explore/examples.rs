//! Promise: the crate's own examples have no race.

#[path = "../../examples/cancel.rs"]
#[expect(dead_code, unreachable_pub, reason = "an example is a program, with a `main`")]
mod cancel;
#[path = "../../examples/event_loop.rs"]
#[expect(dead_code, unreachable_pub, reason = "an example is a program, with a `main`")]
mod event_loop;
#[path = "../../examples/media_source.rs"]
#[expect(dead_code, unreachable_pub, reason = "an example is a program, with a `main`")]
mod media_source;
#[path = "../../examples/square_root.rs"]
#[expect(dead_code, unreachable_pub, reason = "an example is a program, with a `main`")]
mod square_root;

use std::sync::Arc;
use std::time::Duration;

use mf_async::event_stream::Latest;
use mf_async::testing::{Explore, explore};
use mf_async::{EventStream, Hresult, MediaEventType};
use tokio_util::sync::CancellationToken;

use self::event_loop::Component;
use self::media_source::ThreePictures;
use self::square_root::SquareRoot;

#[test]
fn media_source() {
    explore(|platform| async move {
        let source = ThreePictures::new(&platform)?;
        let mut events = EventStream::lossless(&source)?.until(MediaEventType::MESourceStopped);
        source.start(0);
        source.request_sample();
        let stopper = source.clone();
        let stopped = platform.queue(mf_async::QueueId::MULTITHREADED)?.run(move || stopper.stop());
        source.request_sample();
        let mut seen = Vec::new();
        while let Some(event) = events.next().await {
            seen.push(event?.event_type());
        }
        stopped.await?;
        let stops = seen.iter().filter(|event| **event == MediaEventType::MESourceStopped).count();
        assert_eq!((stops, seen.last()), (1, Some(&MediaEventType::MESourceStopped)));
        Ok(())
    });
}

#[test]
fn square_root() {
    explore(|platform| async move {
        let component = SquareRoot::new(&platform);
        let roots: Vec<_> = [4.0, 9.0, -1.0]
            .map(|x| {
                platform.begin_end(
                    &component,
                    |component, callback| component.begin_square_root(x, callback),
                    |component, result| component.end_square_root(result),
                )
            })
            .into();
        let mut ended = Vec::new();
        for root in roots {
            ended.push(root.await.map_err(|error| error.hresult()));
        }
        assert_eq!(ended, [Ok(2.0), Ok(3.0), Err(Hresult::E_INVALIDARG)]);
        Ok(())
    });
}

#[test]
fn cancel() {
    explore(|platform| async move {
        let slow = platform.method();
        let cancelled = cancel::begin_slow(&platform, &slow).cancel().await;
        assert_eq!(cancelled.map_err(|error| error.hresult()), Err(Hresult::E_ABORT));
        let late = cancel::begin_slow(&platform, &slow).timeout(Duration::from_millis(10)).await;
        assert_eq!(late.map_err(|error| error.hresult()), Err(Hresult::ERROR_TIMEOUT));
        let token = CancellationToken::new();
        let operation = cancel::begin_slow(&platform, &slow).cancel_on(&token);
        token.cancel();
        assert_eq!(operation.await.map_err(|error| error.hresult()), Err(Hresult::E_ABORT));
        Ok(())
    });
}

#[test]
fn event_loop() {
    Explore::new().schedules(300).run(|platform| async move {
        let component = || Ok::<_, mf_async::Error>(Arc::new(Component(platform.create_event_queue()?)));
        let (session, source, sink) = (component()?, component()?, component()?);
        let mut of_session = EventStream::lossless(&session)?.until(MediaEventType::MESessionClosed);
        let mut of_source = EventStream::lossless(&source)?;
        let mut of_sink = EventStream::new(&sink, Latest)?.only(&[MediaEventType::MEQualityNotify]);
        let cancel = CancellationToken::new();
        // They live on here, because what a stream has not fetched goes with its component.
        let played = [session.clone(), source.clone(), sink.clone()];
        let player = tokio::spawn(event_loop::play(played, cancel.clone()));
        let (mut samples, mut notes) = (Vec::new(), 0);
        loop {
            tokio::select! {
                biased;
                Some(event) = of_session.next() => drop(event?),
                Some(event) = of_source.next() => samples.extend(event?.value().as_i64()),
                Some(event) = of_sink.next() => {
                    event?;
                    notes += 1;
                }
                () = cancel.cancelled() => break,
            }
        }
        player.await.expect("the player ends")?;
        while let Some(event) = of_source.try_next()? {
            samples.extend(event.value().as_i64());
        }
        assert_eq!(samples, [0, 400_000, 800_000]);
        assert!(notes + of_sink.dropped() <= 3);
        Ok(())
    });
}
