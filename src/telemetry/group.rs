//! What is counted of a service or a subaccount, and whose it is.

use super::names::OVERFLOW;

/// Whose figures they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey {
    /// The tenant.
    pub subaccount: Box<str>,
    /// Its service; empty for what is of the tenant and of no service.
    pub service: Box<str>,
}

impl GroupKey {
    /// The group of all those that have no place of their own.
    pub fn overflow(is_service: bool) -> Self {
        let service = if is_service { OVERFLOW } else { "" };
        Self { subaccount: OVERFLOW.into(), service: service.into() }
    }

    /// Whether it is one service, and not a tenant as a whole.
    pub fn is_service(&self) -> bool {
        !self.service.is_empty()
    }
}

/// Counts by a label out of a table in [`super::names`].
pub type Labelled = Vec<(&'static str, u64)>;

/// What is counted of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupCounts {
    /// Streams opened.
    pub opened: u64,
    /// Bytes from client to service.
    pub bytes_up: u64,
    /// Bytes from service to client.
    pub bytes_down: u64,
    /// CONNECT requests refused, by reason.
    pub refused: Labelled,
    /// Dials, by result.
    pub dials: Labelled,
    /// Tunnels that came up.
    pub tunnels: u64,
    /// Tunnels or streams that did not open in time.
    pub opening_timeouts: u64,
}

impl GroupCounts {
    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Self) {
        self.opened += other.opened;
        self.bytes_up += other.bytes_up;
        self.bytes_down += other.bytes_down;
        self.tunnels += other.tunnels;
        self.opening_timeouts += other.opening_timeouts;
        for (ours, theirs) in [(&mut self.refused, &other.refused), (&mut self.dials, &other.dials)]
        {
            theirs.iter().for_each(|(label, count)| add(ours, label, *count));
        }
    }
}

pub(super) fn add(counts: &mut Labelled, label: &'static str, count: u64) {
    match counts.iter_mut().find(|(known, _)| *known == label) {
        Some((_, sum)) => *sum += count,
        None => counts.push((label, count)),
    }
}

/// What there is of a group right now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupGauges {
    /// Streams open.
    pub streams: u64,
    /// Tunnels up.
    pub tunnels: u64,
    /// Bytes those may be sent ahead: credit on loan.
    pub credit_bytes: u64,
}
