//! Mappings of the cluster come into force, change and go.

use std::{
    io::{Read, Write},
    time::Duration,
};

use crate::{
    api::spec,
    cluster::{Cluster, Suite},
    installation::Installation,
    support::{DEADLINE, Service, ping, wait_until},
};

pub fn add(suite: &mut Suite) {
    suite.every("a_mapping_is_in_force_within_a_second_of_its_creation", created);
    suite.every("a_changed_address_is_dialled_and_a_deleted_mapping_ends_its_streams", changed);
    suite.every("a_mapping_of_another_location_is_refused", locations);
}

/// What the requirement is; a busy machine is given more before the test fails.
const REQUIRED: Duration = Duration::from_secs(1);

fn created(cluster: &Cluster) {
    let service = Service::echo();
    let installation = Installation::new(cluster);
    let proxy = installation.leader("one");
    let mut took: Vec<Duration> = (0..20)
        .map(|index| {
            let name = format!("created-{index}");
            cluster.api.create(&name, &spec(&name, service.address));
            installation.wait_answer(&proxy, &name, 200)
        })
        .collect();
    took.sort();
    println!(
        "{:?}: create to first accepted CONNECT, 20 times: median {:?}, longest {:?}",
        cluster.kind, took[10], took[19]
    );
    assert!(took[10] < REQUIRED && took[19] < REQUIRED * 5, "{took:?}");
}

fn changed(cluster: &Cluster) {
    let (one, other) = (Service::banner("one"), Service::banner("other"));
    let echo = Service::echo();
    let installation = Installation::new(cluster);
    cluster.api.create("changing", &spec("changing", one.address));
    cluster.api.create("staying", &spec("staying", echo.address));
    let proxy = installation.proxy("one");
    let said = || {
        let mut text = String::new();
        installation.stream(&proxy, "changing").read_to_string(&mut text).unwrap();
        text
    };
    assert_eq!(said(), "one", "what was there at the start is in force at once");
    cluster.api.patch("changing", &spec("changing", other.address));
    let took = wait_until("the other service answers", DEADLINE, || said() == "other");
    println!("{:?}: update to first stream to the new address: {took:?}", cluster.kind);

    cluster.api.patch("changing", &spec("changing", echo.address));
    wait_until("the echo service answers", DEADLINE, || {
        let (mut stream, mut back) = (installation.stream(&proxy, "changing"), [0]);
        stream.write_all(b"x").and_then(|()| stream.read_exact(&mut back)).is_ok() && back == *b"x"
    });
    let mut stream = installation.stream(&proxy, "changing");
    let mut neighbour = installation.stream(&proxy, "staying");
    ping(&mut stream, "before");
    cluster.api.delete("changing");
    let mut rest = Vec::new();
    // An abort, as every end that is not the peers' own.
    let end = stream.read_to_end(&mut rest);
    assert!(end.is_err() && rest.is_empty(), "{end:?} {rest:?}");
    assert_eq!(installation.ask(&proxy, "changing"), 404);
    ping(&mut neighbour, "after");
}

fn locations(cluster: &Cluster) {
    let service = Service::echo();
    let installation = Installation::new(cluster);
    let proxy = installation.proxy("one");
    let mut elsewhere = spec("elsewhere", service.address);
    elsewhere["locationIds"] = serde_json::json!(["north"]);
    cluster.api.create("elsewhere", &elsewhere);
    installation.wait_answer(&proxy, "elsewhere", 403);
    elsewhere["locationIds"] = serde_json::json!(["north", ""]);
    cluster.api.patch("elsewhere", &elsewhere);
    installation.wait_answer(&proxy, "elsewhere", 200);
}
