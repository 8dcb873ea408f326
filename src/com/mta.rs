//! A pointer to a COM object of the multithreaded apartment, which may cross threads.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use windows::Win32::Foundation::RPC_E_WRONG_THREAD;
use windows::Win32::System::Com::{APTTYPE, APTTYPE_MTA, APTTYPEQUALIFIER, CoGetApartmentType};
use windows::core::{AgileReference, Interface};
use windows_core::{ComObject, ComObjectInner, ComObjectInterface};

use crate::com::startup::Started;

/// An interface pointer that is `Send` and `Sync`, because the object behind it may be used by every thread of the
/// multithreaded apartment.
///
/// The `windows` crate lets no interface cross threads, as it cannot know which object is behind it. Media Foundation
/// passes its objects between its own threads, all of the multithreaded apartment, unmarshalled. So for most objects
/// that Media Foundation made, and for objects of others that obey its rules, [`new`](Mta::new) only says what holds
/// anyway; for objects written in Rust [`of`](Mta::of) has the compiler check it.
///
/// What this module hands out keeps Media Foundation started as long as it lives, and so does what is made of it by
/// [`cast`](Mta::cast) and `clone`. A bare pointer that is cloned out of it does not: release it first.
///
/// # What the apartment means
/// A thread that never initialised COM, as those of a runtime, counts as one of the multithreaded apartment while a
/// [`Platform`](crate::com::Platform) was started once. A thread of a single-threaded apartment does not: a window's main thread,
/// and the threads of Media Foundation's own queue [`LONG_FUNCTION`](crate::QueueId::LONG_FUNCTION). Objects that are
/// free-threaded may be used there, too; a transform or a byte stream handler need only be of the multithreaded apartment, and objects of
/// a protected media path are proxies, which answer such a thread with `RPC_E_WRONG_THREAD`. The page *Media Foundation
/// and COM* says which is which.
///
/// ```no_run
/// use mf_async::com::Mta;
/// use windows::Win32::Media::MediaFoundation::IMFByteStream;
///
/// /// # Safety
/// /// The stream must be what [`Mta::new`] demands, as all of Media Foundation's are.
/// unsafe fn hand_over(stream: IMFByteStream) {
///     // SAFETY: the caller says so.
///     let stream = unsafe { Mta::new(stream) };
///     std::thread::spawn(move || unsafe { stream.GetLength() });
/// }
/// ```
#[derive(Clone)]
pub struct Mta<I> {
    interface: I,
    /// Keeps Media Foundation started. After the pointer, so that it is given back after it.
    started: Option<Arc<Started>>,
}

impl<I: Interface> Mta<I> {
    /// Wraps a pointer to an object that may be used by every thread of the multithreaded apartment.
    ///
    /// # Safety
    /// All of this must hold, for the object and for what its methods hand out:
    ///
    /// * It is callable and releasable, at the same time, from every thread of the multithreaded apartment, without
    ///   marshalling; also from threads that are in it only because nothing else was initialised.
    /// * It was made on a thread of that apartment, or is agile. One that was made on the main thread of a window, or
    ///   by an item of the queue `LONG_FUNCTION`, may belong to a single-threaded apartment. Objects of the user
    ///   interface, of DirectShow and of the enhanced video renderer do. For such use [`TryFrom`] of an
    ///   `AgileReference`.
    /// * If it is a proxy, it is used on threads of the multithreaded apartment only.
    /// * It is released before Media Foundation is shut down. [`Platform::keep`](crate::com::Platform::keep) sees to that.
    pub const unsafe fn new(interface: I) -> Mta<I> {
        Mta { interface, started: None }
    }

    /// Makes a COM object of a value whose type implements the interface by `#[implement]`.
    ///
    /// `#[implement]` itself does not ask for `Send` and `Sync`; this does, so there is nothing to promise.
    ///
    /// ```
    /// use mf_async::com::Mta;
    /// use mf_async::com::windows::Win32::Media::MediaFoundation::{
    ///     IMFAsyncCallback, IMFAsyncCallback_Impl, IMFAsyncResult,
    /// };
    /// use windows::core::{Ref, Result, implement};
    ///
    /// #[implement(IMFAsyncCallback)]
    /// struct Silent;
    ///
    /// impl IMFAsyncCallback_Impl for Silent_Impl {
    ///     fn GetParameters(&self, _: *mut u32, _: *mut u32) -> Result<()> {
    ///         Err(windows::Win32::Foundation::E_NOTIMPL.into())
    ///     }
    ///     fn Invoke(&self, _: Ref<'_, IMFAsyncResult>) -> Result<()> {
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let callback: Mta<IMFAsyncCallback> = Mta::of(Silent);
    /// ```
    pub fn of<T>(object: T) -> Mta<I>
    where
        T: ComObjectInner + Send + Sync + 'static,
        T::Outer: ComObjectInterface<I>,
    {
        Mta { interface: object.into_object().into_interface(), started: None }
    }

