//! Bindings of a program's own, as `windows-bindgen` 0.100 makes them: `--flat --filter MFCreateSourceReaderFromURL`.

#[inline]
pub unsafe fn MFCreateSourceReaderFromURL<P0, P1>(
    pwszurl: P0,
    pattributes: P1,
) -> windows_core::Result<IMFSourceReader>
where
    P0: windows_core::Param<windows_core::PCWSTR>,
    P1: windows_core::Param<IMFAttributes>,
{
    windows_core::link!("mfreadwrite.dll" "system" fn MFCreateSourceReaderFromURL(pwszurl : windows_core::PCWSTR, pattributes : *mut core::ffi::c_void, ppsourcereader : *mut *mut core::ffi::c_void) -> windows_core::HRESULT);
    unsafe {
        let mut result__ = core::mem::zeroed();
        MFCreateSourceReaderFromURL(pwszurl.param().abi(), pattributes.param().abi(), &mut result__)
            .and_then(|| windows_core::imp::Type::from_abi(result__))
    }
}
windows_core::imp::define_interface!(
    IMFAttributes,
    IMFAttributes_Vtbl,
    0x2cd2d921_c447_44a7_a13c_4adabfc247e3
);
windows_core::imp::interface_hierarchy!(IMFAttributes, windows_core::IUnknown);
#[repr(C)]
pub struct IMFAttributes_Vtbl {
    pub base__: windows_core::IUnknown_Vtbl,
    GetItem: usize,
    GetItemType: usize,
    CompareItem: usize,
    Compare: usize,
    GetUINT32: usize,
    GetUINT64: usize,
    GetDouble: usize,
    GetGUID: usize,
    GetStringLength: usize,
    GetString: usize,
    GetAllocatedString: usize,
    GetBlobSize: usize,
    GetBlob: usize,
    GetAllocatedBlob: usize,
    GetUnknown: usize,
    SetItem: usize,
    DeleteItem: usize,
    DeleteAllItems: usize,
    SetUINT32: usize,
    SetUINT64: usize,
    SetDouble: usize,
    SetGUID: usize,
    SetString: usize,
    SetBlob: usize,
    SetUnknown: usize,
    LockStore: usize,
    UnlockStore: usize,
    GetCount: usize,
    GetItemByIndex: usize,
    CopyAllItems: usize,
}
impl windows_core::RuntimeName for IMFAttributes {}
windows_core::imp::define_interface!(
    IMFSourceReader,
    IMFSourceReader_Vtbl,
    0x70ae66f2_c809_4e4f_8915_bdcb406b7993
);
windows_core::imp::interface_hierarchy!(IMFSourceReader, windows_core::IUnknown);
#[repr(C)]
pub struct IMFSourceReader_Vtbl {
    pub base__: windows_core::IUnknown_Vtbl,
    GetStreamSelection: usize,
    SetStreamSelection: usize,
    GetNativeMediaType: usize,
    GetCurrentMediaType: usize,
    SetCurrentMediaType: usize,
    SetCurrentPosition: usize,
    ReadSample: usize,
    Flush: usize,
    GetServiceForStream: usize,
    GetPresentationAttribute: usize,
}
impl windows_core::RuntimeName for IMFSourceReader {}
