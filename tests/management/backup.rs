//! The whole store is taken along and put in the place of another one, all of it or nothing.

use std::path::{Path, PathBuf};

use causeway::{
    limits,
    management::{
        accounts::hash,
        sealed::seal,
        store::{Account, Channel, ChannelMode, Hour, Store, StoreError, Subaccount},
    },
};
use rusqlite::Connection;
use serde_json::json;

use crate::{
    house::{Client, GUID, House, Reply, at, channel, material, owner, subaccount},
    store::{edit, made},
};

pub(crate) const PATH: &str = "/api/v1/configuration/backup";
const ASK: &str = "/api/v1/configuration/certificateRequests";
const LIST: &str = "/api/v1/configuration/subaccounts";
/// The password of backups.
pub(crate) const SEALED_BY: &str = "drei neue Brücken";

pub(crate) fn take(client: &Client<'_>) -> Vec<u8> {
    let reply = client.ask("POST", PATH, Some(&json!({ "password": SEALED_BY })));
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
    let named = reply.header("content-disposition").unwrap();
    assert!(named.starts_with("attachment; filename="), "{named}");
    reply.bytes
}

pub(crate) fn restore(client: &Client<'_>, backup: &[u8], password: &str) -> Reply {
    client.put_form(PATH, &[("backup", backup), ("password", password.as_bytes())])
}

/// All that people made.
fn contents(house: &House) -> (Vec<Subaccount>, Vec<Channel>, Vec<Account>) {
    let store = &house.store;
    (store.subaccounts().unwrap(), store.channels().unwrap(), store.accounts().unwrap())
}

/// What is beside the store.
pub(crate) fn beside(store: &Store) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(store.path().parent().unwrap()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| !path.to_string_lossy().contains("store.sqlite")).collect()
}

/// Two subaccounts and two channels, none of whose fields is what it would be unless said; one more
/// channel that is gone, and a certificate that is asked for. Says the request's id.
fn furnish(house: &House) -> i64 {
    let [certificate, private_key, authorities] = material(GUID);
    let one = Subaccount {
        owner: owner(GUID),
        location: "plant".to_owned(),
        display_name: "Werk".to_owned(),
        description: "mit \"Zeichen\"\nund Zeilen".to_owned(),
        connected: true,
        managed: true,
        certificate: Some(certificate),
        private_key,
        authorities,
        created_at: 12_345,
    };
    let other = Subaccount { connected: false, certificate: None, ..one.clone() };
    let other = Subaccount { owner: owner("b"), ..other };
    let mut special = made(5002);
    special.mode = ChannelMode::Direct;
    special.local_address = "0.0.0.0".parse().unwrap();
    special.connections = 7;
    edit(&house.store, |edit| {
        edit.add_subaccount(&one)?;
        edit.add_subaccount(&other)?;
        edit.add_channel(&owner("b"), &made(5001))?;
        let id = edit.add_channel(&owner(GUID), &special)?;
        edit.change_channel(&owner(GUID), id, |channel| channel.enabled = true)?;
        let gone = edit.add_channel(&owner("b"), &made(5003))?;
        edit.delete_channel(&owner("b"), gone).map(drop)
    })
    .unwrap();
    let by_certificate = Account {
        name: "robot".to_owned(),
        role: "Monitoring".to_owned(),
        password: None,
        certificate: Some("ab".repeat(32)),
        created_at: 99,
    };
    edit(&house.store, |edit| edit.add_account(&by_certificate)).unwrap();
    edit(&house.store, |edit| edit.add_request(&owner(GUID), "the key that waits")).unwrap()
}

#[test]
fn what_was_there_is_there_again_in_every_field() {
    let house = House::new();
    let request = furnish(&house);
    let client = house.log_in("Administrator");
    let before = contents(&house);
    let backup = take(&client);
    let plain = |text: &[u8]| backup.windows(text.len()).any(|some| some == text);
    assert!(!plain(b"PRIVATE KEY") && !plain(GUID.as_bytes()) && !plain(b"SQLite"));
    assert!(house.changes()[0].ends_with("took a backup"));

    client.ask("DELETE", &at(GUID), None).is_empty(204);
    let renamed = json!({ "displayName": "other", "locationID": "" });
    assert_eq!(client.ask("PUT", &at("b"), Some(&renamed)).status, 400, "it has no certificate");
    assert_eq!(client.ask("POST", LIST, Some(&subaccount("c"))).status, 201);
    let channels = format!("{}/channels/K8S", at("c"));
    client.ask("POST", &channels, Some(&channel(6000))).is_empty(201);
    edit(&house.store, |edit| edit.use_request(&owner(GUID), request)).unwrap();
    edit(&house.store, |edit| edit.delete_account("Display")).unwrap();
    let of_file = limits::CHANNEL_ID_MANAGED_MAX + 1;
    let hour = |channel| Hour { channel, hour: 1, received: 5, sent: 6 };
    house.store.add_usage(&[hour(1), hour(of_file)], &[of_file]).unwrap();
    assert_ne!(contents(&house), before);
    let log = house.changes();

    let session = house.log_in("Monitoring");
    restore(&client, &backup, SEALED_BY).is_empty(204);
    assert_eq!(contents(&house), before);
    let key = house.store.requested_key(&owner(GUID), request).unwrap();
    assert_eq!(key.as_deref(), Some("the key that waits"));
    assert_eq!(house.carrier.open(), [2], "in force");
    assert_eq!(house.carrier.carried()[0].0, before.0[0]);
    let used: Vec<i64> = house.store.usage(0).unwrap().iter().map(|one| one.channel).collect();
    assert_eq!(used, [of_file]);
    // The log is the one that is here and not the one of then.
    assert_eq!(house.changes()[1..], log);
    let line = &house.changes()[0];
    let what = "restored a backup: 2 subaccounts, 2 channels, 5 accounts";
    assert_eq!(*line, format!("Administrator@127.0.0.1 {what}"));
    for client in [client, session] {
        client.get("/api/v1/session").fails(401, "FORBIDDEN_REQUEST");
    }
    assert_eq!(house.log_in("Display").get("/api/v1/session").status, 200);
    assert_eq!(beside(&house.store), [] as [PathBuf; 0]);
    let house = house.again();
    assert_eq!(contents(&house), before);
}

