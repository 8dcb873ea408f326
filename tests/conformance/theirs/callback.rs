//! Theirs: callbacks, by `com` where it can say what a case wants said, and the context of periodic ones.

use std::sync::Arc;

use mf_async::com::Mta;
use mf_async::{AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters};
use windows::Win32::Foundation::{E_NOTIMPL, S_OK};
use windows::Win32::Media::MediaFoundation::{IMFAsyncCallback, IMFAsyncCallback_Impl, IMFAsyncResult};
use windows::Win32::System::Com::{IAgileObject, IAgileObject_Impl};
use windows::core::{HRESULT, IUnknown, Interface, Ref, Result, implement};

use crate::subject::Parameters;

type Invoke = Box<dyn Fn(&Mta<IMFAsyncResult>) + Send + Sync>;

/// A callback of these parameters.
pub(crate) fn of(
    parameters: Parameters,
    invoke: impl Fn(&Mta<IMFAsyncResult>) + Send + Sync + 'static,
) -> Mta<IMFAsyncCallback> {
    if matches!(parameters, Parameters::NotImplemented) {
        return raw(S_OK, invoke);
    }
    let callback: Arc<dyn AsyncCallback> = Arc::new(Portable { parameters, invoke: Box::new(invoke) });
    Mta::from(callback)
}

/// A callback that answers `E_NOTIMPL` to `GetParameters`, and this to `Invoke`.
pub(crate) fn raw(
    returns: HRESULT,
    invoke: impl Fn(&Mta<IMFAsyncResult>) + Send + Sync + 'static,
) -> Mta<IMFAsyncCallback> {
    Mta::of(Raw { returns, invoke: Box::new(invoke) })
}

/// What `com` makes a COM object of.
struct Portable {
    parameters: Parameters,
    invoke: Invoke,
}

impl AsyncCallback for Portable {
    fn parameters(&self) -> CallbackParameters {
        let (flags, queue) = match &self.parameters {
            Parameters::NotImplemented => return CallbackParameters::default(),
            Parameters::Are { flags, queue } => (*flags, *queue),
            Parameters::Ask(ask) => ask(),
        };
        CallbackParameters::on(queue).with_flags(CallbackFlags::from_bits_retain(flags))
    }

    fn invoke(&self, result: &AsyncResult) {
        (self.invoke)(&Mta::from(result));
    }
}

#[implement(IMFAsyncCallback)]
struct Raw {
    returns: HRESULT,
    invoke: Invoke,
}

impl IMFAsyncCallback_Impl for Raw_Impl {
    fn GetParameters(&self, _: *mut u32, _: *mut u32) -> Result<()> {
        Err(E_NOTIMPL.into())
    }

    fn Invoke(&self, result: Ref<'_, IMFAsyncResult>) -> Result<()> {
        // SAFETY: the result is Media Foundation's own.
        (self.invoke)(&unsafe { Mta::new(result.ok()?.clone()) });
        self.returns.ok()
    }
}

/// The context of a periodic callback: what is to be called, and what the case wants to see released.
pub(crate) fn ticker(
    call: impl Fn() + Send + Sync + 'static,
    context: Option<Mta<IUnknown>>,
) -> Mta<IUnknown> {
    let ticker: Mta<IAgileObject> = Mta::of(Ticker { call: Box::new(call), _context: context });
    ticker.cast().expect("every object is an `IUnknown`")
}

#[implement(IAgileObject)]
struct Ticker {
    call: Box<dyn Fn() + Send + Sync>,
    _context: Option<Mta<IUnknown>>,
}

impl IAgileObject_Impl for Ticker_Impl {}

/// What Media Foundation calls periodically.
pub(crate) unsafe extern "system" fn tick(context: Ref<'_, IUnknown>) {
    let Some(context) = context.as_ref() else { return };
    if let Ok(ticker) = context.cast_object_ref::<Ticker>() {
        (ticker.call)();
    }
}
