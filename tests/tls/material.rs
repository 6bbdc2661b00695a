//! Files as people leave them: missing, mixed up, half-written.

use std::time::SystemTime;
use std::{fs, iter};

use causeway::limits;
use causeway::tls::{
    Alpn, Authority, MaterialProblem as Problem, PemMaterial, Validity, identity, load_client,
    load_client_pem, load_server,
};

use crate::files::{DAY, Files, valid_now};

fn server_error(files: &Files) -> (String, Problem, String) {
    let error =
        load_server(&files.server_files(), &[Alpn::H2], false, SystemTime::now()).unwrap_err();
    let name = error.path.file_name().unwrap().to_str().unwrap().to_owned();
    let text = error.to_string();
    (name, error.problem, text)
}

#[test]
fn what_was_issued_loads_and_says_what_it_is() {
    let files = Files::new();
    let server = files.server();
    assert_eq!(server.facts.names, ["proxy.test", "127.0.0.1"]);
    assert_eq!(server.facts.warnings, [""; 0]);
    let client = files.client();
    let identity = client.facts.identity.unwrap();
    assert_eq!((identity.subaccount.as_str(), identity.location), ("acme", None));
    assert_eq!(client.facts.warnings, [""; 0]);
    assert!(client.facts.not_before < SystemTime::now());
    assert!(client.facts.not_after > SystemTime::now());
}

#[test]
fn text_is_judged_like_files_and_its_parts_are_named() {
    let files = Files::new();
    let read = |name| fs::read_to_string(files.path(name)).unwrap();
    let good = PemMaterial {
        certificate: read("connector.crt"),
        private_key: read("connector.key"),
        ca: read("ca.crt"),
    };
    let load = |pem: &PemMaterial| load_client_pem(pem, &[Alpn::H2], false, SystemTime::now());
    let loaded = load(&good).unwrap();
    assert_eq!(loaded.fingerprint, files.client().fingerprint);
    assert_eq!(loaded.facts.identity.unwrap().subaccount, "acme");
    let key = good.private_key.lines().nth(1).unwrap();
    assert!(!format!("{good:?}").contains(key), "the key is nobody's to read");
    let none = String::new;
    let broken = [
        ("certificate", PemMaterial { certificate: none(), ..good.clone() }),
        ("privateKey", PemMaterial { private_key: none(), ..good.clone() }),
        ("ca", PemMaterial { ca: none(), ..good.clone() }),
        ("privateKey", PemMaterial { private_key: read("server.key"), ..good.clone() }),
    ];
    for (part, pem) in broken {
        let text = load(&pem).unwrap_err().to_string();
        assert!(text.starts_with(&format!("{part}: ")), "{text}");
    }
    let long = "#".repeat(usize::try_from(limits::FILE_BYTES_MAX).unwrap() + 1);
    let error = load(&PemMaterial { ca: long, ..good }).unwrap_err();
    assert!(matches!(error.problem, Problem::TooLarge), "{error}");
}

#[test]
fn every_file_that_is_missing_is_named() {
    for name in ["server.crt", "server.key", "ca.crt"] {
        let files = Files::new();
        fs::remove_file(files.path(name)).unwrap();
        let (file, problem, text) = server_error(&files);
        assert_eq!(file, name);
        assert!(matches!(problem, Problem::Unreadable(_)), "{text}");
    }
}

#[test]
fn a_file_without_the_right_block_is_told() {
    for name in ["server.crt", "server.key", "ca.crt"] {
        for text in ["", "not a PEM file\n"] {
            let files = Files::new();
            files.write(name, text);
            let (file, problem, _) = server_error(&files);
            assert_eq!(file, name);
            assert!(matches!(problem, Problem::Missing(_)));
        }
    }
    let files = Files::new();
    fs::copy(files.path("server.key"), files.path("ca.crt")).unwrap();
    assert!(matches!(server_error(&files).1, Problem::Missing("CERTIFICATE")));
}

#[test]
fn a_half_written_file_is_never_taken_for_a_whole_one() {
    let files = Files::new();
    let whole = fs::read_to_string(files.path("server.crt")).unwrap();
    for cut in (1..whole.len() - 2).step_by(7) {
        files.write("server.crt", &whole[..cut]);
        let (file, _, text) = server_error(&files);
        assert_eq!(file, "server.crt", "{cut}: {text}");
    }
    // A second CA behind a good one, cut off.
    files.write("server.crt", &whole);
    let ca = files.authority.certificate_pem();
    files.write("ca.crt", &[ca, &ca[..ca.len() / 2]].concat());
    let (file, problem, _) = server_error(&files);
    assert_eq!(file, "ca.crt");
    assert!(matches!(problem, Problem::BadPem(_)));
}

#[test]
fn a_damaged_ca_among_good_ones_spoils_the_file() {
    let files = Files::new();
    let ca = files.authority.certificate_pem();
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    files.write("ca.crt", &[ca, junk].concat());
    let (file, problem, text) = server_error(&files);
    assert_eq!(file, "ca.crt");
    assert!(matches!(problem, Problem::BadCertificate { position: 2, .. }), "{text}");
}

