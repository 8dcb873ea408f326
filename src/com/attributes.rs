//! The attributes of an object of this crate's: a store of Media Foundation's that answers for it.

/// Implements `IMFAttributes` for an `#[implement]` struct by the store that its method `attributes` gives. Every argument
/// is passed on as it came.
macro_rules! has_attributes {
    ($object:ident) => {
        has_attributes! {
            $object:
            GetItem(key: *const GUID, value: *mut PROPVARIANT) -> ();
            CompareItem(key: *const GUID, value: *const PROPVARIANT) -> [BOOL];
            GetItemType(key: *const GUID) -> [MF_ATTRIBUTE_TYPE];
            GetUINT32(key: *const GUID) -> [u32];
            GetUINT64(key: *const GUID) -> [u64];
            GetDouble(key: *const GUID) -> [f64];
            GetGUID(key: *const GUID) -> [GUID];
            GetStringLength(key: *const GUID) -> [u32];
            GetString(key: *const GUID, text: PWSTR, size: u32, length: *mut u32) -> ();
            GetAllocatedString(key: *const GUID, text: *mut PWSTR, length: *mut u32) -> ();
            GetBlobSize(key: *const GUID) -> [u32];
            GetBlob(key: *const GUID, bytes: *mut u8, size: u32, length: *mut u32) -> ();
            GetAllocatedBlob(key: *const GUID, bytes: *mut *mut u8, length: *mut u32) -> ();
            GetUnknown(key: *const GUID, iid: *const GUID, object: *mut *mut c_void) -> ();
            SetItem(key: *const GUID, value: *const PROPVARIANT) -> ();
            DeleteItem(key: *const GUID) -> ();
            DeleteAllItems() -> ();
            SetUINT32(key: *const GUID, value: u32) -> ();
            SetUINT64(key: *const GUID, value: u64) -> ();
            SetDouble(key: *const GUID, value: f64) -> ();
            SetGUID(key: *const GUID, value: *const GUID) -> ();
            SetBlob(key: *const GUID, bytes: *const u8, size: u32) -> ();
            LockStore() -> ();
            UnlockStore() -> ();
            GetCount() -> [u32];
            GetItemByIndex(index: u32, key: *mut GUID, value: *mut PROPVARIANT) -> ();
        }
    };
    ($object:ident: $($name:ident($($argument:ident: $of:ty),*) -> $kind:tt;)*) => {
        impl IMFAttributes_Impl for $object {
            $(has_attributes!(@method $kind $name($($argument: $of),*));)*

            fn Compare(&self, theirs: Ref<'_, IMFAttributes>, how: MF_ATTRIBUTES_MATCH_TYPE) -> Result<BOOL> {
                let store = self.attributes()?;
                // SAFETY: the caller's object lives for the call, and so does the store.
                unsafe { store.Compare(theirs.as_ref(), how) }
            }

            fn SetString(&self, key: *const GUID, text: &PCWSTR) -> Result<()> {
                let store = self.attributes()?;
                // SAFETY: what the caller passes is passed on as it is.
                unsafe { (Interface::vtable(store).SetString)(Interface::as_raw(store), key, *text) }.ok()
            }

            fn SetUnknown(&self, key: *const GUID, object: Ref<'_, IUnknown>) -> Result<()> {
                let store = self.attributes()?;
                // SAFETY: what the caller passes is passed on as it is.
                unsafe { store.SetUnknown(key, object.as_ref()) }
            }

            fn CopyAllItems(&self, to: Ref<'_, IMFAttributes>) -> Result<()> {
                let store = self.attributes()?;
                // SAFETY: the caller's object lives for the call, and so does the store.
                unsafe { store.CopyAllItems(to.as_ref()) }
            }
        }
    };
    (@method () $name:ident($($argument:ident: $of:ty),*)) => {
        fn $name(&self $(, $argument: $of)*) -> Result<()> {
            let store = self.attributes()?;
            // SAFETY: what the caller passes is passed on as it is.
            unsafe { (Interface::vtable(store).$name)(Interface::as_raw(store) $(, $argument as _)*) }.ok()
        }
    };
    (@method [$value:ty] $name:ident($($argument:ident: $of:ty),*)) => {
        fn $name(&self $(, $argument: $of)*) -> Result<$value> {
            let store = self.attributes()?;
            let mut value = <$value>::default();
            // SAFETY: what the caller passes is passed on as it is; the answer is written before the call returns.
            unsafe { (Interface::vtable(store).$name)(Interface::as_raw(store) $(, $argument as _)*, &raw mut value as _) }
                .ok()?;
            Ok(value)
        }
    };
}

pub(crate) use has_attributes;
