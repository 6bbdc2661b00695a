//! What a sender hands to its session: bytes, and the place they take among those in flight.

use std::{cell::Cell, rc::Rc, sync::Arc};

use bytes::{Buf, Bytes};

use super::alarm::Alarm;

/// Chunks one sender may have on their way, as in the data path.
pub(crate) const CHUNKS_IN_FLIGHT: usize = 2;

/// The places of one sender; rings when one becomes free.
pub(crate) struct Slots {
    free: Cell<usize>,
    alarm: Arc<Alarm>,
}

struct Slot(Rc<Slots>);

/// Bytes on their way.
pub(crate) struct Chunk {
    bytes: Bytes,
    _slot: Option<Slot>,
}

impl Slots {
    pub(crate) fn new(alarm: Arc<Alarm>) -> Rc<Self> {
        Rc::new(Self { free: Cell::new(CHUNKS_IN_FLIGHT), alarm })
    }

    pub(crate) fn has_free(&self) -> bool {
        self.free.get() > 0
    }

    pub(crate) fn all_free(&self) -> bool {
        self.free.get() == CHUNKS_IN_FLIGHT
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.free.set(self.0.free.get() + 1);
        self.0.alarm.ring();
    }
}

impl Chunk {
    /// Nothing: for the frame that only ends a stream.
    pub(crate) fn empty() -> Self {
        Self { bytes: Bytes::new(), _slot: None }
    }

    pub(crate) fn new(bytes: Vec<u8>, slots: &Rc<Slots>) -> Self {
        slots.free.set(slots.free.get() - 1);
        Self { bytes: bytes.into(), _slot: Some(Slot(slots.clone())) }
    }
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, bytes: usize) {
        self.bytes.advance(bytes);
    }
}
