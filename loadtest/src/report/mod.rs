//! What is shown and written: progress, text, JSON, HTML, and the interval log.

mod comparison;
mod html;
mod interval_log;
mod number;
mod pages;
mod plot;
mod progress;
mod publish;
mod run;
mod tables;

pub(crate) use progress::Progress;
pub(crate) use publish::{publish_comparison, publish_run};
pub(crate) use run::{RunReport, rate, steps};
