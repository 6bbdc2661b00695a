//! Five thousand mappings: how long, how much memory.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::{
    api::spec,
    cluster::{Cluster, Suite},
    installation::Installation,
    support::{Service, wait_until},
};

pub fn add(suite: &mut Suite) {
    suite.own("five_thousand_mappings_are_taken_up_and_told", many);
}

const COUNT: usize = 5000;
/// A busy machine, and statuses at their bounded rate.
const PATIENCE: Duration = Duration::from_secs(300);

/// Resident memory of a process in MiB.
fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn many(cluster: &Cluster) {
    let (api, service) = (&cluster.api, Service::echo());
    let installation = Installation::new(cluster);
    let proxy = installation.leader("one");
    let before = resident(proxy.process.id());
    let begun = Instant::now();
    let objects = (0..COUNT).map(|index| {
        let name = format!("many-{index}");
        let spec = spec(&name, service.address);
        (name, spec)
    });
    api.create_many(objects.collect());
    let created = begun.elapsed();
    installation.wait_answer(&proxy, &format!("many-{}", COUNT - 1), 200);
    wait_until("all are in force", PATIENCE, || proxy.metric("causeway_mappings") >= COUNT as u64);
    println!(
        "{:?}: {COUNT} mappings created in {created:?}, in force {:?} after the first",
        cluster.kind,
        begun.elapsed()
    );

    let second = Instant::now();
    let two = installation.proxy("two");
    println!("{:?}: another replica lists them and serves in {:?}", cluster.kind, second.elapsed());
    assert_eq!(installation.ask(&two, "many-0"), 200);
    wait_until("all are told and reachable", PATIENCE, || {
        // Two writes a mapping at most, one where the dial was faster.
        let list = api.try_list().unwrap();
        let ready = list.iter().filter(|object| {
            let conditions = object.data.pointer("/status/conditions");
            let text = conditions.map(ToString::to_string).unwrap_or_default();
            text.contains("\"reason\":\"Ready\"")
        });
        ready.count() >= COUNT
    });
    let writes = proxy.fact("status_writes_total");
    println!(
        "{:?}: all statuses told after {:?} with {writes} writes; resident {before} MiB before, \
         {} MiB leader, {} MiB follower",
        cluster.kind,
        begun.elapsed(),
        resident(proxy.process.id()),
        resident(two.process.id())
    );
    assert!(writes <= 2 * COUNT as u64 + 10, "{writes} writes for {COUNT} mappings");
    assert!(resident(proxy.process.id()) < before + 200);
    assert!(proxy.fact("lists_total") <= 2, "a watch lists once");
}
