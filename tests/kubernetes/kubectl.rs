//! The walk of the announcement, with kubectl, a connector and curl.

use std::fs;

use crate::{
    cluster::{Cluster, Suite, root},
    installation::Installation,
    support::{Process, Service, connector_head, run},
};

pub fn add(suite: &mut Suite) {
    suite.every("the_walk_of_the_announcement_works_word_for_word", walk);
}

fn walk(cluster: &Cluster) {
    let (api, service) = (&cluster.api, Service::http("Hello from the cluster"));
    let mut installation = Installation::new(cluster);
    // The endpoint that is pasted has to lead here.
    let listen = crate::support::HeldPort::new();
    let port = listen.address.port();
    let text = fs::read_to_string(installation.config("one")).unwrap();
    let text = text.replace(
        "listen = \"127.0.0.1:0\"\nexternal_host = \"localhost\"",
        &format!(
            "listen = \"127.0.0.1:{port}\"\nexternal_host = \"localhost\"\nexternal_port = {port}"
        ),
    );
    fs::write(installation.world.path("one.toml"), text).unwrap();
    let config = installation.world.path("one.toml").display().to_string();
    let mut proxy = Process::causeway(&["proxy", "--config", &config]);
    proxy.line("proxy serves");

    let example = root().join("config/mappings/echoserver.yaml");
    let example = fs::read_to_string(example).unwrap();
    let inside = "echoserver.default.svc.cluster.local:8080";
    assert!(example.contains(inside), "{example}");
    let example = example.replace(inside, &service.address.to_string());
    // Named as in the announcement, and marked as ours.
    let labels = "metadata:\n  labels: {causeway-test: \"\"}\n  name: sm #";
    let labelled = example.replacen("metadata:\n  name: echoserver", labels, 1);
    assert_ne!(example, labelled);
    let file = installation.world.path("example.yaml");
    fs::write(&file, labelled).unwrap();
    let applied = api.kubectl(&format!("apply -f {}", file.display()));
    assert!(applied.contains("created"), "{applied}");
    let name = "sm";
    let wait = "wait --for=condition=Ready --timeout=30s";
    api.kubectl(&format!("{wait} servicemappings.connectivityproxy.sap.com {name}"));
    let endpoint = api.kubectl(&format!(
        "get servicemappings.connectivityproxy.sap.com {name} -ojsonpath={{.status.endpoint}}"
    ));
    assert_eq!(endpoint, format!("tcp://localhost:{port}/echoserver"));

    let subaccount = "11111111-2222-3333-4444-555555555555";
    installation.client = installation.world.client(subaccount, None);
    let head = connector_head(subaccount, "", &installation.client);
    let text = format!("{head}[[channel]]\nendpoint = \"{endpoint}\"\nlocal_port = 0\n");
    let file = installation.world.path("connector.toml");
    fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let mut connector = Process::causeway(&["connector", "--config", &file]);
    let local = connector.address("channel listens", "local");
    let curl = run(
        "curl",
        &[
            "-sS",
            "-o",
            "-",
            "-w",
            " %{http_code}",
            "-H",
            "Host: echoserver.test",
            &format!("http://{local}/test"),
        ],
        b"",
    );
    assert_eq!(curl.text(), "Hello from the cluster 200", "{curl:?}");

    let explained = api.kubectl("explain servicemapping.spec.internalAddress");
    assert!(explained.contains("host:port of the service"), "{explained}");
    let columns = api.kubectl("get sm");
    let heads: Vec<&str> = columns.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(heads, ["NAME", "TYPE", "SUBACCOUNT", "SERVICE", "ADDRESS", "READY", "AGE"]);
    let edited = api.kubectl(&format!(
        "patch sm {name} --type=merge -p '{{\"spec\":{{\"locationIds\":[\"north\"]}}}}'"
    ));
    assert!(edited.contains("patched"), "{edited}");
    crate::support::wait_until("the edit is in force", crate::support::DEADLINE, || {
        let url = format!("http://{local}/test");
        run("curl", &["-s", "-o", "-", &url], b"").text().is_empty()
    });
    api.kubectl(&format!("delete sm {name}"));
    let gone = api.kubectl(&format!("get sm {name} --ignore-not-found"));
    assert_eq!(gone, "");
}
