//! What is kept is there again, in the order people expect; what cannot be used is refused in
//! words.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use causeway::{
    limits,
    management::store::{
        Account, By, ChannelMode, Edit, Hour, Made, Owner, Store, StoreError, Subaccount, Total,
    },
};

/// What the log of changes says of what tests put there.
pub(crate) const FURNISHED: &str = "furnished it";

/// Changes something as somebody does.
pub(crate) fn edit<T>(
    store: &Store,
    work: impl FnOnce(&Edit<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let by = By { at: 1, account: "ada", source: "127.0.0.1" };
    store.change(&by, |edit| Ok((work(edit)?, FURNISHED.to_owned()))).map(|(done, _)| done)
}

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
        tls: true,
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
        edit(&store, |edit| edit.add_subaccount(&subaccount("a"))).unwrap();
        let id = edit(&store, |edit| edit.add_channel(&owner("a"), &made(5001))).unwrap();
        edit(&store, |edit| edit.add_account(&ada)).unwrap();
        store.add_usage(&[Hour { channel: id, hour: 7, received: 1, sent: 2 }], &[]).unwrap();
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
    let changes = store.changes(None, 10).unwrap();
    let said: Vec<&str> = changes.iter().map(|one| one.what.as_str()).collect();
    assert_eq!((said, changes[0].account.as_str()), (vec![FURNISHED; 3], "ada"));
    assert_eq!(store.usage(0).unwrap().len(), 1);
    assert_eq!(store.totals().unwrap().totals, [Total { channel: id, received: 1, sent: 2 }]);
    assert_eq!(store.setting("x").unwrap().as_deref(), Some("y"));
}

#[test]
fn ids_are_never_given_again_and_lists_begin_with_the_newest() {
    let place = place();
    let store = Store::open(place.path()).unwrap();
    edit(&store, |edit| edit.add_subaccount(&subaccount("a"))).unwrap();
    edit(&store, |edit| edit.add_subaccount(&subaccount("b"))).unwrap();
    let ids: Vec<i64> = ["a", "b", "a"]
        .iter()
        .enumerate()
        .map(|(port, name)| {
            edit(&store, |edit| edit.add_channel(&owner(name), &made(port as u16 + 1))).unwrap()
        })
        .collect();
    assert_eq!(ids, [1, 2, 3]);
    let listed = |name| -> Vec<i64> {
        store.channels_of(&owner(name)).unwrap().iter().map(|channel| channel.id).collect()
    };
    assert_eq!((listed("a"), listed("b")), (vec![3, 1], vec![2]));
    edit(&store, |edit| edit.delete_channel(&owner("a"), 3)).unwrap();
    assert_eq!(edit(&store, |edit| edit.add_channel(&owner("a"), &made(9))).unwrap(), 4);
    assert_eq!(edit(&store, |edit| edit.delete_channels_of(&owner("a"))).unwrap(), 2);
    assert_eq!(store.channels().unwrap().len(), 1);
    edit(&store, |edit| edit.delete_subaccount(&owner("b"))).unwrap();
    assert!(store.channels().unwrap().is_empty(), "its channels went with it");
}

#[test]
fn a_channel_is_changed_by_its_owner_alone() {
    let place = place();
    let store = Store::open(place.path()).unwrap();
    for name in ["a", "b"] {
        edit(&store, |edit| edit.add_subaccount(&subaccount(name))).unwrap();
    }
    let id = edit(&store, |edit| edit.add_channel(&owner("a"), &made(5001))).unwrap();
    let (before, after) =
        edit(&store, |edit| edit.change_channel(&owner("a"), id, |channel| channel.enabled = true))
            .unwrap();
    assert!(!before.enabled && after.enabled);
    let anothers = edit(&store, |edit| {
        edit.change_channel(&owner("b"), id, |channel| channel.enabled = false)
    });
    assert!(matches!(anothers, Err(StoreError::Unknown(_))));
    assert!(matches!(
        edit(&store, |edit| edit.delete_channel(&owner("b"), id)),
        Err(StoreError::Unknown(_))
    ));
    assert!(store.channels().unwrap()[0].enabled);
    let none = store.channels_of(&owner("c")).unwrap_err().to_string();
    assert_eq!(none, "Subaccount with value 'c@cp.example.com' does not exist");
    assert!(matches!(
        edit(&store, |edit| edit.add_subaccount(&subaccount("a"))),
        Err(StoreError::Exists(_))
    ));
}

#[test]
fn tables_are_bounded() {
    let place = place();
    let store = Store::open(place.path()).unwrap();
    for number in 0..limits::SUBACCOUNTS_MANAGED_MAX {
        edit(&store, |edit| edit.add_subaccount(&subaccount(&number.to_string()))).unwrap();
    }
    assert!(matches!(
        edit(&store, |edit| edit.add_subaccount(&subaccount("x"))),
        Err(StoreError::Full { .. })
    ));
    edit(&store, |edit| edit.add_channel(&owner("1"), &made(1))).unwrap();
    for number in 0..limits::CHANGES_KEPT + 5 {
        let by = By { at: number as i64, account: "ada", source: "::1" };
        store.change(&by, |_| Ok::<_, StoreError>(((), "x".to_owned()))).unwrap();
    }
    let kept = store.changes(None, usize::MAX >> 1).unwrap();
    assert_eq!(kept.len(), limits::CHANGES_KEPT);
    assert_eq!(kept[0].at, limits::CHANGES_KEPT as i64 + 4);
    assert_eq!(store.changes(Some(kept[2].number), 1).unwrap()[0], kept[3]);
}

