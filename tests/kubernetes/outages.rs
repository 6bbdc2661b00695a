//! The API server is away, at the start or later; streams do not notice.

use std::time::{Duration, Instant};

use crate::{
    api::spec,
    cluster::{Cluster, Suite},
    installation::{Installation, Proxy},
    support::{DEADLINE, Process, Service, get, ping, wait_until},
};

pub fn add(suite: &mut Suite) {
    suite.own("an_outage_of_the_api_server_costs_nothing_that_was_in_force", outage);
    suite.own("a_proxy_that_starts_without_the_api_is_not_ready_until_it_answers", blind);
}

/// How long the API server is away: `CAUSEWAY_OUTAGE_SECONDS`, or as long as makes every request
/// under way fail.
fn away() -> Duration {
    let seconds = std::env::var("CAUSEWAY_OUTAGE_SECONDS").ok();
    Duration::from_secs(seconds.map_or(6, |seconds| seconds.parse().expect("seconds")))
}

fn outage(cluster: &Cluster) {
    let (api, service) = (&cluster.api, Service::echo());
    let installation = Installation::new(cluster);
    api.create("standing", &spec("standing", service.address));
    api.create("leaving", &spec("leaving", service.address));
    let proxy = installation.leader("one");
    api.wait_condition("standing", "Ready", "True Ready");
    let mut stream = installation.stream(&proxy, "standing");
    cluster.stop_api();
    let stopped = Instant::now();
    proxy.wait_fact("connected", 0);
    wait_until("the outage is over", Duration::MAX, || {
        ping(&mut stream, "all the while");
        assert_eq!(installation.ask(&proxy, "standing"), 200);
        let (code, reasons, notes) = proxy.readiness();
        assert_eq!((code, reasons), (200, Vec::new()));
        assert!(notes.iter().any(|note| note.contains("away since")), "{notes:?}");
        stopped.elapsed() >= away()
    });
    // Nobody who has no Lease writes, however old its own is.
    if away() > Duration::from_secs(15) {
        assert_eq!(proxy.fact("leads"), 0);
    }
    cluster.start_api();
    let up = Instant::now();
    api.delete("leaving");
    api.create("fresh", &spec("fresh", service.address));
    installation.wait_answer(&proxy, "fresh", 200);
    println!("{:?}: API server back to a new mapping in force: {:?}", cluster.kind, up.elapsed());
    installation.wait_answer(&proxy, "leaving", 404);
    proxy.wait_fact("connected", 1);
    ping(&mut stream, "after");
    api.wait_condition("fresh", "Ready", "True Ready");
    assert_eq!(proxy.readiness(), (200, Vec::new(), Vec::new()));
}

fn blind(cluster: &Cluster) {
    let (api, service) = (&cluster.api, Service::echo());
    let installation = Installation::new(cluster);
    api.create("standing", &spec("standing", service.address));
    cluster.stop_api();
    let mut process = Process::causeway(&["proxy", "--config", &installation.config("one")]);
    let admin = process.address("admin server listens", "address");
    let tunnel = process.address("proxy serves", "address");
    let proxy = Proxy { process, tunnel, admin };
    let (code, reasons, _) = proxy.readiness();
    assert_eq!(code, 503);
    assert!(reasons[0].contains("not known yet"), "{reasons:?}");
    assert_eq!(installation.ask(&proxy, "standing"), 404);
    assert_eq!(get(admin, "/healthz").0, 200, "nobody restarts it for that");
    cluster.start_api();
    wait_until("the proxy is ready", DEADLINE, || proxy.readiness().0 == 200);
    assert_eq!(installation.ask(&proxy, "standing"), 200);
}
