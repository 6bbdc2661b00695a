//! Where reports go.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use super::{comparison, interval_log, pages, run::RunReport};
use crate::{
    compare::Comparison,
    failure::{Failure, While as _},
};

/// The text to standard output, and everything into a directory where one is given.
pub(crate) fn publish_comparison(
    comparison: &Comparison,
    directory: Option<&Path>,
) -> Result<(), Failure> {
    let text = comparison::text(comparison);
    print(&text)?;
    let Some(directory) = directory else { return Ok(()) };
    fs::create_dir_all(directory).during(directory.display())?;
    let json = serde_json::to_string_pretty(comparison).during("JSON")?;
    write(directory, "report.txt", &text)?;
    write(directory, "report.json", json)?;
    write(directory, "report.html", pages::compare(comparison))
}

/// The text to standard output, and everything, the interval log included, into a directory.
pub(crate) fn publish_run(report: &RunReport, directory: Option<&Path>) -> Result<(), Failure> {
    let text = report.text();
    print(&text)?;
    let Some(directory) = directory else { return Ok(()) };
    fs::create_dir_all(directory).during(directory.display())?;
    let json = serde_json::to_string_pretty(&report.json()).during("JSON")?;
    write(directory, "report.txt", &text)?;
    write(directory, "report.json", json)?;
    write(directory, "report.html", pages::run(report))?;
    write(directory, "intervals.hlog", interval_log::write(report)?)
}

fn write(directory: &Path, name: &str, content: impl AsRef<[u8]>) -> Result<(), Failure> {
    let path = directory.join(name);
    fs::write(&path, content).during(path.display())
}

fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        // A reader that went away early has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.during("standard output"),
    }
}
