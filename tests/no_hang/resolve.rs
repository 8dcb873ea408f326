//! Resolutions by handlers that refuse, fail, panic and never answer.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use mf_async::byte_stream::MemoryByteStream;
use mf_async::source_resolver::{ByteStreamHandler, ResolutionFlags};
use mf_async::{ByteStream, ByteStreamExt, Error, Hresult, Platform, Result, Unknown};

use crate::model;
use crate::program::Handler;

struct Numbered {
    number: usize,
    handler: Handler,
}

impl ByteStreamHandler for Numbered {
    fn create_object(
        &self,
        stream: Arc<dyn ByteStream>,
        _: Option<String>,
        _: ResolutionFlags,
        _: Option<Unknown>,
    ) -> BoxFuture<'static, Result<Unknown>> {
        let Numbered { number, handler } = *self;
        assert!(handler != Handler::PanicsAtOnce, "planned");
        async move {
            let read = stream.read(vec![0; 2]).await?;
            assert_eq!(read, b"cd", "it has the stream where the resolution began");
            match handler {
                Handler::Succeeds => Ok(Arc::new(number) as Unknown),
                Handler::Unsupported => Err(Hresult::MF_E_UNSUPPORTED_BYTESTREAM_TYPE.into()),
                Handler::Fails => Err(Error::new(Hresult::E_ACCESSDENIED, "planned")),
                Handler::Closes => {
                    stream.close()?;
                    Err(Error::new(Hresult::E_ACCESSDENIED, "planned"))
                }
                Handler::Panics | Handler::PanicsAtOnce => panic!("planned"),
                Handler::Never => pending().await,
            }
        }
        .boxed()
    }
}

/// Resolves, and holds the end against the model's.
pub(crate) async fn resolve(
    platform: &Platform,
    handlers: &[Handler],
    keep: bool,
    all: bool,
) -> std::result::Result<(), String> {
    let resolver = platform.create_source_resolver();
    // The one registered last is asked first.
    for (number, handler) in handlers.iter().enumerate().rev() {
        resolver.register_byte_stream_handler(".x", Arc::new(Numbered { number, handler: *handler }));
    }
    let stream = MemoryByteStream::new(platform, b"abcdef".to_vec());
    stream.set_position(2).unwrap();
    let mut flags = ResolutionFlags::MEDIA_SOURCE;
    flags.set(ResolutionFlags::KEEP_BYTE_STREAM_ALIVE_ON_FAIL, keep);
    flags.set(ResolutionFlags::CONTENT_DOES_NOT_HAVE_TO_MATCH, all);
    let shared = Arc::new(stream.clone());
    let operation = resolver.create_object_from_byte_stream(shared, Some("a.x"), flags);
    let expected = model::resolution(handlers, keep, all);
    let ended = match expected {
        Some(_) => operation.await,
        None => {
            tokio::task::yield_now().await;
            operation.cancel().await
        }
    };
    let ended = match ended {
        Ok(made) => Ok(*made.media_source::<usize>().expect("a number")),
        Err(error) => Err(error.hresult()),
    };
    let expected = expected.unwrap_or(Err(Hresult::E_ABORT));
    if ended != expected {
        return Err(format!("ended with {ended:?}, should with {expected:?}"));
    }
    let position = stream.position().map_err(|error| error.hresult());
    let right = match expected {
        Ok(_) => Ok(4),
        Err(Hresult::MF_E_SOURCERESOLVER_MUTUALLY_EXCLUSIVE_FLAGS) => Ok(2),
        Err(_) if keep => Ok(2),
        Err(_) => Err(Hresult::MF_E_INVALIDREQUEST),
    };
    if position != right {
        return Err(format!("the stream is at {position:?}, should be at {right:?}"));
    }
    Ok(())
}
