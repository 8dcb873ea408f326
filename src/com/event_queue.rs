//! The events of an object of this crate's: a queue of Media Foundation's that answers for it.

/// Implements `IMFMediaEventGenerator` for an `#[implement]` struct by the queue that its method `events` gives.
macro_rules! has_event_queue {
    ($object:ident) => {
        impl IMFMediaEventGenerator_Impl for $object {
            fn GetEvent(&self, flags: MEDIA_EVENT_GENERATOR_GET_EVENT_FLAGS) -> Result<IMFMediaEvent> {
                // SAFETY: takes a number.
                unsafe { self.events().GetEvent(flags.0) }
            }

            fn BeginGetEvent(
                &self,
                callback: Ref<'_, IMFAsyncCallback>,
                state: Ref<'_, IUnknown>,
            ) -> Result<()> {
                use windows::core::Interface;
                let raw = |object: Option<&IUnknown>| object.map_or(std::ptr::null_mut(), Interface::as_raw);
                let callback = callback.as_ref().map_or(std::ptr::null_mut(), Interface::as_raw);
                let queue = self.events();
                // Called through the table, since a code of success is one of the answers.
                // SAFETY: both live for the call, and the queue takes its own references.
                let code = unsafe {
                    (Interface::vtable(queue).BeginGetEvent)(
                        Interface::as_raw(queue),
                        callback,
                        raw(state.as_ref()),
                    )
                };
                // The generated table turns this back into the code.
                if code == HRESULT(0) { Ok(()) } else { Err(windows::core::Error::from_hresult(code)) }
            }

            fn EndGetEvent(&self, result: Ref<'_, IMFAsyncResult>) -> Result<IMFMediaEvent> {
                // SAFETY: the result lives for the call.
                unsafe { self.events().EndGetEvent(result.as_ref()) }
            }

            fn QueueEvent(
                &self,
                kind: u32,
                extended: *const GUID,
                status: HRESULT,
                value: *const PROPVARIANT,
            ) -> Result<()> {
                // SAFETY: what the caller passes is passed on as it is.
                unsafe { self.events().QueueEventParamVar(kind, extended, status, value) }
            }
        }
    };
}

pub(crate) use has_event_queue;
