//! A COM result as a callback of the platform: what is put on its queues.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mf_async::{AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, QueueId, Reply};
use windows_sys::Win32::Foundation::E_POINTER;

use crate::com::{CallbackTable, Com};
use crate::guard::{Answer, from};
use crate::result::{self, Made};
use crate::{inside, step};

/// The result as a callback. One of this crate's is that already; for another's a small object is made.
///
/// # Errors
/// `E_POINTER` for null.
///
/// # Safety
/// `raw` is null or a result that lives during this call.
pub(crate) unsafe fn shared(raw: *mut c_void) -> Answer<Arc<dyn AsyncCallback>> {
    if raw.is_null() {
        return Err(E_POINTER);
    }
    // SAFETY: the caller says so, here and below.
    if let Some(made) = unsafe { result::own(raw) } {
        return Ok(made);
    }
    // SAFETY: as above. The page *IMFAsyncResult interface* has results used by any thread.
    let foreign = unsafe { Com::add(raw) }.ok_or(E_POINTER)?;
    Ok(Arc::new(Foreign(foreign)))
}

/// A result that somebody else has made.
struct Foreign(Com);

impl AsyncCallback for Foreign {
    fn parameters(&self) -> CallbackParameters {
        // SAFETY: it is a result, and this counts it.
        unsafe { parameters(self.0.raw()) }
    }

    fn invoke(&self, result: &AsyncResult) {
        // SAFETY: as above.
        unsafe { run(self.0.raw(), result) };
    }

    fn name(&self) -> &'static str {
        NAME
    }
}

impl AsyncCallback for Made {
    fn parameters(&self) -> CallbackParameters {
        // SAFETY: it is a result, and lives.
        unsafe { parameters(self.raw()) }
    }

    fn invoke(&self, result: &AsyncResult) {
        // SAFETY: as above.
        unsafe { run(self.raw(), result) };
    }

    fn name(&self) -> &'static str {
        NAME
    }
}

/// In reports and in traces. The object's own name is known only to itself.
const NAME: &str = "IMFAsyncCallback";

/// Asks the result's callback where it wants to be invoked. By the page *IRtwqAsyncCallback::GetParameters* a failure,
/// `E_NOTIMPL` for example, means the defaults.
///
/// # Safety
/// `raw` is a result that lives.
unsafe fn parameters(raw: *mut c_void) -> CallbackParameters {
    let mut parameters = CallbackParameters::default();
    // SAFETY: the caller says so.
    let callback = unsafe { result::callback_of(raw) };
    if !callback.is_null() {
        let (mut flags, mut queue) = (0, 0);
        // SAFETY: the field `pCallback` is null or an `IRtwqAsyncCallback`, which the result keeps alive.
        let asked = unsafe {
            ((**callback.cast::<*const CallbackTable>()).get_parameters)(
                callback,
                &raw mut flags,
                &raw mut queue,
            )
        };
        if asked >= 0 {
            parameters =
                CallbackParameters::on(QueueId(queue)).with_flags(CallbackFlags::from_bits_retain(flags));
        }
    }
    step::redirected(parameters)
}

/// What dispatching means: the callback is invoked, or the event signalled.
///
/// # Safety
/// `raw` is a result that lives.
unsafe fn run(raw: *mut c_void, result: &AsyncResult) {
    // A wait says by the status how it went; otherwise the COM result keeps its own.
    if result.status() != mf_async::Hresult::S_OK {
        // SAFETY: the caller says so, here and below.
        unsafe { result::set_status(raw, from(result.status())) };
    }
    if let Some(reply) = result.to_reply() {
        replies().insert(raw as usize, reply);
        // ORDERING: Relaxed: the lock above orders it for the one that looks for this reply.
        AWAITED.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: as above.
    let callback = unsafe { result::callback_of(raw) };
    if callback.is_null() {
        // SAFETY: as above.
        return unsafe { result::signal(raw) };
    }
    // SAFETY: `pCallback` is an `IRtwqAsyncCallback`, called on a thread of the queue as the page *Invoke* says. What it
    // returns is ignored, as Media Foundation does.
    inside::enter(|| unsafe { ((**callback.cast::<*const CallbackTable>()).invoke)(callback, raw) });
}

/// The replies that serial queues wait for, by the address of their result, which the queue keeps alive.
static REPLIES: Mutex<Option<HashMap<usize, Reply>>> = Mutex::new(None);

/// How many there may be, so that results without one need no lock.
static AWAITED: AtomicUsize = AtomicUsize::new(0);

struct Replies(std::sync::MutexGuard<'static, Option<HashMap<usize, Reply>>>);

fn replies() -> Replies {
    Replies(REPLIES.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Replies {
    fn insert(mut self, result: usize, reply: Reply) {
        let former = self.0.get_or_insert_default().insert(result, reply);
        drop(self);
        // Of a result that was freed: nothing waits for it.
        if former.is_some() {
            AWAITED.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn remove(mut self, result: usize) -> Option<Reply> {
        self.0.as_mut()?.remove(&result)
    }
}

/// Replies by this result, if a serial queue waits for that; false if it is to be invoked.
pub(crate) fn reply(raw: *mut c_void) -> bool {
    // ORDERING: Relaxed: one who is to reply has the result from the callback, which was invoked after the count.
    if AWAITED.load(Ordering::Relaxed) == 0 {
        return false;
    }
    let Some(reply) = replies().remove(raw as usize) else { return false };
    AWAITED.fetch_sub(1, Ordering::Relaxed);
    reply.send()
}

/// Nothing waits for a reply any more.
pub(crate) fn forget_replies() {
    let all = replies().0.take().unwrap_or_default();
    AWAITED.fetch_sub(all.len(), Ordering::Relaxed);
    drop(all);
}
