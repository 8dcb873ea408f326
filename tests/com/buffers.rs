//! What is in a sample's buffers can be read where it is: bytes, the lines of a picture within the bounds that the buffer
//! says it has, the right way up, and the texture of a buffer on the GPU; a lock ends with what it gave.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

use mf_async::Hresult;
use mf_async::com::Mta;
use windows::Win32::Foundation::{E_INVALIDARG, E_NOINTERFACE, E_NOTIMPL};
use windows::Win32::Media::MediaFoundation::*;
use windows::core::{BOOL, GUID, IUnknown, Interface, Ref, Result, implement};

use crate::support::*;

/// Four lines of three bytes, each line's bytes its number.
const WIDTH: usize = 3;
const LINES: u8 = 4;

/// A picture of Media Foundation's, filled through its own interface.
fn picture(bottom_up: bool) -> Mta<IMFMediaBuffer> {
    let l8 = 50; // D3DFMT_L8: a byte a pixel
    let buffer: IMFMediaBuffer =
        unsafe { MFCreate2DMediaBuffer(WIDTH as u32, LINES.into(), l8, bottom_up) }.unwrap();
    let lines: IMF2DBuffer = buffer.cast().unwrap();
    let (mut top, mut stride) = (std::ptr::null_mut(), 0);
    unsafe {
        lines.Lock2D(&mut top, &mut stride).unwrap();
        for line in 0..LINES {
            top.offset(isize::from(line as i8) * stride as isize).write_bytes(line, WIDTH);
        }
        lines.Unlock2D().unwrap();
    }
    mta(buffer)
}

#[test]
fn the_lines_of_a_picture_come_from_the_top_whichever_way_up_it_is() {
    let _platform = start();
    for bottom_up in [false, true] {
        let buffer = picture(bottom_up);
        let locked = buffer.lock_2d(0).unwrap();
        assert_eq!(locked.stride() < 0, bottom_up);
        assert!(locked.stride().unsigned_abs() as usize >= WIDTH);
        for line in 0..LINES {
            let mut bytes = [9; WIDTH];
            assert!(locked.copy_scan_line(line.into(), &mut bytes));
            assert_eq!(bytes, [line; WIDTH]);
            assert_eq!(unsafe { locked.scan_line(line.into(), 1) }, Some(&[line][..]));
        }
    }
}

#[test]
fn nothing_is_read_out_of_bounds() {
    let _platform = start();
    for bottom_up in [false, true] {
        let buffer = picture(bottom_up);
        let locked = buffer.lock_2d(0).unwrap();
        let mut bytes = [9; WIDTH];
        for line in [usize::from(LINES), 1 << 20, usize::MAX / 2, usize::MAX] {
            assert!(!locked.copy_scan_line(line, &mut bytes));
        }
        let too_wide = locked.stride().unsigned_abs() as usize + 1;
        assert_eq!(unsafe { locked.scan_line(0, too_wide) }, None);
        assert_eq!(bytes, [9; WIDTH], "nothing was copied");
    }
}

#[test]
fn a_buffer_without_a_stride_of_its_own_has_that_of_its_type() {
    let platform = start();
    let bytes: Vec<u8> = (0..LINES).flat_map(|line| [line; WIDTH + 1]).collect();
    let buffer = platform.create_memory_buffer(&bytes).unwrap();
    let stride = WIDTH as i32 + 1;
    for (stride, order) in [(stride, [0, 1, 2, 3]), (-stride, [3, 2, 1, 0])] {
        let locked = buffer.lock_2d(stride).unwrap();
        assert_eq!(locked.stride(), stride);
        let mut read = [9; WIDTH];
        for (line, expected) in order.into_iter().enumerate() {
            assert!(locked.copy_scan_line(line, &mut read));
            assert_eq!(read, [expected; WIDTH]);
        }
        assert!(!locked.copy_scan_line(4, &mut read));
    }
    assert_eq!(buffer.lock_2d(0).unwrap_err().hresult(), Hresult::E_INVALIDARG);
}

#[test]
fn the_bytes_of_a_sample_are_those_of_its_buffers() {
    let platform = start();
    let sample = platform.create_sample(b"first", 0, 1).unwrap();
    unsafe { sample.AddBuffer(&*platform.create_memory_buffer(b" second").unwrap()) }.unwrap();
    let buffers = sample.buffers().unwrap();
    let [first, second] = &buffers[..] else { panic!("{buffers:?}") };
    let locked = first.lock().unwrap();
    assert_eq!((locked.len(), locked.is_empty()), (5, false));
    assert_eq!(unsafe { locked.as_slice() }, b"first");
    assert_eq!(second.lock().unwrap().to_vec(), b" second");
    drop(locked);
    assert_eq!(sample.to_vec().unwrap(), b"first second");
    assert_eq!(platform.create_memory_buffer(b"").unwrap().lock().unwrap().to_vec(), b"");
    assert_eq!(first.dxgi_surface().unwrap_err().hresult(), Hresult::E_NOINTERFACE);
}

