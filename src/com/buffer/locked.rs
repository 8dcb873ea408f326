//! A buffer that is locked: its bytes, or its lines, until it is dropped.

use std::fmt;

use windows::Win32::Media::MediaFoundation::{IMF2DBuffer2, IMFMediaBuffer, MF2DBuffer_LockFlags_Read};

use crate::com::Mta;
use crate::error::{Error, Hresult, Result};

/// The bytes of a buffer, locked for reading; unlocked when it is dropped.
///
/// It stays on its thread, so that no future holds it over an `.await`: lock late, and not for long.
pub struct LockedBuffer {
    buffer: Mta<IMFMediaBuffer>,
    start: *const u8,
    length: usize,
}

impl LockedBuffer {
    pub(super) fn new(buffer: Mta<IMFMediaBuffer>) -> Result<LockedBuffer> {
        let (mut start, mut length) = (std::ptr::null_mut(), 0);
        // SAFETY: takes places for two values that live for the call.
        unsafe { buffer.Lock(&mut start, None, Some(&mut length)) }?;
        let length = if start.is_null() { 0 } else { length as usize };
        Ok(LockedBuffer { buffer, start, length })
    }

    /// How many bytes.
    #[must_use]
    #[doc(alias = "GetCurrentLength")]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// A copy of the bytes.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        // SAFETY: nothing of this program's writes there for the moment of the copy, as Media Foundation's own components do
        // not write to a buffer that they have handed on.
        unsafe { self.as_slice() }.to_vec()
    }

    /// The bytes, where they are.
    ///
    /// # Safety
    /// Nothing writes to the buffer as long as the slice lives. The lock itself keeps no other from it: what may
    /// write is a transform that works in place and was given the sample, and code that locks the buffer by its interface.
    #[must_use]
    pub unsafe fn as_slice(&self) -> &[u8] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: a locked buffer has that many bytes there, as long as it is locked; the caller says that they do not change.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }
}

impl Drop for LockedBuffer {
    #[doc(alias = "Unlock")]
    fn drop(&mut self) {
        // SAFETY: it is locked, once for this, and the slices are gone. There is nothing to be done about an error.
        let _ = unsafe { self.buffer.Unlock() };
    }
}

impl fmt::Debug for LockedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockedBuffer").field("len", &self.length).finish_non_exhaustive()
    }
}

/// The lines of a picture, locked for reading; unlocked when it is dropped.
///
/// Line 0 is the top one as it is shown, wherever it is in memory. Formats with several planes, such as NV12, have the lines
/// of the next plane below those of the first.
///
/// It stays on its thread, so that no future holds it over an `.await`: lock late, and not for long.
pub struct Locked2D {
    /// The address of line 0, and of the memory's start.
    top: *const u8,
    start: *const u8,
    length: usize,
    stride: i32,
    lock: Lock,
}

/// What is unlocked in the end.
enum Lock {
    Picture(Mta<IMF2DBuffer2>),
    Bytes { _locked: LockedBuffer },
}

impl Locked2D {
    pub(super) fn of_2d(buffer: Mta<IMF2DBuffer2>) -> Result<Locked2D> {
        let (mut top, mut start, mut stride, mut length) = (std::ptr::null_mut(), std::ptr::null_mut(), 0, 0);
        let read = MF2DBuffer_LockFlags_Read;
        // SAFETY: takes places for four values that live for the call.
        unsafe { buffer.Lock2DSize(read, &mut top, &mut stride, &mut start, &mut length) }?;
        let length = if top.is_null() || start.is_null() { 0 } else { length as usize };
        Ok(Locked2D { top, start, length, stride, lock: Lock::Picture(buffer) })
    }

    /// Of bytes that lie one line after the other, the bottom one first if the stride is negative.
    pub(super) fn of_bytes(locked: LockedBuffer, stride: i32) -> Result<Locked2D> {
        let (start, length) = (locked.start, locked.length);
        let Some(lines) = length.checked_div(stride.unsigned_abs() as usize) else {
            return Err(Error::new(Hresult::E_INVALIDARG, "lock a picture whose stride is 0"));
        };
        let below = if stride < 0 { lines.saturating_sub(1) * stride.unsigned_abs() as usize } else { 0 };
        let top = start.wrapping_add(below);
        Ok(Locked2D { top, start, length, stride, lock: Lock::Bytes { _locked: locked } })
    }

    /// How many bytes lie from the start of one line to that of the next below it; negative if the picture is
    /// upside down in memory.
    #[must_use]
    pub fn stride(&self) -> i32 {
        self.stride
    }

    /// Copies the first bytes of a line, as many as there is room for. False if there is no such line, or not that much
    /// of it: then nothing is copied.
    pub fn copy_scan_line(&self, line: usize, to: &mut [u8]) -> bool {
        // SAFETY: as at `LockedBuffer::to_vec`.
        match unsafe { self.scan_line(line, to.len()) } {
            Some(bytes) => {
                to.copy_from_slice(bytes);
                true
            }
            None => false,
        }
    }

    /// The first bytes of a line, where they are; `None` if there is no such line, or not that much of it. What is between
    /// the picture's width and the stride is padding.
    ///
    /// # Safety
    /// As [`LockedBuffer::as_slice`].
    #[must_use]
    pub unsafe fn scan_line(&self, line: usize, bytes: usize) -> Option<&[u8]> {
        if self.length == 0 || bytes > self.stride.unsigned_abs() as usize {
            return None;
        }
        let top = self.top.addr().checked_sub(self.start.addr())?;
        let offset = isize::try_from(line).ok()?.checked_mul(self.stride as isize)?;
        let at = top.checked_add_signed(offset)?;
        if at.checked_add(bytes)? > self.length {
            return None;
        }
        // SAFETY: it is within the bounds that the buffer says it has as long as it is locked; the caller says that it does
        // not change.
        Some(unsafe { std::slice::from_raw_parts(self.start.add(at), bytes) })
    }
}

impl Drop for Locked2D {
    #[doc(alias = "Unlock2D")]
    fn drop(&mut self) {
        if let Lock::Picture(buffer) = &self.lock {
            // SAFETY: it is locked, once for this, and the slices are gone. There is nothing to be done about an error.
            let _ = unsafe { buffer.Unlock2D() };
        }
    }
}

impl fmt::Debug for Locked2D {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locked2D")
            .field("stride", &self.stride)
            .field("len", &self.length)
            .finish_non_exhaustive()
    }
}
