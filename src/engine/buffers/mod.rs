//! A worker's buffers: page-aligned memory, zeroed once, used again last in first out.

mod buffer;
mod memory;
mod pool;

pub use buffer::{Buffer, SizeClass};
pub use pool::{BufferPool, Registration};

#[cfg(test)]
mod tests;
