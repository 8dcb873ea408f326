//! Promise: the explorer decides in which order the callbacks of a pipeline run, finds that it sounds the same in every one,
//! or tells the order in which it does not, which can be replayed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use mf_async::testing::{Explore, Explored, FailedSchedule, FailureKind};
use mf_async::{Platform, Result};

use crate::pipeline::{self, Started};
use crate::support::{media, passes, wave};

/// Explores what is heard of a file. How many bytes that is in each order.
fn explore<Fut>(
    explore: Explore,
    path: &Path,
    hear: impl Fn(PathBuf) -> Fut + Send + Sync + 'static,
) -> std::result::Result<(Explored, usize), Box<FailedSchedule>>
where
    Fut: Future<Output = Result<Vec<u8>>> + 'static,
{
    let (path, first) = (path.to_owned(), Arc::new(OnceLock::new()));
    let heard = first.clone();
    let test = move |platform: Platform| {
        mf_async_rtworkq::install(&platform).unwrap();
        // Also in a run that fails it is shut down, before the next one starts.
        let started = Started::new();
        let (sound, first) = (hear(path.clone()), first.clone());
        async move {
            let sound = sound.await?;
            assert!(*first.get_or_init(|| sound.clone()) == sound, "it sounds otherwise than at first");
            drop(started);
            Ok(())
        }
    };
    // In the middle of a callback Media Foundation has locks, which others would wait for.
    let explored = explore.whole_callbacks().check(test)?;
    Ok((explored, heard.get().map_or(0, Vec::len)))
}

/// Every order sounds the same, and is as long as it should be.
fn same<Fut>(
    path: &Path,
    schedules: usize,
    length: usize,
    hear: impl Fn(PathBuf) -> Fut + Send + Sync + 'static,
) where
    Fut: Future<Output = Result<Vec<u8>>> + 'static,
{
    match explore(Explore::new().schedules(schedules), path, hear) {
        Ok((explored, bytes)) => {
            println!("explored: {explored}");
            assert_eq!((explored.schedules, bytes), (schedules, length));
        }
        Err(failed) => panic!("{failed}"),
    }
}

#[test]
fn a_wave_file_is_decoded_the_same_in_every_order() {
    passes("explored::a_wave_file_is_decoded_the_same_in_every_order", &[], || {
        let path = wave("explored");
        same(&path, 300, 176_400, |path| async move { pipeline::read(&path, 1).await });
        let _ = std::fs::remove_file(path);
    });
}

#[test]
fn an_mp3_is_decoded_the_same_in_every_order() {
    passes("explored::an_mp3_is_decoded_the_same_in_every_order", &[], || {
        let Some(path) = media("tone.mp3") else { return };
        same(&path, 100, 359_424, |path| async move { pipeline::read(&path, 1).await });
    });
}

#[test]
fn a_session_plays_the_same_in_every_order() {
    passes("explored::a_session_plays_the_same_in_every_order", &[], || {
        let path = wave("session");
        same(&path, 100, 176_400, |path| async move { pipeline::play(&path, 176_400).await });
        let _ = std::fs::remove_file(path);
    });
}

#[test]
fn two_files_are_decoded_at_the_same_time_in_every_order() {
    passes("explored::two_files_are_decoded_at_the_same_time_in_every_order", &[], || {
        let path = wave("two");
        same(&path, 100, 352_800, |path| async move {
            let both = futures::join!(pipeline::read(&path, 1), pipeline::read(&path, 1));
            Ok([both.0?, both.1?].concat())
        });
        let _ = std::fs::remove_file(path);
    });
}

#[test]
fn an_order_in_which_an_answer_is_lost_is_found_and_replayed() {
    passes("explored::an_order_in_which_an_answer_is_lost_is_found_and_replayed", &[], || {
        let path = wave("lost");
        let hear = |path: PathBuf| async move { pipeline::read(&path, 2).await };
        // Wine's reader loses the answer to one of two requests, on its own queues as well. Others need not.
        if let Err(found) = explore(Explore::new().schedules(100), &path, hear) {
            println!("explored: {found}");
            assert_eq!(found.kind(), FailureKind::Stuck, "{found}");
            let again = explore(Explore::new().replay(found.replay()), &path, hear).unwrap_err();
            assert_eq!((again.kind(), again.story()), (found.kind(), found.story()));
        }
        let _ = std::fs::remove_file(path);
    });
}
