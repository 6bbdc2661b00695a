//! Why a configuration file is refused.

use std::fmt;
use std::path::PathBuf;

/// Everything wrong with one configuration file; a line of text for each fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// At least one, in the order of the file where the place is known.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// 1-based line and column in characters, where the fault has a place.
    pub place: Option<(usize, usize)>,
    /// The key's path (`tunnel.listen`), where one is to blame.
    pub key: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:", self.file.display())?;
            if let Some((line, column)) = fault.place {
                write!(f, "{line}:{column}:")?;
            }
            if let Some(key) = &fault.key {
                write!(f, " {key}:")?;
            }
            write!(f, " {}", fault.message)?;
        }
        Ok(())
    }
}
