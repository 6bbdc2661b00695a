//! What is kept is there again, in the order people expect; what cannot be used is refused in
//! words.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use causeway::{
    limits,
    management::store::{Account, ChannelMode, Hour, Made, Owner, Store, StoreError, Subaccount},
};

pub(crate) fn owner(subaccount: &str) -> Owner {
    Owner { region_host: "cp.example.com".to_owned(), subaccount: subaccount.to_owned() }
}

pub(crate) fn subaccount(name: &str) -> Subaccount {
    Subaccount {
        owner: owner(name),
        location: String::new(),
        display_name: "Plant".to_owned(),
        description: String::new(),
        connected: true,
        managed: false,
        certificate: Some("certificate".to_owned()),
        private_key: "key".to_owned(),
        authorities: "authorities".to_owned(),
        created_at: 1_785_830_589_246,
    }
}

pub(crate) fn made(port: u16) -> Made {
    Made {
        cluster: "cp.example.com:443".to_owned(),
        service: "echoserver".to_owned(),
        port,
        connections: 1,
        comment: "für alle".to_owned(),
        local_address: "127.0.0.1".parse().unwrap(),
        mode: ChannelMode::Multiplexed,
        allowed_sources: vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()],
        bytes_per_second_max: 1_000_000,
    }
}

fn place() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_was_made_is_there_again() {
    let place = place();
    let directory = place.path().join("state");
    let ada = Account {
        name: "ada".to_owned(),
        role: "Administrator".to_owned(),
        password: Some("$argon2id$…".to_owned()),
        certificate: None,
        created_at: 1,
    };
    let id = {
        let store = Store::open(&directory).unwrap();
        store.add_subaccount(&subaccount("a")).unwrap();
        let id = store.add_channel(&owner("a"), &made(5001)).unwrap();
        store.add_account(&ada).unwrap();
        store.note_change(1, "ada", "127.0.0.1", "made a channel").unwrap();
        store.add_usage(&[Hour { channel: id, hour: 7, received: 1, sent: 2 }]).unwrap();
        store.set_setting("x", Some("y")).unwrap();
        id
    };
    assert_eq!(mode(&directory), 0o700);
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    let store = Store::open(&directory).unwrap();
    assert_eq!(store.subaccounts().unwrap(), [subaccount("a")]);
    let channels = store.channels_of(&owner("a")).unwrap();
    assert_eq!((channels.len(), channels[0].id, &channels[0].made), (1, id, &made(5001)));
    assert!(!channels[0].enabled, "new ones are not");
    assert_eq!(store.account("ada").unwrap(), Some(ada));
    assert_eq!(store.changes(None, 10).unwrap()[0].what, "made a channel");
    assert_eq!(store.usage().unwrap().len(), 1);
    assert_eq!(store.setting("x").unwrap().as_deref(), Some("y"));
}

#[test]
fn ids_are_never_given_again_and_lists_begin_with_the_newest() {
    let place = place();
    let store = Store::open(place.path()).unwrap();
    store.add_subaccount(&subaccount("a")).unwrap();
    store.add_subaccount(&subaccount("b")).unwrap();
    let ids: Vec<i64> = ["a", "b", "a"]
        .iter()
        .enumerate()
        .map(|(port, name)| store.add_channel(&owner(name), &made(port as u16 + 1)).unwrap())
        .collect();
    assert_eq!(ids, [1, 2, 3]);
    let listed = |name| -> Vec<i64> {
        store.channels_of(&owner(name)).unwrap().iter().map(|channel| channel.id).collect()
    };
    assert_eq!((listed("a"), listed("b")), (vec![3, 1], vec![2]));
    store.delete_channel(&owner("a"), 3).unwrap();
    assert_eq!(store.add_channel(&owner("a"), &made(9)).unwrap(), 4);
    assert_eq!(store.delete_channels_of(&owner("a")).unwrap(), 2);
    assert_eq!(store.channels().unwrap().len(), 1);
    store.delete_subaccount(&owner("b")).unwrap();
    assert!(store.channels().unwrap().is_empty(), "its channels went with it");
}