#[test]
fn it_is_restored_under_other_accounts_and_ids_are_not_given_again() {
    let there = House::new();
    furnish(&there);
    let before = contents(&there);
    let backup = take(&there.log_in("Administrator"));

    let here = House::empty();
    for (name, role) in [("eve", "Administrator"), ("Administrator", "Display")] {
        here.add_account(name, role);
    }
    let other = Account {
        name: "Monitoring".to_owned(),
        role: "Administrator".to_owned(),
        password: Some(hash("another one of those")),
        certificate: Some("ab".repeat(32)),
        created_at: 5,
    };
    edit(&here.store, |edit| edit.add_account(&other)).unwrap();
    let (eve, by_session) = (here.basic("eve"), here.log_in("Administrator"));
    assert_eq!(eve.ask("POST", LIST, Some(&subaccount(GUID))).status, 201);
    let channels = format!("{}/channels/K8S", at(GUID));
    eve.ask("POST", &channels, Some(&channel(6000))).is_empty(201);
    restore(&eve, &backup, SEALED_BY).is_empty(204);

    assert_eq!(contents(&here), before);
    eve.get("/api/v1/session").fails(401, "FORBIDDEN_REQUEST");
    by_session.get("/api/v1/session").fails(401, "FORBIDDEN_REQUEST");
    assert!(here.changes()[0].starts_with("eve@127.0.0.1 restored a backup"));
    assert_eq!(here.changes().len(), 3);
    let client = here.log_in("Administrator");
    assert_eq!(client.get("/api/v1/session").json()["role"], "Administrator");
    client.ask("POST", &channels, Some(&channel(6000))).is_empty(201);
    assert_eq!(here.store.channels().unwrap()[0].id, 4, "3 was one that is gone, there");
    let ask = json!({ "regionHost": owner(GUID).region_host, "subaccount": GUID });
    assert_eq!(client.ask("POST", ASK, Some(&ask)).json()["id"], 2);

    // One more id is given here than there.
    client.ask("DELETE", &format!("{channels}/4"), None).is_empty(204);
    restore(&client, &backup, SEALED_BY).is_empty(204);
    here.log_in("Administrator").ask("POST", &channels, Some(&channel(6000))).is_empty(201);
    assert_eq!(here.store.channels().unwrap()[0].id, 5);
}

/// A sealed store that is changed by hand.
fn crafted(work: impl FnOnce(&Connection)) -> Vec<u8> {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path()).unwrap();
    let ada = Account {
        name: "ada".to_owned(),
        role: "Administrator".to_owned(),
        password: Some("$argon2id$".to_owned()),
        certificate: None,
        created_at: 1,
    };
    edit(&store, |edit| edit.add_account(&ada)).unwrap();
    edit(&store, |edit| edit.add_subaccount(&crate::store::subaccount("a"))).unwrap();
    edit(&store, |edit| edit.add_channel(&crate::store::owner("a"), &made(1))).unwrap();
    let copy = place.path().join("copy");
    store.back_up(&copy).unwrap();
    let db = Connection::open(&copy).unwrap();
    db.pragma_update(None, "foreign_keys", false).unwrap();
    work(&db);
    drop(db);
    seal(SEALED_BY, &std::fs::read(&copy).unwrap())
}

fn run(sql: &str) -> Vec<u8> {
    crafted(|db| db.execute_batch(sql).unwrap())
}

