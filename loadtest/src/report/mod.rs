//! What is shown and written: progress, text, JSON.

mod comparison;
mod number;
mod progress;
mod publish;

pub(crate) use progress::Progress;
pub(crate) use publish::publish_comparison;
