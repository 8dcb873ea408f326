//! Draws a decode: what Media Foundation puts on which queue while it decodes a file, as a picture or, where the name ends in
//! `.json`, as a trace for Perfetto. Windows only, with this crate's `rtworkq.dll` beside the program.
//!
//! Run, under Wine: `bash .ci/wine --rtworkq --package mf-async-rtworkq --example picture -- tone.mp3 picture.svg`. It prints
//! ```text
//! picture: … queues, … callbacks, … bytes of sound
//! ```

#[cfg(windows)]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use futures::TryStreamExt;
    use mf_async::com::{self, SourceReader, StreamIndex};
    use mf_async::timeline;

    let mut arguments = std::env::args_os().skip(1);
    let (Some(file), Some(picture)) = (arguments.next(), arguments.next()) else {
        return Err("usage: picture FILE PICTURE".into());
    };
    let platform = mf_async::Platform::startup()?;
    mf_async_rtworkq::install(&platform)?; // before MFStartup
    let theirs = com::Platform::startup()?; // MFStartup

    let reader = SourceReader::open(&theirs, file.as_os_str()).await?;
    let timeline = timeline::record(); // from here on: to find the decoder takes far longer than to decode
    let mut bytes = 0;
    let mut samples = reader.samples(StreamIndex::FIRST_AUDIO);
    while let Some(sample) = samples.try_next().await? {
        bytes += sample.to_vec()?.len();
    }
    drop(samples);
    drop(reader);
    println!("{}", platform.report());
    theirs.shutdown().await?;
    platform.shutdown().await?;

    timeline.stop();
    if std::path::Path::new(&picture).extension().is_some_and(|ending| ending == "json") {
        timeline.write_perfetto(&picture)?;
    } else {
        timeline.write_svg(&picture)?;
    }
    let lanes = timeline.lanes();
    let calls: usize = lanes.iter().flat_map(|lane| &lane.rows).map(Vec::len).sum();
    println!("picture: {} queues, {calls} callbacks, {bytes} bytes of sound", lanes.len());
    Ok(())
}

#[cfg(not(windows))]
fn main() {
    eprintln!("this example needs Windows: it looks into the system's Media Foundation");
}
