//! Where every decision of a run comes from: a seed, or the bytes of a fuzzer.

/// A source of decisions that gives the same ones for the same beginning.
pub(crate) struct Choices {
    script: Vec<u8>,
    next: usize,
    random: fastrand::Rng,
}

impl Choices {
    /// Decisions that follow from a seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { script: Vec::new(), next: 0, random: fastrand::Rng::with_seed(seed) }
    }

    /// Decisions read from a script, and when it is over, such as follow from it.
    #[allow(dead_code)] // the fuzz targets' way in
    pub(crate) fn scripted(script: &[u8]) -> Self {
        let fold = |seed: u64, byte: &u8| (seed ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        let seed = script.iter().fold(0xcbf2_9ce4_8422_2325, fold);
        let random = fastrand::Rng::with_seed(seed);
        Self { script: script.to_vec(), next: 0, random }
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let wanted = if bound <= 0x100 { 1 } else { 3 };
        let Some(bytes) = self.script.get(self.next..self.next + wanted) else {
            return self.random.usize(..bound);
        };
        self.next += wanted;
        bytes.iter().fold(0, |value, byte| value << 8 | usize::from(*byte)) % bound
    }

    /// A number of the range, both ends included.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// True in `percent` of all cases.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}
