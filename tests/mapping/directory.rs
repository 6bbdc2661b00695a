//! Directories of mapping files.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::Instant;

use causeway::mapping::{MappingTable, Tenancy, load_directory};

use crate::{GOOD, named};

#[test]
fn a_directory_is_read_by_name_without_what_is_hidden() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("..2024_01")).unwrap();
    fs::write(at("..2024_01/b.yml"), named("b", "b")).unwrap();
    symlink("..2024_01", at("..data")).unwrap();
    symlink("..data/b.yml", at("b.yml")).unwrap();
    fs::write(at("a.yaml"), named("a", "a")).unwrap();
    fs::write(at(".hidden.yaml"), "x: [").unwrap();
    fs::write(at("readme.txt"), "x: [").unwrap();
    fs::create_dir(at("sub.yaml")).unwrap();
    let loaded = load_directory(directory.path(), &Tenancy::Shared).unwrap();
    assert_eq!(loaded.problems, []);
    let services: Vec<_> = loaded.mappings.iter().map(|mapping| &*mapping.service).collect();
    assert_eq!(services, ["a", "b"]);

    let again = load_directory(directory.path(), &Tenancy::Shared).unwrap();
    assert_eq!(again.fingerprint, loaded.fingerprint);
    fs::write(at("a.yaml"), named("a", "c")).unwrap();
    let changed = load_directory(directory.path(), &Tenancy::Shared).unwrap();
    assert_ne!(changed.fingerprint, loaded.fingerprint);
}

#[test]
fn unreadable_files_are_problems_and_disable_only_themselves() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("good.yaml"), GOOD).unwrap();
    fs::write(at("latin1.yaml"), b"a: b\nc: \xe4\n").unwrap();
    symlink("nowhere", at("dangling.yaml")).unwrap();
    let loaded = load_directory(directory.path(), &Tenancy::Shared).unwrap();
    assert_eq!(loaded.mappings.len(), 1);
    let found: Vec<_> = loaded
        .problems
        .iter()
        .map(|p| (p.file.file_name().unwrap().to_str().unwrap(), p.line))
        .collect();
    assert_eq!(found, [("dangling.yaml", 1), ("latin1.yaml", 2)]);
    assert!(load_directory(&at("missing"), &Tenancy::Shared).is_err());
}

#[test]
fn of_two_claims_to_a_name_or_key_the_first_file_wins() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("b.yaml"), named("echo", "other")).unwrap();
    fs::write(directory.path().join("a.yaml"), named("echo", "s")).unwrap();
    fs::write(directory.path().join("c.yaml"), named("third", "s")).unwrap();
    let loaded = load_directory(directory.path(), &Tenancy::Shared).unwrap();
    assert_eq!(loaded.problems.len(), 1);
    assert_eq!(loaded.problems[0].field.as_deref(), Some("metadata.name"));
    assert!(loaded.problems[0].file.ends_with("b.yaml"));
    let (table, problems) = MappingTable::build(loaded.mappings, &MappingTable::default());
    assert_eq!(table.len(), 1);
    assert!(problems[0].file.ends_with("c.yaml"));
    assert!(problems[0].message.contains("a.yaml:1"), "{}", problems[0]);
}

#[test]
fn ten_thousand_mappings_load() {
    let directory = tempfile::tempdir().unwrap();
    let count: usize = 10_000;
    // Half in files of their own, as a cluster's, and half in one, as a generator writes them.
    let (single, joined) = (count / 2, directory.path().join("joined.yaml"));
    for index in 0..single {
        let file = directory.path().join(format!("{index}.yaml"));
        fs::write(file, named(&format!("n{index}"), &format!("s{index}"))).unwrap();
    }
    let text: Vec<_> = (single..count).map(|i| named(&format!("n{i}"), &format!("s{i}"))).collect();
    fs::write(joined, text.join("---\n")).unwrap();
    let start = Instant::now();
    let loaded = load_directory(directory.path(), &Tenancy::Shared).unwrap();
    let read = start.elapsed();
    assert_eq!(loaded.problems, []);
    let (table, problems) = MappingTable::build(loaded.mappings, &MappingTable::default());
    println!("{count} mappings: read {read:?}, table {:?}", start.elapsed() - read);
    assert_eq!((table.len(), problems.len()), (count, 0));
    let services: HashSet<_> = table.iter().map(|mapping| &*mapping.service).collect();
    assert_eq!(services.len(), count);
}