#[test]
fn what_is_no_backup_of_ours_is_refused_in_words_and_nothing_changes() {
    let house = House::new();
    furnish(&house);
    let client = house.log_in("Administrator");
    let good = take(&client);
    let (before, log) = (contents(&house), house.changes());
    let turns = *house.carrier.turns.lock().unwrap();
    let mut changed = good.clone();
    *changed.last_mut().unwrap() ^= 1;
    let mut later = good.clone();
    later[16] = 9;
    let sealed = |plain: &[u8]| seal(SEALED_BY, plain);
    for (backup, password, words) in [
        (good.clone(), "drei neue Bruecken", "the password is not the one"),
        (good.clone(), "", "the password is not the one"),
        (good[..good.len() - 1].to_vec(), SEALED_BY, "was cut or changed"),
        (good[..20].to_vec(), SEALED_BY, "was cut or changed"),
        (changed, SEALED_BY, "was cut or changed"),
        (later, SEALED_BY, "this backup has form 9"),
        (b"PK\x03\x04 a ZIP".to_vec(), SEALED_BY, "no backup of a connector"),
        (Vec::new(), SEALED_BY, "no backup of a connector"),
        (sealed(b"this is no database, not at all"), SEALED_BY, "not a database"),
        (sealed(b""), SEALED_BY, "no Administrator"),
        (run("PRAGMA user_version = 99"), SEALED_BY, "its store has form 99"),
        (run("PRAGMA user_version = 0"), SEALED_BY, "already exists"),
        (run("DROP TABLE certificate_requests"), SEALED_BY, "no such table"),
        (run("UPDATE channels SET mode = 'odd'"), SEALED_BY, "mode odd"),
        (run("UPDATE accounts SET role = 'Display'"), SEALED_BY, "no Administrator"),
        (run("UPDATE accounts SET password = NULL"), SEALED_BY, "no Administrator"),
        (torn(), SEALED_BY, "cannot be used"),
    ] {
        let why = restore(&client, &backup, password).fails(400, "INVALID_REQUEST");
        assert!(why.starts_with("backup: ") && why.contains(words), "{words}: {why}");
        assert!(!why.contains(".sqlite") && !why.contains("aside"), "no path of ours: {why}");
    }
    assert_eq!((contents(&house), house.changes()), (before, log));
    assert_eq!(*house.carrier.turns.lock().unwrap(), turns);
    assert_eq!(beside(&house.store), [] as [PathBuf; 0]);
    assert_eq!(client.get("/api/v1/session").status, 200);
    restore(&client, &good, SEALED_BY).is_empty(204);
    // An administrator may have a certificate alone.
    let by_certificate = run("UPDATE accounts SET password = NULL, certificate = 'ab'");
    restore(&house.log_in("Administrator"), &by_certificate, SEALED_BY).is_empty(204);
}

/// A store whose pages were mixed up before it was sealed.
fn torn() -> Vec<u8> {
    let place = tempfile::tempdir().unwrap();
    let (store, copy) = (Store::open(place.path()).unwrap(), place.path().join("copy"));
    store.back_up(&copy).unwrap();
    let mut bytes = std::fs::read(copy).unwrap();
    let end = bytes.len() - 4096;
    bytes.copy_within(..4096, end);
    seal(SEALED_BY, &bytes)
}

#[test]
fn a_restore_that_fails_midway_changes_nothing() {
    let house = House::new();
    furnish(&house);
    let client = house.log_in("Administrator");
    let (before, log) = (contents(&house), house.changes());
    let turns = *house.carrier.turns.lock().unwrap();
    // Behind all that is deleted, and 256 subaccounts.
    let many = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})
         INSERT INTO subaccounts SELECT region_host, 'n' || i, location, display_name, description,
         connected, managed, certificate, private_key, authorities, created_at
         FROM subaccounts, n",
        limits::SUBACCOUNTS_MANAGED_MAX
    );
    let why = restore(&client, &run(&many), SEALED_BY).fails(400, "INVALID_REQUEST");
    assert!(why.contains("more than 256 subaccounts"), "{why}");
    // Behind all subaccounts, at a channel of none of them.
    let orphan = run("UPDATE channels SET subaccount = 'x'");
    let why = restore(&client, &orphan, SEALED_BY).fails(500, "RUNTIME_FAILURE");
    assert!(why.contains("nothing was changed"), "{why}");

    assert_eq!((contents(&house), house.changes()), (before.clone(), log));
    assert_eq!(*house.carrier.turns.lock().unwrap(), turns);
    assert_eq!(client.get("/api/v1/session").status, 200);
    assert_eq!(beside(&house.store), [] as [PathBuf; 0]);
    assert_eq!(contents(&house.again()), before);
}

#[test]
fn what_a_killed_process_left_beside_the_store_is_removed() {
    let place = tempfile::tempdir().unwrap();
    let left = place.path().join("aside-x1");
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("store.sqlite"), "keys").unwrap();
    std::fs::write(place.path().join("other"), "x").unwrap();
    let store = Store::open(place.path()).unwrap();
    assert_eq!(beside(&store), [place.path().join("other")]);
    let nowhere = Path::new("/dev/null");
    assert!(matches!(store.back_up(nowhere), Err(StoreError::Database(_))));
}
