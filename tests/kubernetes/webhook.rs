//! The admission webhook, asked by a real API server.

use std::{fs, process::Command};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    api::spec,
    cluster::{Cluster, Kind, Suite},
    installation::Installation,
    support::{DEADLINE, HOST, Service, tls_connect, valid_now, wait_until},
};

pub fn add(suite: &mut Suite) {
    suite.only(Kind::Full, "the_webhook_refuses_what_would_not_be_accepted", refuses);
    suite.only(Kind::Full, "the_webhook_follows_its_certificate", follows);
}

const TABLE: &str = "[kubernetes.webhook]\nlisten = \"127.0.0.1:0\"\n\
    certificate = \"webhook.crt\"\nprivate_key = \"webhook.key\"\n";

/// An installation with a certificate for its webhook.
fn installation(cluster: &Cluster) -> Installation {
    let mut installation = Installation::new(cluster);
    issue(&installation);
    installation.more = TABLE.to_owned();
    installation
}

fn issue(installation: &Installation) {
    let world = &installation.world;
    let issued = world.authority.issue_server(&[HOST, "127.0.0.1"], valid_now()).unwrap();
    world.write_pair("webhook", &issued);
}

fn refuses(cluster: &Cluster) {
    let (api, service) = (&cluster.api, Service::echo());
    let installation = installation(cluster);
    api.create("before", &spec("before/wrong", "x:1"));
    let mut proxy = installation.leader("one");
    let address = proxy.process.address("admission webhook listens", "address");
    let ca = STANDARD.encode(fs::read(installation.world.path("ca.crt")).unwrap());
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": "causeway-test" },
        "webhooks": [{
            "name": "servicemappings.connectivityproxy.sap.com",
            "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Ignore",
            "clientConfig": { "url": format!("https://{address}/validate"), "caBundle": ca },
            "rules": [{
                "apiGroups": ["connectivityproxy.sap.com"], "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE"], "resources": ["servicemappings"],
            }],
        }],
    });
    let file = installation.world.path("configuration.json");
    fs::write(&file, configuration.to_string()).unwrap();
    let _gone = Removed(cluster);
    api.kubectl(&format!("apply -f {}", file.display()));

    api.create("holder", &spec("held", service.address));
    installation.wait_answer(&proxy, "held", 200);
    // The API server takes a moment to know of its webhook.
    let mut refused = String::new();
    wait_until("the webhook is asked", DEADLINE, || {
        match api.try_create("rival", &spec("held", service.address)) {
            Ok(_) => api.delete("rival"),
            Err(error) => refused = error.to_string(),
        }
        !refused.is_empty()
    });
    assert!(refused.contains("is already mapped by `holder`"), "{refused}");
    let refused = api.try_create("wrong", &spec("a/b", "tcp://x:1")).unwrap_err().to_string();
    assert!(refused.contains("spec.serviceId") && refused.contains("remove `tcp://`"), "{refused}");
    // The holder itself may change, and a faulty one may change anything but its spec.
    api.patch("holder", &json!({ "locationIds": ["", "north"] }));
    api.kubectl("annotate sm before some=thing");
    api.delete("before");
    // Gone, the webhook is in nobody's way.
    drop(proxy);
    api.create("rival", &spec("held", service.address));
}

/// Takes the configuration away, also after a failure: it concerns every later test.
struct Removed<'a>(&'a Cluster);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        let kubeconfig = self.0.kubeconfig.display().to_string();
        let delete = "delete validatingwebhookconfiguration causeway-test --ignore-not-found";
        let mut command = Command::new("kubectl");
        let _ = command.args(delete.split(' ')).env("KUBECONFIG", kubeconfig).output();
    }
}

fn follows(cluster: &Cluster) {
    let installation = installation(cluster);
    let mut proxy = installation.proxy("one");
    let address = proxy.process.address("admission webhook listens", "address");
    let ca = installation.world.path("ca.crt");
    let served = || {
        let mut tls = tls_connect(address, HOST, &ca, None);
        tls.conn.complete_io(&mut tls.sock).unwrap();
        tls.conn.peer_certificates().unwrap()[0].clone()
    };
    let before = served();
    assert_eq!(before, served());
    issue(&installation);
    wait_until("the new certificate is served", DEADLINE, || served() != before);
    fs::write(installation.world.path("webhook.key"), "no key").unwrap();
    proxy.process.line("keeping the webhook's certificate in use");
    served();
}
