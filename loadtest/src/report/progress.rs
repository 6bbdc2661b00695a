//! The progress bar; on anything but a terminal nothing is shown.

use std::{io::IsTerminal as _, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Redrawn this often, so that the remaining time counts down within a long step.
const REDRAW: Duration = Duration::from_millis(250);

/// A bar of steps of the same length.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// `seconds` is what all `steps` are expected to take.
    pub(crate) fn start(steps: usize, seconds: f64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr());
        if std::io::stderr().is_terminal() {
            eprintln!("{steps} measurements, about {:.0} s", seconds.ceil());
            let style = "{bar:30} {pos}/{len}, {eta} left: {msg}";
            bar.set_style(ProgressStyle::with_template(style).expect("the template is a constant"));
            bar.enable_steady_tick(REDRAW);
        } else {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self(bar)
    }

    /// What is going on.
    pub(crate) fn says(&self, words: &str) {
        self.0.set_message(words.to_owned());
    }

    /// A step is done.
    pub(crate) fn one_more(&self) {
        self.0.inc(1);
    }

    /// Everything is done: the bar goes.
    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}
