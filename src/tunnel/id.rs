//! How a session of any worker is called by people and programs outside of it.

use std::{fmt, str::FromStr};

use super::Key;

/// Names one session of a process for as long as it lives, and nothing afterwards. It is written
/// as `worker-index-generation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionId {
    /// The worker whose slab it is in.
    pub worker: usize,
    /// Its place there.
    pub key: Key,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.worker, self.key.index(), self.key.generation())
    }
}

/// The text is no session's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is three numbers with a dash between them, as the lists show it")]
pub struct BadId;

impl FromStr for SessionId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let parts: Vec<&str> = text.split('-').collect();
        let [worker, index, generation] = parts[..] else { return Err(BadId) };
        if !parts.iter().all(|part| digits(part)) {
            return Err(BadId);
        }
        let index = index.parse().map_err(|_| BadId)?;
        let key = Key::new(index, generation.parse().map_err(|_| BadId)?);
        Ok(Self { worker: worker.parse().map_err(|_| BadId)?, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_back_and_nothing_else_is() {
        let id = SessionId { worker: 3, key: Key::new(17, 4_000_000_000_000) };
        assert_eq!(id.to_string(), "3-17-4000000000000");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "3", "3-17", "3-17-", "3-17-4-1", "3-+17-4", "a-1-1", "1-1-9e9", "-1-1-1"]
        {
            assert_eq!(text.parse::<SessionId>(), Err(BadId), "{text:?}");
        }
        let beyond = format!("1-1-{}0", u64::MAX);
        assert_eq!(beyond.parse::<SessionId>(), Err(BadId));
    }
}
