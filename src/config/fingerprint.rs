//! What can be told of a file without reading it; two fingerprints differ when a file may have
//! changed.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The state of watched paths: each path, and each entry of a path that is a directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fingerprint {
    stamps: Vec<(PathBuf, Option<Stamp>)>,
}

/// A file behind a path. The resolved path tells when a link is swapped, the change time when
/// permissions are, and the inode when another file is renamed into its place.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    resolved: PathBuf,
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Fingerprint {
    /// Looks at every path, following links. What cannot be looked at counts as absent.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut stamps = Vec::new();
        for path in paths {
            match fs::metadata(path) {
                Ok(metadata) if metadata.is_dir() => entries(path, &mut stamps),
                Ok(metadata) => stamps.push((path.clone(), stamp(path, &metadata))),
                Err(_) => stamps.push((path.clone(), None)),
            }
        }
        Self { stamps }
    }

    /// The directories whose notifications tell of every change: those of the paths, or the
    /// nearest that exists, and those that links lead to.
    pub(super) fn directories(&self, paths: &[PathBuf]) -> BTreeSet<PathBuf> {
        let mut directories = BTreeSet::new();
        for path in paths {
            if path.is_dir() {
                directories.insert(path.clone());
            }
            let mut above = path.ancestors().skip(1);
            directories.extend(above.find(|above| above.is_dir()).map(Path::to_path_buf));
        }
        let resolved = self.stamps.iter().filter_map(|(_, stamp)| stamp.as_ref());
        let parents: BTreeSet<&Path> = resolved.filter_map(|s| s.resolved.parent()).collect();
        directories.extend(parents.into_iter().map(Path::to_path_buf));
        directories
    }
}

/// Stamps the files of a directory; a directory's own times say nothing that these do not.
fn entries(directory: &Path, stamps: &mut Vec<(PathBuf, Option<Stamp>)>) {
    let Ok(listing) = fs::read_dir(directory) else {
        stamps.push((directory.to_path_buf(), None));
        return;
    };
    let mut paths: Vec<_> = listing.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| !is_hidden(path));
    paths.sort();
    for path in paths {
        let metadata = fs::metadata(&path);
        if metadata.as_ref().is_ok_and(Metadata::is_dir) {
            continue;
        }
        let stamp = metadata.ok().and_then(|metadata| stamp(&path, &metadata));
        stamps.push((path, stamp));
    }
}

/// Editors and secret mounts keep their own files under hidden names.
pub(super) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn stamp(path: &Path, metadata: &Metadata) -> Option<Stamp> {
    Some(Stamp {
        resolved: fs::canonicalize(path).ok()?,
        device: metadata.dev(),
        inode: metadata.ino(),
        bytes: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}