#[test]
fn a_change_is_kept_with_its_line_in_the_log_or_not_at_all() {
    let place = place();
    let store = Store::open(place.path()).unwrap();
    edit(&store, |edit| edit.add_subaccount(&subaccount("a"))).unwrap();
    let by = By { at: 2, account: "bob", source: "::1" };
    let failed = store.change(&by, |edit| {
        edit.add_channel(&owner("a"), &made(1))?;
        edit.add_channel(&owner("nobody"), &made(1))?;
        Ok::<_, StoreError>(((), "made two".to_owned()))
    });
    assert!(matches!(failed, Err(StoreError::Unknown(_))), "{failed:?}");
    assert_eq!((store.channels().unwrap(), store.changes(None, 10).unwrap().len()), (vec![], 1));
    let done = store.change(&by, |edit| {
        let id = edit.add_channel(&owner("a"), &made(1))?;
        Ok::<_, StoreError>((id, format!("made {id}")))
    });
    assert_eq!(done.unwrap(), (1, "made 1".to_owned()));
    let line = &store.changes(None, 1).unwrap()[0];
    let said = (line.at, line.account.as_str(), line.source.as_str(), line.what.as_str());
    assert_eq!(said, (2, "bob", "::1", "made 1"));
}

#[test]
fn use_is_kept_for_a_day_by_the_hour_and_in_all_until_its_channel_goes() {
    let place = place();
    let store = Store::open(place.path()).unwrap();
    edit(&store, |edit| edit.add_subaccount(&subaccount("a"))).unwrap();
    edit(&store, |edit| edit.add_channel(&owner("a"), &made(1))).unwrap();
    let of_file = limits::CHANNEL_ID_MANAGED_MAX + 7;
    let hour = |hour| Hour { channel: 1, hour, received: 10, sent: 1 };
    let of = |channel, hour_of| Hour { channel, ..hour(hour_of) };
    let hours = [hour(100), hour(100), of(77, 100), of(of_file, 100), of(of_file + 1, 100)];
    store.add_usage(&hours, &[of_file]).unwrap();
    let twice = Hour { received: 20, sent: 2, ..hour(100) };
    assert_eq!(store.usage(0).unwrap(), [twice, of(of_file, 100)]);
    store.add_usage(&[hour(100 + limits::USAGE_HOURS_KEPT)], &[of_file]).unwrap();
    assert_eq!(store.usage(0).unwrap().len(), 1, "a day and not more");
    assert_eq!(store.usage(101 + limits::USAGE_HOURS_KEPT).unwrap(), []);
    let total = |channel, received, sent| Total { channel, received, sent };
    drop(store);
    let store = Store::open(place.path()).unwrap();
    let totals = || store.totals().unwrap();
    assert_eq!(totals().totals, [total(1, 30, 3), total(of_file, 10, 1)]);
    store.add_usage(&[hour(130)], &[]).unwrap();
    assert_eq!(totals().totals, [total(1, 40, 4)], "the file names it no more");
    let since = totals().since;
    edit(&store, |edit| edit.reset_usage(since + 5)).unwrap();
    assert_eq!(
        (totals().since, totals().totals, store.usage(0).unwrap()),
        (since + 5, vec![], vec![])
    );
    store.add_usage(&[hour(130)], &[]).unwrap();
    edit(&store, |edit| edit.delete_subaccount(&owner("a"))).unwrap();
    assert_eq!((totals().totals, store.usage(0).unwrap()), (vec![], vec![]));
}

#[test]
fn a_store_of_the_first_form_is_brought_to_this_one_with_what_it_has() {
    let place = place();
    let path = place.path().join("store.sqlite");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../../src/management/store/form-1.sql")).unwrap();
    old.execute_batch(
        "INSERT INTO subaccounts VALUES ('h', 'a', '', '', '', 1, 0, NULL, '', '', 1);
         INSERT INTO channels VALUES (5, 'h', 'a', 'c', 's', 1, 1, 0, '', '::1', 'direct', '', 0);
         INSERT INTO hours VALUES (5, 100, 1, 2), (5, 101, 10, 20);
         PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(old);
    let store = Store::open(place.path()).unwrap();
    assert_eq!(store.usage(0).unwrap().len(), 2);
    let totals = store.totals().unwrap();
    assert_eq!(totals.since, 100 * 3_600_000);
    assert_eq!(totals.totals, [Total { channel: 5, received: 11, sent: 22 }]);
    assert_eq!(store.channels().unwrap()[0].id, 5);
}

#[test]
fn what_cannot_be_used_is_refused_in_words() {
    let place = place();
    let store = Store::open(place.path()).unwrap();
    let words = Store::open(place.path()).unwrap_err().to_string();
    assert!(words.contains("another process uses it"), "{words}");
    let copy = place.path().join("copy");
    fs::create_dir(&copy).unwrap();
    edit(&store, |edit| edit.add_subaccount(&subaccount("a"))).unwrap();
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
