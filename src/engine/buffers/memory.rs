//! Where a buffer's bytes live: pages of our own, or pages registered with the ring.

#![allow(unsafe_code)]

use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

use tokio_uring::buf::{IoBuf, IoBufMut, fixed::FixedBuf};

/// Alignment of every buffer: a registered buffer then pins exactly the pages it covers.
const PAGE_BYTES: usize = 4096;

/// The bytes of one buffer. Always fully initialised, so all of it is `&mut [u8]`.
pub(in crate::engine) enum Memory {
    /// Ordinary memory.
    Plain(Pages),
    /// Memory the ring has pinned; the handle keeps its registration slot checked out.
    Registered(FixedBuf),
    /// Given back to the pool; only a buffer that is being dropped holds this.
    Gone,
}

impl Memory {
    pub(in crate::engine) fn bytes(&self) -> &[u8] {
        match self {
            Self::Plain(pages) => pages,
            Self::Registered(fixed) => fixed,
            Self::Gone => &[],
        }
    }

    pub(in crate::engine) fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Plain(pages) => pages,
            Self::Registered(fixed) => fixed,
            Self::Gone => &mut [],
        }
    }

    /// Slot of the memory in the ring's table of registered buffers.
    pub(in crate::engine) fn registered_index(&self) -> Option<u16> {
        match self {
            Self::Registered(fixed) => Some(fixed.buf_index()),
            Self::Plain(_) | Self::Gone => None,
        }
    }
}

/// Whole pages, zeroed, owned.
pub(in crate::engine) struct Pages {
    start: NonNull<u8>,
    bytes: usize,
}

impl Pages {
    pub(in crate::engine) fn new(bytes: usize) -> Self {
        let layout = layout(bytes);
        // SAFETY: the layout has a non-zero size. The memory is ours until `drop`.
        let start = unsafe { alloc_zeroed(layout) };
        let start = NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout));
        Self { start, bytes }
    }
}

fn layout(bytes: usize) -> Layout {
    assert!(bytes > 0, "a buffer has at least one byte");
    Layout::from_size_align(bytes, PAGE_BYTES).expect("buffer sizes are far below isize::MAX")
}

impl Drop for Pages {
    fn drop(&mut self) {
        // An allocator keeps freed memory resident until it is next busy on this thread, which
        // after a burst may be never. These are whole pages, so the kernel can have them now; a
        // refusal changes nothing.
        // SAFETY: the pages are ours, nothing reads them before they are allocated anew, and
        // until then any content will do.
        unsafe { libc::madvise(self.start.as_ptr().cast(), self.bytes, libc::MADV_DONTNEED) };
        // SAFETY: `start` came from `alloc_zeroed` with this same layout and nothing else owns
        // it: an operation in flight owns the whole buffer, so a dropped one is not in flight.
        unsafe { dealloc(self.start.as_ptr(), layout(self.bytes)) }
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `start` points to `bytes` initialised bytes that we own; `&self` keeps writers
        // away, and the kernel writes only while the buffer is moved into an operation.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `&mut self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes) }
    }
}

// SAFETY: the pages do not move when the value moves, and all of them are initialised.
unsafe impl IoBuf for Pages {
    fn stable_ptr(&self) -> *const u8 {
        self.start.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.bytes
    }

    fn bytes_total(&self) -> usize {
        self.bytes
    }
}

// SAFETY: as for `IoBuf`; nothing needs to be recorded because everything is initialised.
unsafe impl IoBufMut for Pages {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.start.as_ptr()
    }

    unsafe fn set_init(&mut self, _bytes: usize) {}
}
