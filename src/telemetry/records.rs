//! What a process writes down besides its log. By default nothing.

use super::{Audit, Fact, Traces};

/// The handles of all that takes records; clones lead to the same places.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// Who did what.
    pub audit: Audit,
    /// Spans of traces.
    pub traces: Traces,
}

impl Records {
    /// What is counted about them; nothing of what is off.
    #[must_use]
    pub fn facts(&self) -> Vec<(Fact, u64)> {
        let mut facts = self.audit.facts();
        facts.extend(self.traces.facts());
        facts
    }
}