#[test]
fn a_channel_is_changed_by_its_owner_alone() {
    let place = place();
    let store = Store::open(place.path()).unwrap();
    for name in ["a", "b"] {
        store.add_subaccount(&subaccount(name)).unwrap();
    }
    let id = store.add_channel(&owner("a"), &made(5001)).unwrap();
    let (before, after) =
        store.change_channel(&owner("a"), id, |channel| channel.enabled = true).unwrap();
    assert!(!before.enabled && after.enabled);
    let anothers = store.change_channel(&owner("b"), id, |channel| channel.enabled = false);
    assert!(matches!(anothers, Err(StoreError::Unknown(_))));
    assert!(matches!(store.delete_channel(&owner("b"), id), Err(StoreError::Unknown(_))));
    assert!(store.channels().unwrap()[0].enabled);
    let none = store.channels_of(&owner("c")).unwrap_err().to_string();
    assert_eq!(none, "Subaccount with value 'c@cp.example.com' does not exist");
    assert!(matches!(store.add_subaccount(&subaccount("a")), Err(StoreError::Exists(_))));
}

#[test]
fn tables_are_bounded() {
    let place = place();
    let store = Store::open(place.path()).unwrap();
    for number in 0..limits::SUBACCOUNTS_MANAGED_MAX {
        store.add_subaccount(&subaccount(&number.to_string())).unwrap();
    }
    assert!(matches!(store.add_subaccount(&subaccount("x")), Err(StoreError::Full { .. })));
    store.add_channel(&owner("1"), &made(1)).unwrap();
    for number in 0..limits::CHANGES_KEPT + 5 {
        store.note_change(number as i64, "ada", "::1", "x").unwrap();
    }
    let kept = store.changes(None, usize::MAX >> 1).unwrap();
    assert_eq!(kept.len(), limits::CHANGES_KEPT);
    assert_eq!(kept[0].at, limits::CHANGES_KEPT as i64 + 4);
    assert_eq!(store.changes(Some(kept[2].number), 1).unwrap()[0], kept[3]);
    let hour = |hour| Hour { channel: 1, hour, received: 10, sent: 1 };
    store.add_usage(&[hour(100), hour(100), Hour { channel: 77, ..hour(100) }]).unwrap();
    assert_eq!(store.usage().unwrap(), [Hour { received: 20, sent: 2, ..hour(100) }]);
    store.add_usage(&[hour(100 + limits::USAGE_HOURS_KEPT)]).unwrap();
    assert_eq!(store.usage().unwrap().len(), 1, "a day and not more");
}

#[test]
fn what_cannot_be_used_is_refused_in_words() {
    let place = place();
    let store = Store::open(place.path()).unwrap();
    let words = Store::open(place.path()).unwrap_err().to_string();
    assert!(words.contains("another process uses it"), "{words}");
    let copy = place.path().join("copy");
    fs::create_dir(&copy).unwrap();
    store.add_subaccount(&subaccount("a")).unwrap();
    store.back_up(&copy.join("store.sqlite")).unwrap();
    assert_eq!(Store::open(&copy).unwrap().subaccounts().unwrap().len(), 1);
    drop(store);

    let newer = rusqlite::Connection::open(copy.join("store.sqlite")).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let words = Store::open(&copy).unwrap_err().to_string();
    assert!(words.contains("form 99"), "{words}");
    fs::write(copy.join("store.sqlite"), "this is no database, not at all").unwrap();
    let words = Store::open(&copy).unwrap_err().to_string();
    assert!(words.contains("restore a backup"), "{words}");
    let words = Store::open(Path::new("/dev/null/state")).unwrap_err().to_string();
    assert!(words.contains("check that the directory exists"), "{words}");
}