#[test]
fn a_key_of_another_certificate_is_told() {
    let files = Files::new();
    fs::copy(files.path("connector.key"), files.path("server.key")).unwrap();
    let (file, problem, text) = server_error(&files);
    assert_eq!(file, "server.key");
    assert!(matches!(problem, Problem::KeyMismatch { .. }));
    assert!(text.contains("server.crt"), "{text}");
}

#[test]
fn an_encrypted_key_is_told_with_the_command_that_helps() {
    let files = Files::new();
    let block =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    files.write("server.key", block);
    assert!(server_error(&files).2.contains("openssl pkey"));
}

#[test]
fn a_file_beyond_the_limit_is_not_read_to_its_end() {
    let files = Files::new();
    let bytes = usize::try_from(limits::FILE_BYTES_MAX).unwrap() + 1;
    files.write("ca.crt", &iter::repeat_n('\n', bytes).collect::<String>());
    assert!(matches!(server_error(&files).1, Problem::TooLarge));
}

#[test]
fn a_revocation_list_of_another_ca_is_refused() {
    let files = Files::new();
    let others = Files::new();
    others.revoke("connector.crt");
    fs::copy(others.path("ca.crl"), files.path("ca.crl")).unwrap();
    let (file, problem, text) = server_error(&files);
    assert_eq!(file, "ca.crl");
    // The other CA has the same name; its signature gives it away.
    assert!(matches!(problem, Problem::ForeignRevocationList { position: 1, .. }), "{text}");
    files.write("ca.crl", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    assert!(matches!(server_error(&files).1, Problem::BadRevocationList { .. }));
    files.write("ca.crl", "");
    assert!(matches!(server_error(&files).1, Problem::Missing("X509 CRL")));
}

#[test]
fn an_overdue_list_and_a_ca_without_one_are_warned_about() {
    let files = Files::new();
    let (second, _) = Authority::create("Second CA", valid_now()).unwrap();
    let both = [files.authority.certificate_pem(), second.certificate_pem()].concat();
    files.write("ca.crt", &both);
    let now = SystemTime::now();
    let overdue = Validity { not_before: now - 2 * DAY, not_after: now - DAY };
    let list = files.authority.revocation_list(&[].into(), 1, overdue).unwrap();
    files.write("ca.crl", &list);
    let warnings = files.server().facts.warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("due to be replaced"));
    assert!(warnings[1].contains("Second CA has no revocation list"));
}

#[test]
fn the_fingerprint_changes_with_any_byte_of_any_file() {
    let files = Files::new();
    files.revoke("connector.crt");
    let before = files.server().fingerprint;
    assert_eq!(files.server_files().fingerprint().unwrap(), before);
    for name in ["server.crt", "server.key", "ca.crt", "ca.crl"] {
        let text = fs::read_to_string(files.path(name)).unwrap();
        files.write(name, &format!("{text}\n"));
        let after = files.server_files().fingerprint().unwrap();
        assert_ne!(after, before, "{name}");
        files.write(name, &text);
    }
    let before = files.client().fingerprint;
    files.write("connector.crt", "");
    assert_ne!(files.client_files().fingerprint().unwrap(), before);
}

#[test]
fn a_client_without_its_ca_is_told() {
    let files = Files::new();
    files.write("ca.crt", "");
    let error = load_client(&files.client_files(), &[], false, SystemTime::now()).unwrap_err();
    assert!(matches!(error.problem, Problem::Missing("CERTIFICATE")));
    assert!(error.to_string().contains("ca.crt"), "{error}");
}

#[test]
fn ids_come_back_from_certificates_as_they_were_given() {
    let files = Files::new();
    let long = "x".repeat(limits::NAME_BYTES_MAX);
    for (subaccount, location) in
        [("acme", None), ("a", Some("")), ("Zürich / 1", Some("plant 7")), (long.as_str(), None)]
    {
        let issued = files.authority.issue_connector(subaccount, location, valid_now()).unwrap();
        files.write_pair("connector", &issued);
        let identity = files.client().facts.identity.unwrap();
        assert_eq!(identity.subaccount, subaccount);
        assert_eq!(identity.location.as_deref(), location);
    }
    for bad in ["", " a", "a\nb"] {
        assert!(files.authority.issue_connector(bad, None, valid_now()).is_err(), "{bad:?}");
    }
}

#[test]
fn a_certificate_without_urn_is_known_by_its_common_name() {
    let files = Files::new();
    // A server's certificate has its first host as common name and no URN.
    files.write_pair("connector", &files.authority.issue_server(&["acme"], valid_now()).unwrap());
    let identity = files.client().facts.identity.unwrap();
    assert_eq!((identity.subaccount.as_str(), identity.location), ("acme", None));
    let serial: Vec<&str> = identity.serial.split(':').collect();
    assert!(serial.len() >= 8 && serial.iter().all(|byte| byte.len() == 2), "{}", identity.serial);
}

#[test]
fn bytes_that_are_no_certificate_stand_for_nobody() {
    assert!(identity(&vec![0x30, 0x80, 1, 2, 3].into()).is_err());
    assert!(identity(&vec![].into()).is_err());
}
