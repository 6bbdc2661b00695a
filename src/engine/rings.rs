//! What the kernel tells of the rings of this process, without asking the workers.

use std::{fs, path::PathBuf};

/// The rings there were when somebody looked for them.
#[derive(Debug, Default)]
pub struct Rings(Vec<PathBuf>);

/// All rings together. The kernel counts operations in 32 bits, which go round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingFacts {
    /// How many there are.
    pub rings: u64,
    /// Operations given to them.
    pub submissions: u64,
    /// Completions they have brought.
    pub completions: u64,
    /// Completions held back because a ring's queue is full.
    pub overflowed: u64,
    /// Buffers registered with them.
    pub buffers: u64,
}

impl Rings {
    /// Looks for the rings among the open files: before there are many.
    #[must_use]
    pub fn find() -> Self {
        let files = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        let is_ring = |file: &fs::DirEntry| {
            fs::read_link(file.path()).is_ok_and(|target| target == *"anon_inode:[io_uring]")
        };
        let told = |file: fs::DirEntry| PathBuf::from("/proc/self/fdinfo").join(file.file_name());
        Self(files.filter(is_ring).map(told).collect())
    }

    /// What the kernel says of them now; nothing where there are none, or it says nothing.
    #[must_use]
    pub fn look(&self) -> Option<RingFacts> {
        let mut sum = RingFacts::default();
        for path in &self.0 {
            // A ring that is gone, or a file of another kind that has taken its number.
            let Ok(text) = fs::read_to_string(path) else { continue };
            if let Some(facts) = parse(&text) {
                sum.rings += 1;
                sum.submissions += facts.submissions;
                sum.completions += facts.completions;
                sum.overflowed += facts.overflowed;
                sum.buffers += facts.buffers;
            }
        }
        (sum.rings > 0).then_some(sum)
    }
}

fn parse(text: &str) -> Option<RingFacts> {
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line?.trim().parse::<u64>().ok()
    };
    let overflowed = text.lines().skip_while(|line| !line.starts_with("CqOverflowList:")).skip(1);
    Some(RingFacts {
        rings: 1,
        submissions: number("SqHead")?,
        completions: number("CachedCqTail")?,
        overflowed: overflowed.filter(|line| line.contains("user_data=")).count() as u64,
        buffers: number("UserBufs")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "pos:\t0\nSqMask:\t0x7\nSqHead:\t41\nSqTail:\t41\nCachedSqHead:\t41\n\
        CqMask:\t0xf\nCqHead:\t30\nCqTail:\t46\nCachedCqTail:\t46\nSQEs:\t0\nCQEs:\t0\n\
        UserFiles:\t0\nUserBufs:\t27\nPollList:\n  op=6, task_works=0\nCqOverflowList:\n  \
        user_data=7, res=1, flags=0\n  user_data=8, res=1, flags=0\nNAPI:\tdisabled\n";

    #[test]
    fn the_kernels_words_are_understood() {
        let facts =
            RingFacts { rings: 1, submissions: 41, completions: 46, overflowed: 2, buffers: 27 };
        assert_eq!(parse(TEXT), Some(facts));
        assert_eq!(parse("pos:\t0\nflags:\t02\n"), None);
        assert_eq!(Rings::default().look(), None);
    }
}
