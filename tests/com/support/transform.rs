//! What every transform of the tests has: the methods that are never called, and events through a queue of its own.

/// The methods of `IMFTransform` that are not implemented.
macro_rules! unused_of_a_transform {
    () => {
        unused_of_a_transform!(with ids);
        unused_of_a_transform! {
            fn GetStreamIDs(&self, _: u32, _: *mut u32, _: u32, _: *mut u32) -> ();
        }
    };
    (with ids) => {
        unused_of_a_transform! {
            fn GetStreamLimits(&self, _: *mut u32, _: *mut u32, _: *mut u32, _: *mut u32) -> ();
            fn GetStreamCount(&self, _: *mut u32, _: *mut u32) -> ();
            fn GetInputStreamInfo(&self, _: u32, _: *mut MFT_INPUT_STREAM_INFO) -> ();
            fn GetInputStreamAttributes(&self, _: u32) -> IMFAttributes;
            fn GetOutputStreamAttributes(&self, _: u32) -> IMFAttributes;
            fn DeleteInputStream(&self, _: u32) -> ();
            fn AddInputStreams(&self, _: u32, _: *const u32) -> ();
            fn GetInputAvailableType(&self, _: u32, _: u32) -> IMFMediaType;
            fn GetInputCurrentType(&self, _: u32) -> IMFMediaType;
            fn GetOutputCurrentType(&self, _: u32) -> IMFMediaType;
            fn GetInputStatus(&self, _: u32) -> u32;
            fn GetOutputStatus(&self) -> u32;
            fn SetOutputBounds(&self, _: i64, _: i64) -> ();
            fn ProcessEvent(&self, _: u32, _: Ref<'_, IMFMediaEvent>) -> ();
        }
    };
    ($(fn $name:ident(&$this:ident $(, _: $argument:ty)*) -> $value:ty;)*) => {
        $(fn $name(&$this $(, _: $argument)*) -> Result<$value> {
            Err(E_NOTIMPL.into())
        })*
    };
}

/// Sends events through the queue in the field `events`, until it is shut down.
macro_rules! sends_events {
    ($object:ident) => {
        impl IMFMediaEventGenerator_Impl for $object {
            fn GetEvent(&self, flags: MEDIA_EVENT_GENERATOR_GET_EVENT_FLAGS) -> Result<IMFMediaEvent> {
                unsafe { self.events.GetEvent(flags.0) }
            }
            fn BeginGetEvent(
                &self,
                callback: Ref<'_, IMFAsyncCallback>,
                state: Ref<'_, IUnknown>,
            ) -> Result<()> {
                unsafe { self.events.BeginGetEvent(callback.as_ref(), state.as_ref()) }
            }
            fn EndGetEvent(&self, result: Ref<'_, IMFAsyncResult>) -> Result<IMFMediaEvent> {
                unsafe { self.events.EndGetEvent(result.as_ref()) }
            }
            fn QueueEvent(
                &self,
                kind: u32,
                of: *const GUID,
                status: HRESULT,
                value: *const PROPVARIANT,
            ) -> Result<()> {
                unsafe { self.events.QueueEventParamVar(kind, of, status, value) }
            }
        }

        impl IMFShutdown_Impl for $object {
            fn Shutdown(&self) -> Result<()> {
                unsafe { self.events.Shutdown() }
            }
            fn GetShutdownStatus(&self) -> Result<MFSHUTDOWN_STATUS> {
                Ok(MFSHUTDOWN_COMPLETED)
            }
        }
    };
}

pub(crate) use {sends_events, unused_of_a_transform};
