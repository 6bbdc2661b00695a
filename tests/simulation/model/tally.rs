//! What a number of runs has covered, so that a test can tell that it tested something.

/// Counts of one run or of many.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) runs: u64,
    pub(crate) ticks: u64,
    pub(crate) streams: u64,
    pub(crate) established: u64,
    pub(crate) refused: u64,
    pub(crate) retryable: u64,
    pub(crate) bytes: u64,
    pub(crate) clean: u64,
    pub(crate) aborted: u64,
    pub(crate) lost: u64,
    pub(crate) stalls: u64,
    pub(crate) cuts: u64,
    pub(crate) drains: u64,
    pub(crate) windows: u64,
    pub(crate) pongs: u64,
    pub(crate) whole_windows: u64,
    /// A digest of what went over the pipe and when.
    pub(crate) digest: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.ticks += other.ticks;
        self.streams += other.streams;
        self.established += other.established;
        self.refused += other.refused;
        self.retryable += other.retryable;
        self.bytes += other.bytes;
        self.clean += other.clean;
        self.aborted += other.aborted;
        self.lost += other.lost;
        self.stalls += other.stalls;
        self.cuts += other.cuts;
        self.drains += other.drains;
        self.windows += other.windows;
        self.pongs += other.pongs;
        self.whole_windows += other.whole_windows;
        self.digest = self.digest.rotate_left(5) ^ other.digest;
    }
}
