//! Reads a directory of mapping files.

use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::validate::{Context, read_document};
use super::{Mapping, Problem, Source, Tenancy, document, yaml};
use crate::limits::{FILE_BYTES_MAX, MAPPINGS_MAX};

/// What a directory holds.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The good documents, ordered by file name, then position.
    pub mappings: Vec<Mapping>,
    /// What is wrong with the others.
    pub problems: Vec<Problem>,
    /// Differs, as good as surely, when any file's name or content does.
    pub fingerprint: u64,
}

/// Reads every `*.yaml` and `*.yml` file of a directory, by name, following symbolic links and
/// leaving out hidden names (Kubernetes keeps a volume's versions in `..data`). A document that
/// is wrong is a problem and disables only itself. Fails only if the directory cannot be listed.
pub fn load_directory(dir: &Path, tenancy: &Tenancy) -> io::Result<Loaded> {
    let mut loaded = Loaded::default();
    let mut hasher = DefaultHasher::new();
    for path in mapping_files(dir)? {
        path.file_name().hash(&mut hasher);
        match read(&path) {
            Ok(bytes) => {
                bytes.hash(&mut hasher);
                match std::str::from_utf8(&bytes) {
                    Ok(text) => {
                        let (mappings, problems) = parse_documents(&path, text, tenancy);
                        loaded.mappings.extend(mappings);
                        loaded.problems.extend(problems);
                    }
                    Err(error) => loaded.problems.push(not_utf8(path, &bytes, error)),
                }
            }
            Err(error) => {
                let message =
                    format!("cannot be read: {error}; check the file and its permissions");
                message.hash(&mut hasher);
                loaded.problems.push(Problem { file: path, line: 1, field: None, message });
            }
        }
    }
    limit(&mut loaded);
    unique_names(&mut loaded);
    loaded.fingerprint = hasher.finish();
    Ok(loaded)
}

/// Reads the documents of one file; `file` only names it in sources and problems.
#[must_use]
pub fn parse_documents(file: &Path, text: &str, tenancy: &Tenancy) -> (Vec<Mapping>, Vec<Problem>) {
    let file: Arc<Path> = file.into();
    let context = Context { file: &file, tenancy };
    let (mut mappings, mut problems) = (Vec::new(), Vec::new());
    for document in document::split(text) {
        match yaml::parse(document) {
            Ok(node) => read_document(&node, &context, &mut mappings, &mut problems),
            Err(error) => problems.push(Problem {
                file: file.to_path_buf(),
                line: error.line,
                field: None,
                message: format!("the document is not valid YAML: {}", error.message),
            }),
        }
    }
    (mappings, problems)
}

fn mapping_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let yaml =
            path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        // A link to nothing is kept: reading it says so.
        if yaml && !name.starts_with(b".") && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it is larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

fn not_utf8(file: PathBuf, bytes: &[u8], error: std::str::Utf8Error) -> Problem {
    let before = &bytes[..error.valid_up_to()];
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let message = "the file is not UTF-8 from here on; save it as UTF-8".to_owned();
    Problem { file, line, field: None, message }
}

fn limit(loaded: &mut Loaded) {
    if let Some(first) = loaded.mappings.get(MAPPINGS_MAX) {
        let message = format!(
            "this and {} more mappings are left out, as a proxy holds {MAPPINGS_MAX}",
            loaded.mappings.len() - MAPPINGS_MAX - 1
        );
        loaded.problems.push(problem(&first.source, None, message));
        loaded.mappings.truncate(MAPPINGS_MAX);
    }
}

/// A cluster holds one resource of a name; of two documents the first stays, as in the table.
fn unique_names(loaded: &mut Loaded) {
    let mut seen: HashMap<String, Source> = HashMap::with_capacity(loaded.mappings.len());
    let problems = &mut loaded.problems;
    loaded.mappings.retain(|mapping| {
        let Some(first) = seen.get(&mapping.name) else {
            seen.insert(mapping.name.clone(), mapping.source.clone());
            return true;
        };
        let message = format!(
            "`{}` is already the name of the mapping at {first}; that one stays in force, so \
             choose another name",
            mapping.name
        );
        problems.push(problem(&mapping.source, Some("metadata.name".to_owned()), message));
        false
    });
}

fn problem(source: &Source, field: Option<String>, message: String) -> Problem {
    Problem { file: source.file.to_path_buf(), line: source.line, field, message }
}
