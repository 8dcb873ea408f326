//! A pointer to a free-threaded COM object, which may cross threads.

use std::fmt;
use std::ops::Deref;

use windows::core::Interface;
use windows_core::{ComObjectInner, ComObjectInterface};

/// An interface pointer that is `Send` and `Sync`, because the object behind it is free-threaded.
///
/// The `windows` crate lets no interface cross threads, as it cannot know which object is behind it. Media
/// Foundation requires its objects to be callable from any thread of the multithreaded apartment, and passes
/// them between its own threads unmarshalled. So for every object that Media Foundation made, and for every
/// object of others that obeys its rules, [`new`](Mta::new) only says what holds anyway; for objects written in
/// Rust [`of`](Mta::of) has the compiler check it.
///
/// ```no_run
/// use mf_async::com::Mta;
/// use windows::Win32::Media::MediaFoundation::IMFByteStream;
///
/// /// # Safety
/// /// The stream must be free-threaded, as all of Media Foundation's are.
/// unsafe fn hand_over(stream: IMFByteStream) {
///     // SAFETY: the caller says so.
///     let stream = unsafe { Mta::new(stream) };
///     std::thread::spawn(move || unsafe { stream.GetLength() });
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Mta<I>(I);

impl<I: Interface> Mta<I> {
    /// Wraps a pointer to an object that may be used by any thread.
    ///
    /// # Safety
    /// The object must be free-threaded: callable, and releasable, from any thread, without marshalling. Media
    /// Foundation's own are, see the page *Media Foundation and COM*; an object that lives in a single-threaded
    /// apartment is not.
    pub const unsafe fn new(interface: I) -> Mta<I> {
        Mta(interface)
    }

    /// Makes a COM object of a value whose type implements the interface by `#[implement]`.
    ///
    /// `#[implement]` itself does not ask for `Send` and `Sync`; this does, so there is nothing to promise.
    ///
    /// ```
    /// use mf_async::com::Mta;
    /// use windows::Win32::Media::MediaFoundation::{IMFAsyncCallback, IMFAsyncCallback_Impl, IMFAsyncResult};
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
        Mta(object.into_object().into_interface())
    }

    /// The pointer itself.
    pub fn into_inner(self) -> I {
        self.0
    }

    /// The same object by another of its interfaces.
    ///
    /// # Errors
    /// `E_NOINTERFACE` when the object does not have it.
    pub fn cast<J: Interface>(&self) -> crate::Result<Mta<J>> {
        Ok(Mta(self.0.cast::<J>()?))
    }
}

impl<I> Deref for Mta<I> {
    type Target = I;

    fn deref(&self) -> &I {
        &self.0
    }
}

impl<I> fmt::Debug for Mta<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mta<{}>", std::any::type_name::<I>())
    }
}

// SAFETY: the pointer is a reference-counted pointer whose counting is atomic for a free-threaded object, and
// such an object may be called and released from any thread. An `Mta` is made by `new`, whose caller vouches
// for the object; by `of`, of a value that is `Send` and `Sync`, whose counting `#[implement]` makes atomic; or
// from another `Mta` to the same object.
unsafe impl<I> Send for Mta<I> {}
// SAFETY: as above; calls from several threads at the same time are what free-threaded means.
unsafe impl<I> Sync for Mta<I> {}
