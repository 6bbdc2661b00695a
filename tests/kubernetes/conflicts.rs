//! Two mappings for one service: the older is in force, on every replica and in every status.

use std::{io::Read, time::Duration};

use crate::{
    api::spec,
    cluster::{Cluster, Suite},
    installation::{Installation, Proxy},
    support::{DEADLINE, Service, ping, wait_until},
};

pub fn add(suite: &mut Suite) {
    suite.every("of_two_mappings_for_one_service_the_older_wins_until_it_goes", conflict);
}

/// Creation times have whole seconds; the younger of two is to be the younger.
fn next_second() {
    std::thread::sleep(Duration::from_millis(1100)); // pace: of the API's clock
}

fn conflict(cluster: &Cluster) {
    let (api, first, second) = (&cluster.api, Service::echo(), Service::banner("second"));
    let installation = Installation::new(cluster);
    let one = installation.leader("one");
    let two = installation.proxy("two");
    // In the order of names the younger comes first.
    api.create("z-older", &spec("shared", first.address));
    next_second();
    api.create("a-younger", &spec("shared", second.address));
    api.wait_condition("a-younger", "Accepted", "False Conflict");
    let message = api.condition_of("a-younger", "Accepted")["message"].to_string();
    assert!(message.contains("`z-older`"), "{message}");
    assert_eq!(api.status("a-younger", "endpoint"), "");
    api.wait_condition("z-older", "Accepted", "True Accepted");
    assert_eq!(api.status("z-older", "endpoint"), "tcp://localhost:443/shared");
    let mut streams: Vec<_> = [&one, &two].map(|proxy| installation.stream(proxy, "shared")).into();
    for stream in &mut streams {
        ping(stream, "the first");
    }

    api.delete("z-older");
    api.wait_condition("a-younger", "Accepted", "True Accepted");
    assert_eq!(api.status("a-younger", "endpoint"), "tcp://localhost:443/shared");
    for (stream, proxy) in streams.iter_mut().zip([&one, &two]) {
        assert!(stream.read(&mut [0; 16]).is_err(), "streams of the deleted mapping end");
        wait_until("the second is dialled", DEADLINE, || said(&installation, proxy) == "second");
    }
}

fn said(installation: &Installation, proxy: &Proxy) -> String {
    let (status, mut stream) = installation.open(proxy, "shared");
    let mut text = String::new();
    if status == 200 {
        let _aborted = stream.read_to_string(&mut text);
    }
    text
}
