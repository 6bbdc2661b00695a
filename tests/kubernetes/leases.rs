//! One replica leads, and another takes over.

use std::time::Instant;

use crate::{
    api::spec,
    cluster::{Cluster, Suite},
    installation::Installation,
    support::{DEADLINE, Service, wait_until},
};

pub fn add(suite: &mut Suite) {
    suite.every("another_replica_leads_when_the_leader_is_killed", killed);
    suite.every("a_leader_that_is_told_to_end_gives_its_lease_back", terminated);
}

fn killed(cluster: &Cluster) {
    let (api, service) = (&cluster.api, Service::echo());
    let installation = Installation::new(cluster);
    let one = installation.leader("one");
    let two = installation.proxy("two");
    assert_eq!(api.holder(&installation.lease).as_deref(), Some("one"));
    assert_eq!(two.fact("leads"), 0);
    wait_until("the other knows who leads", DEADLINE, || two.details()["leader"] == "one");
    drop(one);
    let begun = Instant::now();
    api.create("meanwhile", &spec("meanwhile", service.address));
    // Who leads is of no consequence for streams.
    installation.wait_answer(&two, "meanwhile", 200);
    two.wait_fact("leads", 1);
    let led = begun.elapsed();
    api.wait_condition("meanwhile", "Ready", "True Ready");
    println!("{:?}: leader killed to the next one: {led:?}", cluster.kind);
    assert_eq!(api.holder(&installation.lease).as_deref(), Some("two"));
}

fn terminated(cluster: &Cluster) {
    let installation = Installation::new(cluster);
    let one = installation.leader("one");
    let two = installation.proxy("two");
    wait_until("the other has seen the lease", DEADLINE, || two.details()["leader"] == "one");
    one.process.terminate();
    let took = two.wait_fact("leads", 1);
    println!("{:?}: leader told to end to the next one: {took:?}", cluster.kind);
    assert!(took.as_secs() < 10, "the lease was not given back: {took:?}");
    let (status, said) = one.process.end();
    assert!(status.success(), "{said}");
}
