//! The connector killed at random moments of a storm of changes: it opens its store every time, and
//! every change that was acknowledged is there.

use std::{
    collections::BTreeSet,
    io::Write,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use causeway::{engine::Kind, management::store::Store};
use serde_json::json;

use crate::support::{ACCOUNT, HOST, Managed, REGION, Suite, World, subaccount_body};

pub fn add(suite: &mut Suite) {
    suite.once("what_a_killed_connector_acknowledged_is_there_200_times", storm);
}

const KILLS: usize = 200;
/// More than there is time for before the kill.
const CHANGES: usize = 400;
const ENTRY: &str = "/api/v1/configuration/subaccounts";

fn storm() {
    let world = World::new(Kind::Epoll);
    let mut rng = fastrand::Rng::with_seed(11);
    let mut managed = Managed::start(&world, "");
    managed.set_up();
    assert_eq!(managed.change("POST", ENTRY, &subaccount_body(&world, "b")).0, 201);
    let mut acknowledged = BTreeSet::new();
    let mut total = 0;
    for kill in 1..=KILLS {
        let (cookie, token) = managed.log_in();
        let script = creates(&managed, &cookie, &token);
        let mut curl = Command::new("curl")
            .args(["--fail-early", "-K", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = curl.stdin.take().unwrap();
        stdin.write_all(script.as_bytes()).unwrap();
        drop(stdin);
        thread::sleep(Duration::from_micros(rng.u64(10_000..150_000))); // pace: of the kills
        drop(managed);
        let said = String::from_utf8(curl.wait_with_output().unwrap().stdout).unwrap();
        let created = said.lines().filter_map(|line| line.strip_prefix("201 "));
        let ids = created.filter_map(|location| location.rsplit('/').next()?.parse::<i64>().ok());
        let before = acknowledged.len();
        acknowledged.extend(ids);
        total += acknowledged.len() - before;

        let store = Store::open(&world.path("state"));
        let store = store.unwrap_or_else(|error| panic!("kill {kill}: {error}"));
        let there: BTreeSet<i64> =
            store.channels().unwrap().into_iter().map(|channel| channel.id).collect();
        let lost: Vec<_> = acknowledged.difference(&there).collect();
        assert!(lost.is_empty(), "kill {kill}: {lost:?} were acknowledged");
        drop(store);
        managed = Managed::start(&world, "");
        if there.len() > CHANGES {
            let channels = format!("{ENTRY}/{REGION}/b/channels");
            assert_eq!(managed.ask(ACCOUNT, "DELETE", &channels, None).0, 204);
            acknowledged.clear();
        }
    }
    println!("{total} creations acknowledged over {KILLS} kills");
    assert!(total > KILLS, "hardly anything was written: {total}");
}

/// What curl is to do: one channel after the other, over one connection.
fn creates(managed: &Managed, cookie: &str, token: &str) -> String {
    let url = format!("https://{}{ENTRY}/{REGION}/b/channels/K8S", managed.admin);
    let certificate = managed.certificate.display();
    let one = |number: usize| {
        let body = json!({
            "k8sCluster": HOST, "k8sService": "echo", "port": 20_000 + number, "connections": 1,
            "comment": "of the storm",
        });
        let body = body.to_string().replace('"', "\\\"");
        format!(
            "url = \"{url}\"\ncacert = \"{certificate}\"\nsilent\n\
             header = \"Content-Type: application/json\"\nheader = \"Cookie: {cookie}\"\n\
             header = \"X-CSRF-Token: {token}\"\ndata = \"{body}\"\n\
             write-out = \"%{{http_code}} %header{{location}}\\n\"\n"
        )
    };
    (0..CHANGES).map(one).collect::<Vec<_>>().join("next\n")
}
