//! Where lines go, and how far they have come.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
};

use super::{file::RotatedFile, handle::Target};

/// Where lines go.
#[derive(Debug)]
pub(super) enum Sink {
    /// Standard output, without the buffer that Rust puts before it: what could not be written
    /// must still be ours.
    Stdout(File),
    /// A file.
    File(RotatedFile),
}

/// Lines on their way into a sink.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Whole lines.
    lines: Vec<u8>,
    /// So much of the first one is written already.
    written: usize,
}

impl Sink {
    /// Opens it.
    ///
    /// # Errors
    /// When it cannot be opened; a full disk is waited for instead.
    pub(super) fn open(target: &Target) -> io::Result<Self> {
        match target {
            Target::Stdout => {
                let stdout = io::stdout().as_fd().try_clone_to_owned()?;
                Ok(Self::Stdout(File::from(stdout)))
            }
            Target::File { path, rotate_bytes, keep_files } => {
                RotatedFile::open(path, *rotate_bytes, *keep_files).map(Self::File)
            }
        }
    }

    /// Lets go of a file, so that the next write opens whatever has its name then.
    pub(super) fn close(&mut self) {
        if let Self::File(file) = self {
            file.close();
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }
}

impl Pending {
    /// Where lines are added, each whole.
    pub(super) fn lines(&mut self) -> &mut Vec<u8> {
        &mut self.lines
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Writes what waits. After an error the rest still waits, and goes on where it stopped; in
    /// another file with the line it stopped in.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn flush(&mut self, sink: &mut Sink) -> io::Result<()> {
        if let Sink::File(file) = sink
            && file.follow_name()?
        {
            self.written = 0;
        }
        while !self.lines.is_empty() {
            let written = match sink.write(&self.lines[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.written + written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let ended = self.lines[..written].iter().rposition(|byte| *byte == b'\n');
            let whole = ended.map_or(0, |last| last + 1);
            self.lines.drain(..whole);
            self.written = written - whole;
        }
        Ok(())
    }
}
