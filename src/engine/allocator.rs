//! The memory allocator of the program, and how it gives memory back.

#![allow(unsafe_code, reason = "jemalloc is configured by a variable of C")]

use std::ffi::c_char;

/// jemalloc; `docs/decisions/0009-allocator.md` has what the others kept after a burst.
pub use tikv_jemallocator::Jemalloc as Allocator;

/// What jemalloc reads before the first allocation: a thread of its own returns what has been free
/// for a second. Without it memory goes back only when the thread that freed it allocates again,
/// which a worker with silent streams does not.
// SAFETY: jemalloc looks for a variable of this name and type (a pointer to a C string), and
// nothing else has this name.
#[unsafe(export_name = "_rjem_malloc_conf")]
static CONFIGURATION: Option<&'static c_char> = Some(
    // SAFETY: the pointer is that of a literal, which lives as long as the program.
    unsafe { &*c"background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0".as_ptr() },
);
