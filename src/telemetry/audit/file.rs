//! A file that is appended to and rotated: by its size here, or by name by somebody else.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The file and its predecessors, `NAME.1` the youngest.
#[derive(Debug)]
pub(super) struct RotatedFile {
    path: PathBuf,
    /// Rotated when it is longer; 0 never.
    rotate_bytes: u64,
    /// Predecessors kept, one at least.
    keep_files: usize,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Device and inode: what the path stood for when it was opened.
    identity: (u64, u64),
    bytes: u64,
}

impl RotatedFile {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// What open(2) says.
    pub(super) fn open(path: &Path, rotate_bytes: u64, keep_files: usize) -> io::Result<Self> {
        let mut file = Self { path: path.to_owned(), rotate_bytes, keep_files, open: None };
        match file.reopen() {
            Err(error) if error.kind() != io::ErrorKind::StorageFull => Err(error),
            // A full disk must not keep a process from starting: it is waited for.
            _ => Ok(file),
        }
    }

    /// Closes the file, so that the next write opens whatever has its name then.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// Makes sure that the file with the name is the one that is open; says whether another was
    /// opened.
    pub(super) fn follow_name(&mut self) -> io::Result<bool> {
        let current = fs::metadata(&self.path).ok().map(|found| (found.dev(), found.ino()));
        let same = self.open.as_ref().is_some_and(|open| Some(open.identity) == current);
        if same {
            return Ok(false);
        }
        self.reopen()?;
        Ok(true)
    }

    /// Appends what it can.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let open = self.open.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let written = open.file.write(bytes)?;
        open.bytes += written as u64;
        if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(written) }
    }

    /// Whether the file is as long as it should get. What is no ordinary file is never.
    pub(super) fn is_due(&self) -> bool {
        let due = |open: &Open| self.rotate_bytes > 0 && open.bytes >= self.rotate_bytes;
        self.open.as_ref().is_some_and(due)
    }

    /// Begins a new file; the oldest predecessor goes.
    ///
    /// # Errors
    /// When it cannot be renamed; it is then appended to as before.
    pub(super) fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.keep_files).rev() {
            let older = self.predecessor(number);
            if older.exists() {
                fs::rename(older, self.predecessor(number + 1))?;
            }
        }
        fs::rename(&self.path, self.predecessor(1))?;
        self.reopen()
    }

    fn predecessor(&self, number: usize) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    fn reopen(&mut self) -> io::Result<()> {
        let mut opening = OpenOptions::new();
        opening.read(true).append(true).create(true).mode(0o600);
        let mut file = opening.open(&self.path)?;
        let found = file.metadata()?;
        let mut bytes = found.len();
        if found.is_file() && bytes > 0 {
            // The last run may have ended in the middle of a line.
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
                bytes += 1;
            }
        }
        self.open = Some(Open { file, identity: (found.dev(), found.ino()), bytes });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn a_long_file_is_rotated_and_the_oldest_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let mut file = RotatedFile::open(&path, 4, 2).unwrap();
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            assert!(!file.is_due());
            file.write(line.as_bytes()).unwrap();
            assert!(file.is_due());
            file.rotate().unwrap();
        }
        let left: Vec<String> = ["audit.log", "audit.log.1", "audit.log.2", "audit.log.3"]
            .map(|name| text(&directory.path().join(name)))
            .to_vec();
        assert_eq!(left, ["", "four\n", "three\n", ""]);
    }

    #[test]
    fn a_file_that_was_renamed_is_left_and_a_new_one_begun() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let mut file = RotatedFile::open(&path, 0, 1).unwrap();
        file.write(b"old\n").unwrap();
        assert!(!file.follow_name().unwrap());
        let renamed = directory.path().join("renamed");
        fs::rename(&path, &renamed).unwrap();
        assert!(file.follow_name().unwrap());
        file.write(b"new\n").unwrap();
        assert_eq!((text(&renamed), text(&path)), ("old\n".to_owned(), "new\n".to_owned()));
    }

    #[test]
    fn half_a_line_of_an_earlier_run_is_ended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        fs::write(&path, "half").unwrap();
        let mut file = RotatedFile::open(&path, 0, 1).unwrap();
        file.write(b"whole\n").unwrap();
        assert_eq!(text(&path), "half\nwhole\n");
    }
}
