//! PKCS #12 files, made by openssl as people make them, in place of certificate, key and
//! authorities.

use std::{fs, path::Path, process::Command};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use causeway::tls::{Authority, Pkcs12Error, open_pkcs12, request_connector};
use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12Archive, PrivateKeyChain};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, IsCa, Issuer,
    KeyPair,
};
use serde_json::{Value, json};

use crate::house::{GUID, House, REGION, at, material, validity};

const LIST: &str = "/api/v1/configuration/subaccounts";
const SECRET: &str = "Zwölf";

/// Runs openssl in a directory; says what it printed where it fails.
fn openssl(place: &Path, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new("openssl");
    command.args(arguments).current_dir(place).env("SECRET", SECRET);
    let done = command.output().expect("openssl has to be installed");
    match done.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
    }
}

/// A file of these, each PEM.
fn export(
    certificate: &str,
    key: &str,
    others: &str,
    arguments: &[&str],
) -> Result<Vec<u8>, String> {
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(place.path().join(name), text).unwrap();
    write("certificate.pem", certificate);
    write("key.pem", key);
    write("others.pem", others);
    let mut all = vec!["pkcs12", "-export", "-in", "certificate.pem", "-out", "out.p12"];
    all.extend(["-passout", "env:SECRET"]);
    if !key.is_empty() {
        all.extend(["-inkey", "key.pem"]);
    }
    if !others.is_empty() {
        all.extend(["-certfile", "others.pem"]);
    }
    all.extend(arguments);
    openssl(place.path(), &all)?;
    Ok(fs::read(place.path().join("out.p12")).unwrap())
}

fn body(file: &[u8]) -> Value {
    json!({
        "regionHost": REGION,
        "subaccount": GUID,
        "pkcs12": BASE64_STANDARD.encode(file),
        "pkcs12Password": SECRET,
    })
}

