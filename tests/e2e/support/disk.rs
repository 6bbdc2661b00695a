//! A small disk that can really be full: a file system in memory, mounted by the test.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// A mounted file system of 1 MiB; unmounted when dropped.
pub struct Disk(PathBuf);

impl Disk {
    /// Mounts one at `place`, which is made.
    pub fn mount(place: &Path) -> Self {
        fs::create_dir(place).unwrap();
        mount(place).unwrap();
        Self(place.to_owned())
    }

    /// Whether this machine lets us mount one, or why not.
    pub fn possible() -> Result<(), String> {
        let directory = tempfile::tempdir().unwrap();
        mount(directory.path())?;
        drop(Self(directory.path().to_owned()));
        Ok(())
    }

    /// Uses up all its space.
    pub fn fill(&self) {
        let mut ballast = fs::File::create(self.0.join("ballast")).unwrap();
        loop {
            if let Err(error) = ballast.write_all(&[0; 4096]) {
                assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
                return;
            }
        }
    }

    /// Gives that space back.
    pub fn relieve(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that is being killed may still have a file open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(place: &Path) -> Result<(), String> {
    let arguments = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];
    let mounted = Command::new("mount").args(arguments).arg(place).output();
    let mounted = mounted.map_err(|error| format!("mount: {error}"))?;
    match mounted.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&mounted.stderr).trim().to_owned()),
    }
}
