//! One buffer: bytes `[start..end)` are filled, the rest up to the capacity is spare.

use std::fmt;

use bytes::Buf;

use super::{memory::Memory, pool::BufferPool};
use crate::limits;

/// How large a buffer is; a direction grows through them while it moves bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SizeClass {
    /// Room for one TLS record of any size.
    Small,
    /// Room for 4 sealed records.
    Medium,
    /// Room for 16 sealed records.
    Large,
}

impl SizeClass {
    /// Every class, smallest first.
    pub const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// Capacity of a buffer of this class.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Small => limits::BUFFER_SMALL_BYTES,
            Self::Medium => limits::BUFFER_MEDIUM_BYTES,
            Self::Large => limits::BUFFER_LARGE_BYTES,
        }
    }

    /// Plaintext that fits when it is sealed: whole TLS records only.
    #[must_use]
    pub const fn plain_bytes(self) -> usize {
        let records =
            self.bytes() / (limits::RECORD_PLAIN_BYTES_MAX + limits::RECORD_OVERHEAD_BYTES);
        records * limits::RECORD_PLAIN_BYTES_MAX
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

/// Memory for one operation. Dropping it gives it back to its pool.
pub struct Buffer {
    memory: Memory,
    class: SizeClass,
    // start <= end <= capacity
    start: usize,
    end: usize,
    pool: BufferPool,
}

impl Buffer {
    pub(super) fn new(memory: Memory, class: SizeClass, pool: BufferPool) -> Self {
        debug_assert_eq!(memory.bytes().len(), class.bytes());
        Self { memory, class, start: 0, end: 0, pool }
    }

    /// Filled bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether no byte is filled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes from front to back, filled or not.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.memory.bytes().len()
    }

    /// The size class it was given as.
    #[must_use]
    pub fn class(&self) -> SizeClass {
        self.class
    }

    /// The filled bytes.
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        &self.memory.bytes()[self.start..self.end]
    }

    /// The filled bytes, to be worked on in place.
    #[must_use]
    pub fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.memory.bytes_mut()[self.start..self.end]
    }

    /// The room after the filled bytes.
    #[must_use]
    pub fn spare_mut(&mut self) -> &mut [u8] {
        &mut self.memory.bytes_mut()[self.end..]
    }

    /// Bytes of room after the filled ones.
    #[must_use]
    pub fn spare_len(&self) -> usize {
        self.capacity() - self.end
    }

    /// Declares the first `bytes` of the room filled.
    ///
    /// # Panics
    /// When there is less room: a mistake of ours, never the peer's.
    pub fn fill(&mut self, bytes: usize) {
        assert!(bytes <= self.spare_len(), "filled beyond the buffer");
        self.end += bytes;
    }

    /// Takes `bytes` off the front; an empty buffer starts at its beginning again.
    ///
    /// # Panics
    /// When fewer bytes are filled: a mistake of ours, never the peer's.
    pub fn consume(&mut self, bytes: usize) {
        assert!(bytes <= self.len(), "consumed more than was filled");
        self.start += bytes;
        if self.start == self.end {
            self.clear();
        }
    }

    /// Moves the filled bytes to the front, so that all room is behind them.
    pub fn compact(&mut self) {
        if self.start > 0 {
            let filled = self.start..self.end;
            self.memory.bytes_mut().copy_within(filled, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }

    /// Forgets the filled bytes.
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Slot in the ring's table of registered buffers, if it has one.
    pub(in crate::engine) fn registered_index(&self) -> Option<u16> {
        self.memory.registered_index()
    }
}

impl Buf for Buffer {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn chunk(&self) -> &[u8] {
        self.filled()
    }

    fn advance(&mut self, bytes: usize) {
        self.consume(bytes);
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let memory = std::mem::replace(&mut self.memory, Memory::Gone);
        self.pool.give_back(memory, self.class);
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the bytes: they are the traffic of a tenant.
        f.debug_struct("Buffer")
            .field("class", &self.class)
            .field("filled", &(self.start..self.end))
            .finish_non_exhaustive()
    }
}
