//! A global allocator that counts, while it is asked to; at other times it costs one load of a flag.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering};

/// What was allocated while something ran.
pub(crate) struct Counted {
    /// Allocations; one that grew in place is none, one that may have moved is one.
    pub(crate) count: usize,
    /// Bytes that were allocated and not freed.
    pub(crate) kept: isize,
}

/// Counting is on, on every thread, until it is stopped.
pub(crate) struct Counting(());

impl Counting {
    /// Starts at nothing.
    pub(crate) fn start() -> Counting {
        COUNT.store(0, Ordering::SeqCst);
        KEPT.store(0, Ordering::SeqCst);
        COUNTING.store(true, Ordering::SeqCst);
        Counting(())
    }

    /// What was allocated since.
    pub(crate) fn stop(self) -> Counted {
        COUNTING.store(false, Ordering::SeqCst);
        Counted { count: COUNT.load(Ordering::SeqCst), kept: KEPT.load(Ordering::SeqCst) }
    }
}

static COUNTING: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicUsize = AtomicUsize::new(0);
static KEPT: AtomicIsize = AtomicIsize::new(0);

struct Allocator;

impl Allocator {
    fn note(allocations: usize, bytes: isize) {
        // ORDERING: Relaxed throughout: the counts are read when what allocates has been waited for.
        if COUNTING.load(Ordering::Relaxed) {
            COUNT.fetch_add(allocations, Ordering::Relaxed);
            KEPT.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

// SAFETY: every call is passed to the system's allocator as it is; counting touches no memory of it.
#[allow(unsafe_code, reason = "the trait of an allocator is unsafe")]
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Allocator::note(1, layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        Allocator::note(0, -(layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Allocator::note(1, size as isize - layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(at, layout, size) }
    }
}
