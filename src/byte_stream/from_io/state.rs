//! The state of a stream over a `tokio::io` object: its requests, its position, and what is known of its content.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::byte_stream::device::{ByteRange, Device};
use crate::byte_stream::from_io::NAME;
use crate::byte_stream::in_flight::{InFlight, Interrupt};
use crate::byte_stream::position::{Claim, Position};
use crate::byte_stream::{Request, closed, within};
use crate::error::{Error, Hresult, Result};

pub(super) struct State<T> {
    /// `None` while a driver has it.
    pub(super) device: Option<Device<T>>,
    pub(super) queue: VecDeque<QueuedRequest>,
    pub(super) in_flight: InFlight,
    pub(super) position: Position,
    /// As it was last measured. Known if and only if the device seeks.
    pub(super) length: Option<u64>,
    /// What the user said of the content: its length, and its MIME type.
    pub(super) said_length: Option<u64>,
    pub(super) content_type: Option<String>,
    pub(super) met_end: bool,
    pub(super) closed: bool,
}

impl<T> State<T> {
    pub(super) fn check_open(&self, doing: &str) -> Result<()> {
        if self.closed { Err(closed(&NAME, doing)) } else { Ok(()) }
    }

    pub(super) fn go_to(&mut self, position: u64) -> Result<()> {
        match self.length {
            Some(length) => within(length, position)?,
            None if position == self.position.at() => return Ok(()),
            None => {
                let what = format!("set the position of {NAME} to {position}: it cannot seek");
                return Err(Error::new(Hresult::MF_E_BYTESTREAM_NOT_SEEKABLE, what));
            }
        }
        self.position.set(position);
        Ok(())
    }

    /// A read at the end is to be performed, and the end is measured again: it takes what was added since.
    pub(super) fn is_longer(
        &mut self,
        Claimed { mut range, claim }: Claimed,
        length: u64,
        wanted: usize,
    ) -> ByteRange {
        self.length = Some(length);
        if self.position.is_left_by(claim) {
            range.count = length.saturating_sub(range.offset).min(wanted as u64);
            self.position.correct(claim, range.offset.saturating_add(range.count));
        }
        range
    }

    /// A read has found only `count` bytes, and the end is measured again.
    pub(super) fn is_shorter(&mut self, Claimed { range, claim }: Claimed, length: u64, count: usize) {
        self.length = Some(length);
        self.position.correct(claim, range.offset.saturating_add(count as u64));
    }

    /// The read was performed on an object that does not seek.
    pub(super) fn has_read_on(&mut self, count: usize, wanted: usize) {
        self.position.set(self.position.at().saturating_add(count as u64));
        self.met_end |= count == 0 && wanted > 0;
    }

    pub(super) fn has_written(&mut self, claimed: Option<Claimed>, count: usize) {
        match (claimed, &mut self.length) {
            (Some(Claimed { range, .. }), Some(length)) => {
                *length = (*length).max(range.offset.saturating_add(range.count));
            }
            _ => self.position.set(self.position.at().saturating_add(count as u64)),
        }
    }
}

/// What a request has taken at its Begin, if the device seeks.
#[derive(Clone, Copy)]
pub(super) struct Claimed {
    pub(super) range: ByteRange,
    pub(super) claim: Claim,
}

/// A request that waits for its turn.
pub(super) enum QueuedRequest {
    Read { request: Arc<Request<Vec<u8>>>, claimed: Option<Claimed>, buffer: Vec<u8> },
    Write { request: Arc<Request<(usize, Vec<u8>)>>, claimed: Option<Claimed>, buffer: Vec<u8> },
}

impl QueuedRequest {
    pub(super) fn fail(self, error: Error) {
        match self {
            QueuedRequest::Read { request, .. } => request.interrupt(error),
            QueuedRequest::Write { request, .. } => request.interrupt(error),
        }
    }
}