/// A buffer on the GPU, as its pages say: a picture that is locked gives no texture.
#[implement(IMFMediaBuffer, IMF2DBuffer2, IMFDXGIBuffer)]
struct GpuBuffer {
    texture: IUnknown,
    locks: Arc<AtomicI32>,
    bytes: [u8; 8],
}

impl IMFMediaBuffer_Impl for GpuBuffer_Impl {
    fn Lock(&self, _: *mut *mut u8, _: *mut u32, _: *mut u32) -> Result<()> {
        Err(MF_E_INVALIDREQUEST.into())
    }
    fn Unlock(&self) -> Result<()> {
        Err(MF_E_INVALIDREQUEST.into())
    }
    fn GetCurrentLength(&self) -> Result<u32> {
        Ok(8)
    }
    fn SetCurrentLength(&self, _: u32) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn GetMaxLength(&self) -> Result<u32> {
        Ok(8)
    }
}

impl IMF2DBuffer_Impl for GpuBuffer_Impl {
    fn Lock2D(&self, _: *mut *mut u8, _: *mut i32) -> Result<()> {
        Err(MF_E_INVALIDREQUEST.into())
    }
    fn Unlock2D(&self) -> Result<()> {
        self.locks.fetch_sub(1, SeqCst);
        Ok(())
    }
    fn GetScanline0AndPitch(&self, _: *mut *mut u8, _: *mut i32) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn IsContiguousFormat(&self) -> Result<BOOL> {
        Ok(false.into())
    }
    fn GetContiguousLength(&self) -> Result<u32> {
        Ok(8)
    }
    fn ContiguousCopyTo(&self, _: *mut u8, _: u32) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn ContiguousCopyFrom(&self, _: *const u8, _: u32) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
}

impl IMF2DBuffer2_Impl for GpuBuffer_Impl {
    fn Lock2DSize(
        &self,
        flags: MF2DBuffer_LockFlags,
        top: *mut *mut u8,
        stride: *mut i32,
        start: *mut *mut u8,
        length: *mut u32,
    ) -> Result<()> {
        // To lock it for more than reading would copy it back.
        if flags != MF2DBuffer_LockFlags_Read {
            return Err(E_INVALIDARG.into());
        }
        let bytes = self.bytes.as_ptr().cast_mut();
        unsafe { (*top, *stride, *start, *length) = (bytes, 4, bytes, 8) };
        self.locks.fetch_add(1, SeqCst);
        Ok(())
    }
    fn Copy2DTo(&self, _: Ref<'_, IMF2DBuffer2>) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
}

impl IMFDXGIBuffer_Impl for GpuBuffer_Impl {
    fn GetResource(&self, iid: *const GUID, object: *mut *mut c_void) -> Result<()> {
        if self.locks.load(SeqCst) > 0 {
            return Err(MF_E_INVALIDREQUEST.into());
        }
        unsafe { self.texture.query(iid, object) }.ok()
    }
    fn GetSubresourceIndex(&self) -> Result<u32> {
        Ok(3)
    }
    fn GetUnknown(&self, _: *const GUID, _: *const GUID, _: *mut *mut c_void) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn SetUnknown(&self, _: *const GUID, _: Ref<'_, IUnknown>) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
}

#[test]
fn a_buffer_on_the_gpu_has_a_texture_while_it_is_not_locked() {
    let _platform = start();
    let (texture, alive) = token();
    let locks = Arc::new(AtomicI32::new(0));
    let buffer: IMFMediaBuffer =
        GpuBuffer { texture: texture.clone(), locks: locks.clone(), bytes: *b"abcdefgh" }.into();
    let buffer = mta(buffer);
    let surface = buffer.dxgi_surface().unwrap();
    assert_eq!(surface.subresource_index().unwrap(), 3);
    // The token stands for the texture, and its interface for that of a texture.
    assert_eq!(surface.resource::<IMFShutdown>().unwrap().cast::<IUnknown>().unwrap(), texture);
    assert_eq!(surface.resource::<IMFSample>().unwrap_err().hresult(), Hresult::from(E_NOINTERFACE));
    let locked = buffer.lock_2d(0).unwrap();
    let mut line = [0; 4];
    assert!(locked.copy_scan_line(1, &mut line));
    assert_eq!(&line, b"efgh");
    assert_eq!(surface.resource::<IMFShutdown>().unwrap_err().hresult(), Hresult::from(MF_E_INVALIDREQUEST));
    drop(locked);
    assert_eq!(locks.load(SeqCst), 0);
    surface.resource::<IMFShutdown>().unwrap();
    drop((buffer, surface, texture));
    assert_eq!(Arc::strong_count(&alive), 1, "no reference is left");
}

#[test]
fn what_is_no_texture_and_no_device_is_refused() {
    let platform = start();
    let (token, _alive) = token();
    let token: Mta<IMFShutdown> = mta(token.cast().unwrap());
    assert!(platform.create_dxgi_surface_buffer(&token, 0).is_err());
    // Wine's manager takes any object for a device. Then it has one, and else there is no manager.
    if let Ok(manager) = platform.create_dxgi_device_manager(&token) {
        unsafe { manager.OpenDeviceHandle() }.unwrap();
    }
}
