//! The walk of the announcement, with kubectl, a connector and curl.

use std::{fs, net::SocketAddr, path::PathBuf};

use crate::{
    cluster::{Cluster, Suite, root},
    installation::Installation,
    support::{DEADLINE, HeldPort, Process, Service, connector_head, run, wait_until},
};

pub fn add(suite: &mut Suite) {
    suite.every("the_walk_of_the_announcement_works_word_for_word", walk);
}

fn walk(cluster: &Cluster) {
    let (api, service) = (&cluster.api, Service::http("Hello from the cluster"));
    let installation = Installation::new(cluster);
    // The endpoint that is pasted has to lead here.
    let port = HeldPort::new();
    let _proxy = proxy_on(&installation, port.address.port());
    let file = example(&installation, service.address);
    let applied = api.kubectl(&format!("apply -f {}", file.display()));
    assert!(applied.contains("created"), "{applied}");
    let wait = "wait --for=condition=Ready --timeout=30s";
    api.kubectl(&format!("{wait} servicemappings.connectivityproxy.sap.com sm"));
    let endpoint = api
        .kubectl("get servicemappings.connectivityproxy.sap.com sm -ojsonpath={.status.endpoint}");
    assert_eq!(endpoint, format!("tcp://localhost:{}/echoserver", port.address.port()));

    let mut connector = connector_to(&installation, &endpoint);
    let url = format!("http://{}/test", connector.address("channel listens", "local"));
    let host = "Host: echoserver.test";
    let curl = run("curl", &["-sS", "-w", " %{http_code}", "-H", host, &url], b"");
    assert_eq!(curl.text(), "Hello from the cluster 200", "{curl:?}");

    let explained = api.kubectl("explain servicemapping.spec.internalAddress");
    assert!(explained.contains("host:port of the service"), "{explained}");
    let columns = api.kubectl("get sm");
    let heads: Vec<&str> = columns.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(heads, ["NAME", "TYPE", "SUBACCOUNT", "SERVICE", "ADDRESS", "READY", "AGE"]);
    let edit = r#"patch sm sm --type=merge -p '{"spec":{"locationIds":["north"]}}'"#;
    let edited = api.kubectl(edit);
    assert!(edited.contains("patched"), "{edited}");
    wait_until("the edit is in force", DEADLINE, || run("curl", &["-s", &url], b"").text() == "");
    api.kubectl("delete sm sm");
    assert_eq!(api.kubectl("get sm sm --ignore-not-found"), "");
}

/// A proxy that listens where its endpoints lead.
fn proxy_on(installation: &Installation, port: u16) -> Process {
    let config = installation.config("one");
    let text = fs::read_to_string(&config).unwrap();
    let anywhere = "listen = \"127.0.0.1:0\"\nexternal_host = \"localhost\"";
    assert!(text.contains(anywhere), "{text}");
    let here = format!(
        "listen = \"127.0.0.1:{port}\"\nexternal_host = \"localhost\"\nexternal_port = {port}"
    );
    fs::write(&config, text.replace(anywhere, &here)).unwrap();
    let mut proxy = Process::causeway(&["proxy", "--config", &config]);
    proxy.line("proxy serves");
    proxy
}

/// The example of the repository for a service of the test, named as in the announcement and
/// marked as ours.
fn example(installation: &Installation, service: SocketAddr) -> PathBuf {
    let text = fs::read_to_string(root().join("config/mappings/echoserver.yaml")).unwrap();
    let inside = "echoserver.default.svc.cluster.local:8080";
    assert!(text.contains(inside), "{text}");
    let text = text.replace(inside, &service.to_string());
    let labels = "metadata:\n  labels: {causeway-test: \"\"}\n  name: sm #";
    let labelled = text.replacen("metadata:\n  name: echoserver", labels, 1);
    assert_ne!(text, labelled);
    let file = installation.world.path("example.yaml");
    fs::write(&file, labelled).unwrap();
    file
}

/// A connector with the endpoint pasted into its configuration.
fn connector_to(installation: &Installation, endpoint: &str) -> Process {
    let subaccount = "11111111-2222-3333-4444-555555555555";
    let files = installation.world.client(subaccount, None);
    let head = connector_head(subaccount, "", &files);
    let text = format!("{head}[[channel]]\nendpoint = \"{endpoint}\"\nlocal_port = 0\n");
    let file = installation.world.path("connector.toml");
    fs::write(&file, text).unwrap();
    Process::causeway(&["connector", "--config", &file.display().to_string()])
}
