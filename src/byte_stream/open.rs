//! Opening a file: its access mode, its open mode and its sharing, with Media Foundation's values.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use bitflags::bitflags;

use crate::byte_stream::ByteStreamCapabilities;
use crate::error::{Error, Hresult, Result};

/// What a file is opened for.
#[doc(alias = "MF_FILE_ACCESSMODE")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessMode {
    /// To be read.
    #[doc(alias = "MF_ACCESSMODE_READ")]
    Read = 1,
    /// To be written.
    #[doc(alias = "MF_ACCESSMODE_WRITE")]
    Write = 2,
    /// To be read and written; archive sinks need it, because they read back what they wrote.
    #[doc(alias = "MF_ACCESSMODE_READWRITE")]
    ReadWrite = 3,
}

/// What to do with a file that exists, and with one that does not.
///
/// | mode | it exists | it does not |
/// |---|---|---|
/// | `FailIfNotExist` | opened | `ERROR_FILE_NOT_FOUND` |
/// | `FailIfExist` | `ERROR_FILE_EXISTS` | created |
/// | `ResetIfExist` | opened and cut to nothing | `ERROR_FILE_NOT_FOUND` |
/// | `AppendIfExist` | opened, with the position at its end | created |
/// | `DeleteIfExist` | cut to nothing, as if created anew | created |
///
/// In a folder that does not exist, or a path through a file, every mode is `ERROR_PATH_NOT_FOUND`. A folder is
/// `E_ACCESSDENIED`, and a pipe or a device `E_INVALIDARG`, except where `FailIfExist` finds that it exists.
///
/// The modes that create a file do so with read access as well. `ResetIfExist` needs write access, and is
/// `E_INVALIDARG` without.
#[doc(alias = "MF_FILE_OPENMODE")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpenMode {
    /// Open a file that exists.
    #[doc(alias = "MF_OPENMODE_FAIL_IF_NOT_EXIST")]
    FailIfNotExist = 0,
    /// Create a new file.
    #[doc(alias = "MF_OPENMODE_FAIL_IF_EXIST")]
    FailIfExist = 1,
    /// Open a file that exists, and cut it to nothing.
    #[doc(alias = "MF_OPENMODE_RESET_IF_EXIST")]
    ResetIfExist = 2,
    /// Open a file at its end, or create it.
    #[doc(alias = "MF_OPENMODE_APPEND_IF_EXIST")]
    AppendIfExist = 3,
    /// Create a file, in place of one that exists.
    #[doc(alias = "MF_OPENMODE_DELETE_IF_EXIST")]
    DeleteIfExist = 4,
}

bitflags! {
    /// How a file is opened, with Media Foundation's values.
    #[doc(alias = "MF_FILE_FLAGS")]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FileFlags: u32 {
        /// Without the system's cache. Accepted and without effect on every system, because it would tie the size
        /// and alignment of every buffer to the device.
        #[doc(alias = "MF_FILEFLAGS_NOBUFFERING")]
        const NOBUFFERING = 0x1;
        /// Others may write to the file meanwhile. On Windows they may not without this flag. Elsewhere they always
        /// may, and the flag only shows in the stream's capabilities.
        #[doc(alias = "MF_FILEFLAGS_ALLOW_WRITE_SHARING")]
        const ALLOW_WRITE_SHARING = 0x2;
        // Bits that have no name have no effect.
        const _ = !0;
    }
}

impl AccessMode {
    fn reads(self) -> bool {
        self != AccessMode::Write
    }

    fn writes(self) -> bool {
        self != AccessMode::Read
    }

    /// The capabilities of a file that is opened like this.
    pub(crate) fn capabilities(self, flags: FileFlags) -> ByteStreamCapabilities {
        use ByteStreamCapabilities as Can;
        let mut can = Can::SEEKABLE | Can::DOES_NOT_USE_NETWORK;
        can.set(Can::READABLE, self.reads());
        can.set(Can::WRITABLE, self.writes());
        can.set(Can::SHARE_WRITE, flags.contains(FileFlags::ALLOW_WRITE_SHARING));
        can
    }
}