fn same(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

#[test]
fn files_of_openssl_make_and_renew_a_subaccount() {
    let house = House::new();
    let client = house.log_in("Subaccount Administrator");
    let old = ["-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1"];
    let mut variants: Vec<&[&str]> = vec![
        &[],
        &old,
        &["-macalg", "sha512", "-iter", "10000", "-name", "our \"key\""],
        &["-certpbe", "NONE"],
    ];
    let [certificate, key, ca] = material(GUID);
    // RC2 is in a module of openssl that may be missing; what else there is of old files is above.
    match export(&certificate, &key, &ca, &["-legacy"]) {
        Ok(_) => variants.push(&["-legacy"]),
        Err(why) => eprintln!("not tried: openssl makes no legacy files here: {why}"),
    }
    for arguments in variants {
        let [certificate, key, ca] = material(GUID);
        let file = export(&certificate, &key, &ca, arguments).unwrap();
        let made = client.ask("POST", LIST, Some(&body(&file)));
        assert_eq!(made.status, 201, "{arguments:?}: {made:?}");
        assert_eq!(made.json()["tunnel"]["subaccountCertificate"]["issuer"], "CN=test CA");
        let kept = house.carrier.carried()[0].0.clone();
        assert!(same(kept.certificate.as_deref().unwrap(), &certificate), "{kept:?}");
        assert!(same(&kept.authorities, &ca), "{}", kept.authorities);
        assert!(kept.private_key.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        // Another one, without authorities: those it has stay.
        let [renewed, key, _] = material(GUID);
        let file = export(&renewed, &key, "", arguments).unwrap();
        let lines: Vec<String> = BASE64_STANDARD
            .encode(file)
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        let sent = json!({ "pkcs12": lines.join("\n"), "pkcs12Password": SECRET });
        let path = format!("{}/validity", at(GUID));
        assert_eq!(client.ask("POST", &path, Some(&sent)).status, 200);
        let after = house.carrier.carried()[0].0.clone();
        assert!(same(after.certificate.as_deref().unwrap(), &renewed));
        assert_eq!(after.authorities, kept.authorities);
        assert_ne!(after.private_key, kept.private_key);
        client.ask("DELETE", &at(GUID), None).is_empty(204);
    }
    assert!(!house.changes().join(" ").contains(SECRET));
}

/// A certificate for the subaccount with that key, by an authority below another one: its own, the
/// one between, and the one above.
fn chain(key: &KeyPair) -> [String; 3] {
    let (_, root) = Authority::create("above", validity()).unwrap();
    let root_key = KeyPair::from_pem(&root.private_key_pem).unwrap();
    let above = Issuer::from_ca_cert_pem(&root.certificate_pem, root_key).unwrap();
    let mut between = CertificateParams::default();
    between.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    between.distinguished_name.push(DnType::CommonName, "between");
    let between_key = KeyPair::generate().unwrap();
    let between_pem = between.signed_by(&between_key, &above).unwrap().pem();
    let asked = request_connector(GUID).unwrap();
    let mut asked = CertificateSigningRequestParams::from_pem(&asked.request_pem).unwrap();
    asked.params.not_before = validity().not_before.into();
    asked.params.not_after = validity().not_after.into();
    let issuer = Issuer::from_params(&between, &between_key);
    let leaf = asked.params.signed_by(key, &issuer).unwrap();
    [leaf.pem(), between_pem, root.certificate_pem]
}

#[test]
fn a_chain_is_put_in_order_and_its_authority_beside_it() {
    let place = tempfile::tempdir().unwrap();
    openssl(place.path(), &["genpkey", "-algorithm", "RSA", "-out", "rsa.pem"]).unwrap();
    let rsa = fs::read_to_string(place.path().join("rsa.pem")).unwrap();
    for key in [KeyPair::from_pem(&rsa).unwrap(), KeyPair::generate().unwrap()] {
        let [leaf, between, above] = chain(&key);
        let [_, _, other_ca] = material(GUID);
        let others = format!("{other_ca}{above}{between}{above}");
        let file = export(&leaf, &key.serialize_pem(), &others, &[]).unwrap();
        let opened = open_pkcs12(&file, SECRET).unwrap();
        assert!(same(&opened.certificate, &format!("{leaf}{between}")));
        assert!(same(&opened.ca.unwrap(), &format!("{other_ca}{above}")));

        let house = House::new();
        let client = house.log_in("Administrator");
        let made = client.ask("POST", LIST, Some(&body(&file)));
        assert_eq!(made.status, 201, "{made:?}");
        client.ask("DELETE", &at(GUID), None).is_empty(204);
        // Whom its proxies are trusted by may be said apart from the file.
        let mut sent = body(&file);
        sent["ca"] = json!(other_ca);
        assert_eq!(client.ask("POST", LIST, Some(&sent)).status, 201);
        assert_eq!(house.carrier.carried()[0].0.authorities, other_ca);
    }
}

#[test]
fn what_cannot_be_used_is_refused_in_words() {
    let house = House::new();
    let client = house.log_in("Administrator");
    let [certificate, key, ca] = material(GUID);
    let [other, other_key, _] = material("b");
    let refused = |body: &Value| client.ask("POST", LIST, Some(body)).fails(400, "INVALID_REQUEST");
    let made = |certificate: &str, key: &str, others: &str, arguments: &[&str]| {
        export(certificate, key, others, arguments).unwrap()
    };
    let good = made(&certificate, &key, &ca, &[]);
    let mut changed = good.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let stray = made(&certificate, &key, &format!("{ca}{other}"), &[]);
    let [again, _, _] = chain(&KeyPair::from_pem(&key).unwrap());
    let several = made(&certificate, &key, &format!("{ca}{again}"), &[]);
    for (file, words) in [
        (made(&certificate, "", &ca, &["-nokeys"]), "no private key"),
        (made(&certificate, &key, "", &["-nocerts"]), "none of the certificates"),
        (two_keys(&good, &made(&other, &other_key, "", &[])), "2 private keys"),
        (stray, "the certificate CN=b in it is neither"),
        (several, "several certificates"),
        (made(&certificate, &key, "", &[]), "ca is missing"),
        (made(&other, &other_key, &ca, &[]), "it is that of subaccount b"),
        (made(&certificate, &key, &ca, &["-iter", "1000001"]), "not read here"),
        (good[..good.len() - 1].to_vec(), "no PKCS #12 file"),
        (changed, "was changed"),
        (certificate.clone().into_bytes(), "no PKCS #12 file"),
        (b"x".to_vec(), "no PKCS #12 file"),
    ] {
        let why = refused(&body(&file));
        assert!(why.contains(words), "{words}: {why}");
    }
    let with = |name: &str, value: Value| {
        let mut body = body(&good);
        body[name] = value;
        body
    };
    for (body, words) in [
        (with("pkcs12Password", json!("Zwoelf")), "the password is not the one"),
        (with("pkcs12Password", json!(null)), "the password is not the one"),
        (with("pkcs12", json!("not base64!")), "base64"),
        (with("pkcs12", json!(7)), "pkcs12 has to be a string"),
        (with("pkcs12", json!(" ")), "pkcs12 is missing"),
        (with("certificate", json!(certificate)), "send either it or them"),
        (with("privateKey", json!(key)), "send either it or them"),
        (with("certificateRequest", json!(1)), "send either it or them"),
    ] {
        let why = refused(&body);
        assert!(why.contains(words), "{words}: {why}");
    }
    assert!(house.store.subaccounts().unwrap().is_empty());
    assert_eq!(client.ask("POST", LIST, Some(&body(&good))).status, 201);
}

/// What openssl does not make.
fn two_keys(one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut both = KeyStore::new();
    for (name, file) in [("one", one), ("other", other)] {
        let archive = Pkcs12Archive::from_pkcs12(file, SECRET).unwrap();
        let certificates = archive.certs.iter().map(|bag| bag.cert.clone());
        let key = archive.keys[0].key.clone();
        let chain = PrivateKeyChain::new(name, key, certificates);
        both.add_entry(name, KeyStoreEntry::PrivateKeyChain(chain));
    }
    both.writer(SECRET).write().unwrap()
}

#[test]
fn a_file_without_a_password_is_opened_without_one() {
    let [certificate, key, ca] = material(GUID);
    let file = export(&certificate, &key, &ca, &["-passout", "pass:"]).unwrap();
    assert!(same(&open_pkcs12(&file, "").unwrap().certificate, &certificate));
    assert_eq!(open_pkcs12(&file, "x").err(), Some(Pkcs12Error::WrongPassword));
}
