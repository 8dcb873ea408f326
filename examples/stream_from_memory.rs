//! Feeds the system's Media Foundation from memory: no file, no temporary one either. Windows only.
//!
//! ```text
//! cargo run --example stream_from_memory -- tone.mp3
//! ```

#[cfg(windows)]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use futures::TryStreamExt;
    use mf_async::Platform;
    use mf_async::byte_stream::MemoryByteStream;
    use mf_async::com::{self, SourceReader, StreamIndex, byte_stream_object};

    let file = std::env::args_os().nth(1).ok_or("usage: stream_from_memory FILE")?;
    let bytes = std::fs::read(file)?;

    // What comes from a network goes the same way: `ByteStreamFromIo` in place of `MemoryByteStream`.
    let (ours, theirs) = (Platform::startup()?, com::Platform::startup()?);
    let stream = byte_stream_object(MemoryByteStream::new(&ours, bytes));

    let reader = SourceReader::from_byte_stream(&theirs, stream).await?;
    let mut samples = reader.samples(StreamIndex::FIRST_AUDIO);
    let (mut count, mut bytes) = (0, 0);
    while let Some(sample) = samples.try_next().await? {
        count += 1;
        bytes += sample.to_vec()?.len();
    }
    println!("{count} samples, {bytes} bytes, {} ms", reader.duration()? / 10_000);

    drop(samples);
    drop(reader);
    ours.shutdown().await?;
    Ok(())
}

#[cfg(not(windows))]
fn main() {
    eprintln!("this example needs Windows: it feeds the system's Media Foundation");
}
