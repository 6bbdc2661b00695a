//! A process that writes is killed at random moments: the store opens every time, and everything
//! that was acknowledged is there.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use causeway::{
    limits,
    management::store::{By, Edit, Store, StoreError},
};

use crate::store::{edit, made, owner, subaccount};

/// Of the store alone; the whole connector is killed more often by the end-to-end tests.
const KILLS: u32 = 50;
const PLACE: &str = "CAUSEWAY_STORM_PLACE";

/// Not a test by itself: what the other one starts and kills.
#[test]
#[ignore = "started by the test that kills it"]
fn writes_until_it_is_killed() {
    let Ok(place) = env::var(PLACE) else { return };
    let store = Store::open(Path::new(&place)).unwrap();
    let _ = edit(&store, |edit| edit.add_subaccount(&subaccount("a")));
    let mut out = std::io::stdout();
    for turn in 0_u16.. {
        let id = noted(&store, "add", |edit| edit.add_channel(&owner("a"), &made(turn)));
        writeln!(out, "ack add {id} {turn}").unwrap();
        noted(&store, "enable", |edit| {
            edit.change_channel(&owner("a"), id, |channel| channel.enabled = true).map(|_| id)
        });
        writeln!(out, "ack enable {id} {turn}").unwrap();
        if turn % 3 == 0 {
            noted(&store, "delete", |edit| edit.delete_channel(&owner("a"), id).map(|_| id));
            writeln!(out, "ack delete {id} {turn}").unwrap();
        }
    }
}

/// Does something to a channel, with a line in the log that says so.
fn noted(
    store: &Store,
    what: &str,
    work: impl FnOnce(&Edit<'_>) -> Result<i64, StoreError>,
) -> i64 {
    let by = By { at: 1, account: "ada", source: "::1" };
    let done = store.change(&by, |edit| {
        let id = work(edit)?;
        Ok::<_, StoreError>((id, format!("{what} {id}")))
    });
    done.unwrap().0
}

/// What the log of changes says of which channels there are, and whether each is enabled.
fn by_the_log(store: &Store) -> BTreeMap<i64, bool> {
    let mut told = BTreeMap::new();
    for line in store.changes(None, limits::CHANGES_KEPT).unwrap().iter().rev() {
        let Some((what, id)) = line.what.split_once(' ') else { continue };
        let Ok(id) = id.parse() else { continue };
        match what {
            "add" => told.insert(id, false),
            "enable" => told.insert(id, true),
            _ => told.remove(&id),
        };
    }
    told
}

/// The last that was acknowledged of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Last {
    Add,
    Enable,
    Delete,
}

#[test]
fn whatever_was_acknowledged_survives_a_kill_at_any_moment() {
    let place = tempfile::tempdir().unwrap();
    let mut rng = fastrand::Rng::with_seed(7);
    let mut acknowledged = 0;
    for kill in 0..KILLS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "storm::writes_until_it_is_killed", "--ignored", "--nocapture"])
            .env(PLACE, place.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || {
            let mut last: BTreeMap<i64, (Last, u16)> = BTreeMap::new();
            // The test runner's own line may stand before the first.
            for line in out.lines().map_while(Result::ok) {
                let Some(at) = line.find("ack ") else { continue };
                let mut words = line[at + 4..].split(' ');
                let (Some(what), Some(id), Some(turn)) = (words.next(), words.next(), words.next())
                else {
                    continue;
                };
                let what = match what {
                    "add" => Last::Add,
                    "enable" => Last::Enable,
                    _ => Last::Delete,
                };
                last.insert(id.parse().unwrap(), (what, turn.parse().unwrap()));
            }
            last
        });
        std::thread::sleep(Duration::from_micros(rng.u64(5_000..60_000))); // pace: of the kills
        child.kill().unwrap();
        child.wait().unwrap();
        let last = reader.join().unwrap();
        acknowledged += last.len();
        let store =
            Store::open(place.path()).unwrap_or_else(|error| panic!("kill {kill}: {error}"));
        let there: BTreeMap<i64, bool> = store
            .channels()
            .unwrap()
            .into_iter()
            .map(|channel| (channel.id, channel.enabled))
            .collect();
        for (id, (last, turn)) in last {
            match (last, there.get(&id)) {
                // What came next may have been done and not yet told.
                (Last::Add, Some(_)) | (Last::Enable, Some(true)) | (Last::Delete, None) => {}
                (Last::Enable, None) if turn % 3 == 0 => {}
                (last, found) => panic!("kill {kill}: channel {id} {last:?}, found {found:?}"),
            }
        }
        assert_eq!(by_the_log(&store), there, "kill {kill}: each change and its line, or neither");
        for id in there.into_keys() {
            noted(&store, "delete", |edit| edit.delete_channel(&owner("a"), id).map(|_| id));
        }
    }
    println!("{acknowledged} channels acknowledged over {KILLS} kills");
    assert!(acknowledged > KILLS as usize, "hardly anything was written");
    let left = fs::read_dir(place.path()).unwrap().count();
    assert!(left <= 3, "the store, its log and nothing else: {left}");
}
