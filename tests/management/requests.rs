//! A certificate is asked for, signed elsewhere, and comes: the key was here all the time.

use std::sync::OnceLock;

use causeway::{limits, tls::Authority};
use rcgen::{CertificateSigningRequestParams, Issuer, KeyPair};
use serde_json::{Value, json};

use crate::{
    file::file,
    house::{Client, GUID, House, REGION, at, material, owner, validity},
};

const ASK: &str = "/api/v1/configuration/certificateRequests";
const LIST: &str = "/api/v1/configuration/subaccounts";

/// Signs a request as an authority elsewhere does, which copies its extensions; says its own
/// certificate, too.
fn sign(csr: &str) -> (String, String) {
    static AUTHORITY: OnceLock<(String, String)> = OnceLock::new();
    let (certificate, key) = AUTHORITY.get_or_init(|| {
        let (_, issued) = Authority::create("elsewhere", validity()).unwrap();
        (issued.certificate_pem, issued.private_key_pem)
    });
    let issuer = Issuer::from_ca_cert_pem(certificate, KeyPair::from_pem(key).unwrap()).unwrap();
    let mut request = CertificateSigningRequestParams::from_pem(csr).unwrap();
    request.params.not_before = validity().not_before.into();
    request.params.not_after = validity().not_after.into();
    (request.signed_by(&issuer).unwrap().pem(), certificate.clone())
}

fn ask(client: &Client<'_>, name: &str) -> (i64, String) {
    let body = json!({ "regionHost": REGION, "subaccount": name });
    let reply = client.ask("POST", ASK, Some(&body));
    assert_eq!(reply.status, 201, "{reply:?}");
    let said = reply.json();
    assert_eq!(said.as_object().unwrap().len(), 2, "nothing else, and no key: {said}");
    (said["id"].as_i64().unwrap(), said["csr"].as_str().unwrap().to_owned())
}

fn with_request(name: &str, id: i64, certificate: &str, ca: &str) -> Value {
    json!({
        "regionHost": REGION,
        "subaccount": name,
        "certificateRequest": id,
        "certificate": certificate,
        "ca": ca,
    })
}

#[test]
fn a_subaccount_is_made_and_renewed_by_what_was_asked_for() {
    let house = House::new();
    let client = house.log_in("Subaccount Administrator");
    let (id, csr) = ask(&client, GUID);
    let (certificate, ca) = sign(&csr);
    let body = with_request(GUID, id, &certificate, &ca);
    let made = client.ask("POST", LIST, Some(&body));
    assert_eq!(made.status, 201, "{made:?}");
    let shown = &made.json()["tunnel"]["subaccountCertificate"];
    assert_eq!(shown["issuer"], "CN=elsewhere");
    let kept = house.carrier.carried()[0].0.clone();
    assert_eq!(kept.certificate.as_deref(), Some(certificate.as_str()));
    assert!(kept.private_key.contains("PRIVATE KEY"));

    // What is used is used up.
    client.ask("DELETE", &at(GUID), None).is_empty(204);
    let why = client.ask("POST", LIST, Some(&body)).fails(400, "INVALID_REQUEST");
    assert!(why.contains("certificateRequest"), "{why}");
    let (id, csr) = ask(&client, GUID);
    let (certificate, _) = sign(&csr);
    assert_eq!(
        client.ask("POST", LIST, Some(&with_request(GUID, id, &certificate, &ca))).status,
        201
    );

    let (id, csr) = ask(&client, GUID);
    let (renewed, _) = sign(&csr);
    let path = format!("{}/validity", at(GUID));
    let body = json!({ "certificateRequest": id.to_string(), "certificate": renewed });
    assert_eq!(client.ask("POST", &path, Some(&body)).status, 200);
    let after = house.carrier.carried()[0].0.clone();
    assert_eq!((after.certificate.as_deref(), &after.authorities), (Some(renewed.as_str()), &ca));
    assert_ne!(after.private_key, kept.private_key);
    client.ask("POST", &path, Some(&body)).fails(400, "INVALID_REQUEST");
    let line = &house.changes()[1];
    assert!(line.ends_with(&format!("asked for a certificate for '{GUID}@{REGION}', request 3")));
    assert!(!house.changes().join(" ").contains("KEY"));
}

#[test]
fn a_request_is_good_for_its_own_subaccount_and_its_own_certificate() {
    let house = House::new();
    let client = house.log_in("Administrator");
    let (id, csr) = ask(&client, GUID);
    let (certificate, ca) = sign(&csr);
    let (other, other_csr) = ask(&client, "b");
    let (others, _) = sign(&other_csr);
    let key = material(GUID)[1].clone();
    let right = with_request(GUID, id, &certificate, &ca);
    let with = |name: &str, value: Value| {
        let mut body = right.clone();
        body[name] = value;
        body
    };
    for body in [
        with("certificateRequest", json!(other)),
        with("certificateRequest", json!(99)),
        with("certificateRequest", json!(0)),
        with("certificateRequest", json!("x")),
        with("privateKey", json!(key)),
        with("certificate", json!(others)),
        with("certificateRequest", json!(null)),
    ] {
        client.ask("POST", LIST, Some(&body)).fails(400, "INVALID_REQUEST");
    }
    assert!(house.store.subaccounts().unwrap().is_empty());
    assert_eq!(client.ask("POST", LIST, Some(&right)).status, 201, "it is still there");
    for body in [
        json!({ "regionHost": REGION }),
        json!({ "subaccount": GUID }),
        json!({ "regionHost": REGION, "subaccount": "a/b" }),
        json!({ "regionHost": REGION, "subaccount": GUID, "x": 1 }),
    ] {
        client.ask("POST", ASK, Some(&body)).fails(400, "INVALID_REQUEST");
    }
    *house.carrier.file.lock().unwrap() = file("of-file", 4000);
    let body = json!({ "regionHost": REGION, "subaccount": "of-file" });
    client.ask("POST", ASK, Some(&body)).fails(409, "ILLEGAL_STATE");
}

#[test]
fn the_last_requests_are_kept_over_a_restart_and_no_more() {
    let house = House::new();
    let (first, csr) = ask(&house.basic("Administrator"), GUID);
    let (certificate, ca) = sign(&csr);
    let house = house.again();
    let client = house.log_in("Administrator");
    let all: Vec<i64> =
        (1..limits::CERTIFICATE_REQUESTS_MAX).map(|_| ask(&client, GUID).0).collect();
    let kept = |id: i64| house.store.requested_key(&owner(GUID), id).unwrap().is_some();
    assert!(kept(first) && kept(all[0]));
    let body = with_request(GUID, first, &certificate, &ca);
    ask(&client, "b");
    assert!(!kept(first) && kept(all[0]));
    client.ask("POST", LIST, Some(&body)).fails(400, "INVALID_REQUEST");
}