/// Opens a file by Media Foundation's rules, and returns its first position. Blocks.
pub(crate) fn open(access: AccessMode, mode: OpenMode, flags: FileFlags, path: &Path) -> Result<(File, u64)> {
    let failed = |error: io::Error| {
        let what = format!("open {} ({access:?}, {mode:?})", path.display());
        if error.kind() == io::ErrorKind::NotADirectory {
            return Error::io(what, error).with_code(Hresult::ERROR_PATH_NOT_FOUND);
        }
        // Windows has a code of its own for a missing folder; other systems do not.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if error.kind() == io::ErrorKind::NotFound && folder.is_some_and(|folder| !folder.is_dir()) {
            let what = format!("{what}, whose folder does not exist");
            return Error::io(what, error).with_code(Hresult::ERROR_PATH_NOT_FOUND);
        }
        Error::io(what, error)
    };
    if mode == OpenMode::ResetIfExist && !access.writes() {
        let what = format!("cut {} to nothing: that needs write access", path.display());
        return Err(Error::new(Hresult::E_INVALIDARG, what));
    }
    // Opening a pipe waits for its other side, so what is there is looked at first. `FailIfExist` opens nothing that is.
    if mode != OpenMode::FailIfExist {
        if let Ok(metadata) = path.metadata() {
            refuse_unless_file(&metadata, path)?;
        }
    }
    let file = match mode {
        OpenMode::FailIfNotExist => existing(access, flags).open(path),
        OpenMode::FailIfExist => created(access, flags).create_new(true).open(path),
        OpenMode::ResetIfExist => existing(access, flags).truncate(true).open(path),
        OpenMode::AppendIfExist if access.writes() => existing(access, flags).create(true).open(path),
        OpenMode::AppendIfExist => open_or_create(access, flags, path),
        OpenMode::DeleteIfExist => created(access, flags).create(true).truncate(true).open(path),
    }
    .map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    refuse_unless_file(&metadata, path)?;
    if access.reads() && metadata.len() == 0 && hides_its_length(&file) {
        let what = format!("open {}: it has bytes and says that it has none; {OTHERWISE}", path.display());
        return Err(Error::new(Hresult::E_INVALIDARG, what));
    }
    let position = if mode == OpenMode::AppendIfExist { metadata.len() } else { 0 };
    Ok((file, position))
}

/// Opens for reading, and creates the file if it does not exist. Two steps, because creating needs write access, with
/// which a read-only file could not be opened.
fn open_or_create(access: AccessMode, flags: FileFlags, path: &Path) -> io::Result<File> {
    match existing(access, flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    match created(access, flags).create(true).open(path) {
        // It was made meanwhile by others, without write access for us.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            existing(access, flags).open(path).map_err(|_| error)
        }
        opened => opened,
    }
}

/// `E_ACCESSDENIED` for a folder, `E_INVALIDARG` for a pipe or a device: those have no offsets to fix at Begin.
fn refuse_unless_file(metadata: &Metadata, path: &Path) -> Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    if metadata.is_dir() {
        let what = format!("open {}, which is a folder", path.display());
        return Err(Error::new(Hresult::E_ACCESSDENIED, what));
    }
    let what = format!("open {}: not a regular file; {OTHERWISE}", path.display());
    Err(Error::new(Hresult::E_INVALIDARG, what))
}

/// Whether a file without length has bytes, as those that the kernel writes when they are read. The length is asked again,
/// because others may write to a true file meanwhile.
fn hides_its_length(mut file: &File) -> bool {
    let has_bytes = file.read(&mut [0]).is_ok_and(|count| count > 0);
    has_bytes && file.metadata().is_ok_and(|metadata| metadata.len() == 0)
}

fn existing(access: AccessMode, flags: FileFlags) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(access.reads()).write(access.writes());
    system::share(&mut options, flags);
    options
}

/// As for an existing file, with the write access that creating needs.
fn created(access: AccessMode, flags: FileFlags) -> OpenOptions {
    let mut options = existing(access, flags);
    options.write(true);
    if !access.writes() {
        system::only_read(&mut options);
    }
    options
}

#[cfg(windows)]
mod system {
    use std::fs::OpenOptions;
    use std::os::windows::fs::OpenOptionsExt;

    use super::FileFlags;

    /// Others may read, and write only if that is allowed.
    pub(super) fn share(options: &mut OpenOptions, flags: FileFlags) {
        let write = flags.contains(FileFlags::ALLOW_WRITE_SHARING);
        options.share_mode(if write { FILE_SHARE_READ | FILE_SHARE_WRITE } else { FILE_SHARE_READ });
    }

    /// The handle cannot write, although the file may be created.
    pub(super) fn only_read(options: &mut OpenOptions) {
        options.access_mode(GENERIC_READ);
    }

    const FILE_SHARE_READ: u32 = 0x1;
    const FILE_SHARE_WRITE: u32 = 0x2;
    const GENERIC_READ: u32 = 0x8000_0000;
}

#[cfg(not(windows))]
mod system {
    use std::fs::OpenOptions;

    use super::FileFlags;

    /// Other systems do not lock a file that is opened.
    pub(super) fn share(_: &mut OpenOptions, _: FileFlags) {}

    /// The stream checks its own access, so the handle's does not matter.
    pub(super) fn only_read(_: &mut OpenOptions) {}
}

const OTHERWISE: &str = "`ByteStreamFromIo` makes a byte stream of any `AsyncRead`";
