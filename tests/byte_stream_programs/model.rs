//! The model: bytes, a position, and how far a stream may have it.

/// Which stream it is the model of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Memory,
    File,
    /// Over a `tokio::io` object that seeks.
    FromIo,
}

#[derive(Clone, Debug)]
pub(super) struct Model {
    kind: Kind,
    pub(super) bytes: Vec<u8>,
    pub(super) position: usize,
    /// The length as the stream knows it, which over `tokio::io` is that of its last look.
    pub(super) length: usize,
}

/// A read or a write, with what it has taken when it began.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) written: Option<Vec<u8>>,
    wanted: usize,
    offset: usize,
    count: usize,
}

impl Model {
    pub(super) fn new(kind: Kind, bytes: Vec<u8>) -> Model {
        Model { kind, position: 0, length: bytes.len(), bytes }
    }

    /// Whether the position may be there.
    pub(super) fn may_be_at(&self, position: i64) -> bool {
        position >= 0 && (self.kind == Kind::File || position as usize <= self.length)
    }

    pub(super) fn begin_read(&mut self, wanted: usize) -> Request {
        let (offset, count) = (self.position, wanted.min(self.length.saturating_sub(self.position)));
        self.position += count;
        Request { written: None, wanted, offset, count }
    }

    pub(super) fn begin_write(&mut self, bytes: Vec<u8>) -> Request {
        let (offset, count) = (self.position, bytes.len());
        self.position += count;
        if self.kind != Kind::FromIo {
            self.write(offset, &bytes);
        }
        Request { written: Some(bytes), wanted: count, offset, count }
    }

    /// Performs it, in the order in which they began. `last`: none began after it. Returns what a read reads.
    pub(super) fn perform(&mut self, request: &Request, last: bool) -> Vec<u8> {
        let Request { written, wanted, offset, mut count } = request.clone();
        if let Some(bytes) = written {
            if self.kind == Kind::FromIo {
                self.write(offset, &bytes);
            }
            return Vec::new();
        }
        let there = self.bytes.len().saturating_sub(offset);
        if self.kind == Kind::FromIo && count == 0 && wanted > 0 {
            self.length = self.bytes.len();
            if last {
                count = wanted.min(there);
                self.position = offset + count;
            }
        }
        if self.kind == Kind::FromIo && there < count {
            self.length = self.bytes.len();
            if last {
                self.position = offset + there;
            }
        }
        self.bytes.get(offset..offset + count.min(there)).unwrap_or_default().to_vec()
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        self.bytes.resize(self.bytes.len().max(end), 0);
        self.bytes[offset..end].copy_from_slice(bytes);
        self.length = match self.kind {
            Kind::FromIo => self.length.max(end),
            _ => self.bytes.len(),
        };
    }

    /// Others have added to it or cut it.
    pub(super) fn set_bytes_len(&mut self, length: usize, filler: &[u8]) {
        self.bytes.truncate(length);
        let missing = length - self.bytes.len();
        self.bytes.extend_from_slice(&filler[..missing]);
        if self.kind != Kind::FromIo {
            self.length = length;
        }
    }
}
