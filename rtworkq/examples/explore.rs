//! Explores a decode: Media Foundation decodes a file again and again, and each time the callbacks of all its queues run in
//! another order. Windows only, with this crate's `rtworkq.dll` beside the program.
//!
//! Run, under Wine: `bash .ci/wine --rtworkq --package mf-async-rtworkq --example explore -- tone.mp3 200`: the file, and how
//! many orders; a third argument is how many reads are in flight, 1 without it. It prints
//! ```text
//! explore: 200 schedules, … steps, …; 359424 bytes of sound in each
//! ```
//! or the shortest order that decodes otherwise, or not at all, step by step.

#[cfg(windows)]
#[path = "../tests/it/pipeline.rs"]
mod pipeline;

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::path::PathBuf;
    use std::sync::{Arc, OnceLock};
    use std::time::Duration;

    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let number = |at: usize, or| arguments.get(at).map_or(Ok(or), |number| number.parse::<usize>());
    let path = PathBuf::from(arguments.first().ok_or("usage: explore FILE [SCHEDULES [READS]]")?);
    let (schedules, reads) = (number(1, 100)?, number(2, 1)?);

    let first = Arc::new(OnceLock::new());
    let decoded = first.clone();
    let explored = mf_async::testing::Explore::new()
        .whole_callbacks() // in the middle of one, Media Foundation has locks that others wait for
        .schedules(schedules)
        .time_limit(Duration::from_secs(3600))
        .check(move |platform| {
            let (path, first) = (path.clone(), first.clone());
            async move {
                mf_async_rtworkq::install(&platform)?;
                let _started = pipeline::Started::new();
                let sound = pipeline::read(&path, reads).await?;
                assert!(*first.get_or_init(|| sound.clone()) == sound, "it sounds otherwise than at first");
                Ok(())
            }
        });
    match explored {
        Ok(explored) => {
            let bytes = decoded.get().map_or(0, Vec::len);
            println!("explore: {explored}; {bytes} bytes of sound in each");
        }
        Err(failed) => println!("{failed}"),
    }
    Ok(())
}

#[cfg(not(windows))]
fn main() {
    eprintln!("this example needs Windows: it explores the system's Media Foundation");
}
