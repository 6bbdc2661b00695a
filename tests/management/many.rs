//! Many at a time: where the incumbent refuses, nothing is refused and nothing is lost.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use serde_json::json;

use crate::house::{GUID, House, at, channel, subaccount};

const CREATES: usize = 1000;
const CLIENTS: usize = 50;

#[test]
fn of_a_thousand_creates_in_parallel_none_is_lost() {
    let house = House::new();
    let client = house.log_in("Administrator");
    for name in [GUID, "b"] {
        let list = "/api/v1/configuration/subaccounts";
        assert_eq!(client.ask("POST", list, Some(&subaccount(name))).status, 201);
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut made = Vec::new();
        loop {
            let number = next.fetch_add(1, SeqCst);
            if number >= CREATES {
                return made;
            }
            let path =
                format!("{}/channels/K8S", at(if number.is_multiple_of(2) { GUID } else { "b" }));
            let port = u16::try_from(number + 1).unwrap();
            let reply = client.ask("POST", &path, Some(&channel(port)));
            reply.is_empty(201);
            let place = reply.header("location").unwrap();
            let (_, id) = place.rsplit_once('/').unwrap();
            made.push((id.parse::<i64>().unwrap(), port));
        }
    };
    let made: BTreeSet<(i64, u16)> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(work)).collect();
        all.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(made.len(), CREATES);
    let kept = house.store.channels().unwrap();
    let kept: BTreeSet<(i64, u16)> = kept.iter().map(|one| (one.id, one.made.port)).collect();
    assert_eq!(kept, made);
    let listed = |name: &str| {
        let list = client.get(&format!("{}/channels/K8S", at(name))).json();
        let ids: Vec<i64> =
            list.as_array().unwrap().iter().map(|one| one["id"].as_i64().unwrap()).collect();
        assert!(ids.is_sorted_by(|one, next| one > next), "newest first");
        ids.len()
    };
    assert_eq!((listed(GUID), listed("b")), (CREATES / 2, CREATES / 2));
    let carried: usize = house.carrier.carried().iter().map(|(_, all)| all.len()).sum();
    assert_eq!(carried, CREATES, "the last one to be told was told of all");
    let turns = *house.carrier.turns.lock().unwrap();
    println!("{CREATES} creates were put in force in {turns} turns");
    assert_eq!(house.changes().len(), CREATES + 2);
}

#[test]
fn what_is_enabled_by_many_at_a_time_opens_one_of_each_port() {
    let house = House::new();
    let client = house.log_in("Administrator");
    let list = "/api/v1/configuration/subaccounts";
    assert_eq!(client.ask("POST", list, Some(&subaccount(GUID))).status, 201);
    let path = format!("{}/channels/K8S", at(GUID));
    for _ in 0..20 {
        client.ask("POST", &path, Some(&channel(3000))).is_empty(201);
    }
    let enable = |id: usize| {
        let on = json!({ "enabled": true });
        client.ask("PUT", &format!("{path}/{id}/state"), Some(&on)).status
    };
    let (enable, all) = (&enable, 1..=20);
    let mut answers: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = all.map(|id| scope.spawn(move || enable(id))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    answers.sort_unstable();
    assert_eq!((answers[0], &answers[1..]), (204, [500; 19].as_slice()));
    assert_eq!(house.carrier.open().len(), 1);
}
