//! `DeviceDriver`: the task that performs the requests of a stream over a `tokio::io` object, one after the other.

use std::io;
use std::sync::Arc;

use crate::byte_stream::Request;
use crate::byte_stream::device::Device;
use crate::byte_stream::from_io::state::{Claimed, QueuedRequest};
use crate::byte_stream::from_io::{Inner, NAME};
use crate::error::{Error, Hresult, Result};

/// The task that performs the queued requests; it puts the device back when none is left.
pub(super) struct DeviceDriver<T> {
    pub(super) stream: Arc<Inner<T>>,
    pub(super) device: Option<Device<T>>,
    /// Whether the device has panicked; then it is not called again.
    pub(super) has_panicked: bool,
}

impl<T: Send + 'static> DeviceDriver<T> {
    pub(super) async fn run(mut self) {
        while !self.has_panicked {
            let Some(request) = self.next() else { return };
            let Some(device) = &mut self.device else { return };
            match request {
                QueuedRequest::Read { request, claimed, mut buffer } => {
                    let stream = &self.stream;
                    let wanted = buffer.len();
                    let read = async {
                        let count = stream.read(device, claimed, &mut buffer).await?;
                        buffer.truncate(count);
                        Ok(buffer)
                    };
                    let mut missed = None;
                    let deliver = |read| missed = stream.deliver(&request, claimed, wanted, read);
                    self.has_panicked = !request.perform(read, deliver).await;
                    if let Some(bytes) = missed {
                        device.give_back(bytes);
                    }
                }
                QueuedRequest::Write { request, claimed, buffer } => {
                    let count = buffer.len();
                    let stream = &self.stream;
                    let range = claimed.map(|claimed| claimed.range);
                    let write = async { (device.write_all(&buffer, range).await, buffer) };
                    let deliver = |(written, buffer): (io::Result<()>, Vec<u8>)| {
                        let written = written.map_err(|error| failed("write", count, error)).map(|()| {
                            stream.state().has_written(claimed, count);
                            (count, buffer)
                        });
                        request.complete(written);
                    };
                    self.has_panicked = !request.perform(write, deliver).await;
                }
            }
        }
    }

    /// The next request. If there is none, the device is put back under the same lock.
    fn next(&mut self) -> Option<QueuedRequest> {
        let mut state = self.stream.state();
        let next = state.queue.pop_front();
        if next.is_none() && !state.closed {
            state.device = self.device.take();
        }
        next
    }
}

impl<T> Drop for DeviceDriver<T> {
    fn drop(&mut self) {
        // Dropped with the device by a panic, a shutdown or the runtime's end: the queued requests cannot be performed
        // any more, so they fail and call back.
        if let Some(device) = self.device.take() {
            let mut state = self.stream.state();
            state.closed = true;
            let queued = std::mem::take(&mut state.queue);
            drop(state);
            for request in queued {
                request.fail(if self.has_panicked {
                    Error::new(Hresult::E_UNEXPECTED, format!("{NAME}: it panicked over a former request"))
                } else {
                    self.stream.queues.tracker.handle().lost(NAME)
                });
            }
            drop(device);
        }
    }
}

impl<T> Inner<T> {
    /// Performs a read, and measures the end if the read has met it.
    async fn read(
        &self,
        device: &mut Device<T>,
        claimed: Option<Claimed>,
        buffer: &mut [u8],
    ) -> Result<usize> {
        let wanted = buffer.len();
        let failed = |error| failed("read", wanted, error);
        let Some(mut claimed) = claimed else {
            return device.read(buffer, None).await.map_err(failed);
        };
        if claimed.range.count == 0 && wanted > 0 {
            let length = device.measure().await?;
            claimed.range = self.state().is_longer(claimed, length, wanted);
        }
        let count = device.read(buffer, Some(claimed.range)).await.map_err(failed)?;
        if (count as u64) < claimed.range.count {
            let length = device.measure().await?;
            self.state().is_shorter(claimed, length, count);
        }
        Ok(count)
    }

    /// Completes a read. If it was cancelled meanwhile, returns the bytes that an object which does not seek has given:
    /// they are the next read's.
    fn deliver(
        &self,
        request: &Request<Vec<u8>>,
        claimed: Option<Claimed>,
        wanted: usize,
        read: Result<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        let count = read.as_ref().map_or(0, Vec::len);
        // Under the lock: a thread that finds the request ended finds the position moved.
        let mut state = self.state();
        match request.settle(read) {
            Ok(()) => {
                if claimed.is_none() {
                    state.has_read_on(count, wanted);
                }
                drop(state);
                request.call_back();
                None
            }
            Err(late) => {
                drop(state);
                late.ok().filter(|bytes| claimed.is_none() && !bytes.is_empty())
            }
        }
    }
}

fn failed(verb: &str, count: usize, error: io::Error) -> Error {
    Error::io(format_args!("{verb} {count} bytes of {NAME}"), error)
}
