//! What a parser says about the bytes so far.

/// Either not enough bytes yet, or a value and how many bytes it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// Nothing is wrong so far; call again with more bytes.
    NeedMore,
    /// The value and the bytes it took from the front.
    Done {
        /// What was parsed.
        value: T,
        /// Bytes of the input that belong to it; what follows is the tunnel's.
        consumed: usize,
    },
}