    /// The pointer itself, which keeps nothing started.
    pub fn into_inner(self) -> I {
        self.interface
    }

    /// The same object by another of its interfaces.
    ///
    /// # Errors
    /// `E_NOINTERFACE` when the object does not have it.
    pub fn cast<J: Interface>(&self) -> crate::Result<Mta<J>> {
        Ok(Mta { interface: self.interface.cast::<J>()?, started: self.started.clone() })
    }

    /// Another object, which this one handed out: it keeps Media Foundation started if this does.
    ///
    /// # Safety
    /// As [`new`](Mta::new).
    pub(crate) unsafe fn beside<J>(&self, interface: J) -> Mta<J> {
        Mta { interface, started: self.started.clone() }
    }

    /// What keeps Media Foundation started for it.
    pub(crate) fn started(&self) -> Option<&Arc<Started>> {
        self.started.as_ref()
    }

    /// As it is, and it keeps Media Foundation started.
    pub(crate) fn keeping(self, started: Option<Arc<Started>>) -> Mta<I> {
        Mta { started, ..self }
    }
}

impl<I: Interface, T> From<ComObject<T>> for Mta<I>
where
    T: ComObjectInner + Send + Sync + 'static,
    T::Outer: ComObjectInterface<I>,
{
    fn from(object: ComObject<T>) -> Mta<I> {
        Mta { interface: object.into_interface(), started: None }
    }
}

impl<I: Interface> TryFrom<AgileReference<I>> for Mta<I> {
    type Error = crate::Error;

    /// The object, as the multithreaded apartment sees it: itself, or a proxy.
    ///
    /// # Errors
    /// `RPC_E_WRONG_THREAD` on a thread of a single-threaded apartment, where it would be another; those of the
    /// reference.
    fn try_from(reference: AgileReference<I>) -> crate::Result<Mta<I>> {
        let (mut kind, mut qualifier) = (APTTYPE::default(), APTTYPEQUALIFIER::default());
        // SAFETY: both places live for the call.
        unsafe { CoGetApartmentType(&raw mut kind, &raw mut qualifier) }?;
        if kind != APTTYPE_MTA {
            return Err(windows::core::Error::from(RPC_E_WRONG_THREAD).into());
        }
        Ok(Mta { interface: reference.resolve()?, started: Started::current() })
    }
}

impl<I> Deref for Mta<I> {
    type Target = I;

    fn deref(&self) -> &I {
        &self.interface
    }
}

impl<I> AsRef<I> for Mta<I> {
    /// For a call that takes an interface: `source.SetTopology(0, topology.as_ref())`.
    fn as_ref(&self) -> &I {
        &self.interface
    }
}

impl<I: PartialEq> PartialEq for Mta<I> {
    fn eq(&self, other: &Mta<I>) -> bool {
        self.interface == other.interface
    }
}

impl<I: Eq> Eq for Mta<I> {}

impl<I> fmt::Debug for Mta<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mta<{}>", std::any::type_name::<I>())
    }
}

// SAFETY: the pointer is a reference-counted pointer whose counting is atomic for an object that every thread of the
// multithreaded apartment may use, and such an object may be called and released from any of these. A thread of another
// apartment gets an error of a proxy, as `new` says. An `Mta` is made by `new`, whose caller vouches for the object; by
// `of`, of a value that is `Send` and `Sync`, whose counting `#[implement]` makes atomic; of an agile reference, in that
// apartment; or from another `Mta` to the same object.
unsafe impl<I> Send for Mta<I> {}
// SAFETY: as above; calls from several threads at the same time are part of it.
unsafe impl<I> Sync for Mta<I> {}
