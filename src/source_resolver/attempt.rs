//! The attempts at a byte stream: handlers are asked one after the other, and what one of them did is undone before the
//! next.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;

use crate::async_result::Unknown;
use crate::byte_stream::ByteStream;
use crate::contain::{contain, drop_contained, drop_payload};
use crate::error::{Error, Hresult, Result};
use crate::source_resolver::lent_stream::LentStream;
use crate::source_resolver::{ByteStreamHandler, ResolutionFlags};

/// Asks the handlers one after the other, until one makes a media source of the stream. Each has it at `start`.
///
/// # Errors
/// The first that says more than that the content is not supported.
pub(crate) async fn from_byte_stream(
    stream: &Arc<dyn ByteStream>,
    start: u64,
    candidates: Vec<Arc<dyn ByteStreamHandler>>,
    url: Option<String>,
    flags: ResolutionFlags,
    properties: Option<Unknown>,
) -> Result<Unknown> {
    let mut telling = None;
    for handler in candidates {
        let attempt = Attempt(Arc::new(LentStream::new(stream.clone())));
        let asked = ask(&*handler, attempt.0.clone(), url.clone(), flags, properties.clone());
        match asked.await {
            Ok(source) => {
                attempt.0.settle();
                return Ok(source);
            }
            Err(error) => {
                drop(attempt);
                if error.hresult() != Hresult::MF_E_UNSUPPORTED_BYTESTREAM_TYPE {
                    telling.get_or_insert(error);
                }
                if let Err(stays) = stream.set_position(start) {
                    return Err(telling.unwrap_or(stays));
                }
            }
        }
    }
    Err(telling.unwrap_or_else(|| unsupported(url.as_deref())))
}

/// The handler's answer; its panic is a failure like any other.
async fn ask(
    handler: &dyn ByteStreamHandler,
    stream: Arc<dyn ByteStream>,
    url: Option<String>,
    flags: ResolutionFlags,
    properties: Option<Unknown>,
) -> Result<Unknown> {
    let mut answer = contain(|| handler.create_object(stream, url, flags, properties))
        .map_err(|payload| Error::panicked(HANDLER, payload))?;
    let answered = AssertUnwindSafe(&mut answer).catch_unwind().await;
    drop_contained(answer);
    answered.unwrap_or_else(|payload| Err(Error::panicked(HANDLER, payload)))
}

pub(crate) fn unsupported(url: Option<&str>) -> Error {
    let of = url.unwrap_or("a byte stream without a URL");
    let what = format!(
        "make a media source of {of}: no handler knows what it holds; `register_byte_stream_handler` adds one"
    );
    Error::new(Hresult::MF_E_UNSUPPORTED_BYTESTREAM_TYPE, what)
}

/// One handler's attempt. Unless it succeeds, the stream is taken back when this is dropped.
struct Attempt(Arc<LentStream>);

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.take_back();
    }
}

/// What becomes of a stream of which no media source was made: it is closed, or kept as it was.
pub(crate) struct OnFail {
    stream: Option<Arc<dyn ByteStream>>,
    keeps_at: Option<u64>,
}

impl OnFail {
    /// The stream is closed.
    pub(crate) fn close(stream: &Arc<dyn ByteStream>) -> OnFail {
        OnFail { stream: Some(stream.clone()), keeps_at: None }
    }

    /// The stream is kept, at this position.
    pub(crate) fn keep_at(mut self, position: u64) -> OnFail {
        self.keeps_at = Some(position);
        self
    }

    pub(crate) fn succeed(mut self) {
        self.stream = None;
    }
}

impl Drop for OnFail {
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        // The failure that leads here is reported, not that of this. The stream may be user code.
        let done = contain(|| match self.keeps_at {
            Some(position) => stream.set_position(position),
            None => stream.close(),
        });
        if let Err(payload) = done {
            drop_payload(payload);
        }
        drop_contained(stream);
    }
}

/// Names what panicked in the error's text.
const HANDLER: &str = "the byte stream handler";
