//! `causeway pki` from the command line to a handshake.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;
use std::{fs, io};

use causeway::cli::pki::{PkiArgs, PkiError};
use causeway::tls::{
    Alpn, CertificateFault, ClientFiles, ServerFiles, TlsError, identity, load_client, load_server,
};
use clap::{Args, Command, FromArgMatches};

use crate::pair::{Pair, Split};

fn pki(dir: &Path, line: &str) -> Result<Vec<String>, PkiError> {
    let command = PkiArgs::augment_args(Command::new("pki"));
    let dir = dir.to_str().unwrap();
    let words = line.split(' ').map(|word| word.replace("DIR", dir));
    let matches =
        command.try_get_matches_from(["pki".to_owned()].into_iter().chain(words)).unwrap();
    PkiArgs::from_arg_matches(&matches).unwrap().execute(SystemTime::now())
}

#[test]
fn three_commands_make_a_working_pair_and_a_fourth_ends_it() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("pki");
    let lines = pki(&dir, "init --dir DIR").unwrap();
    assert!(lines.last().unwrap().contains("causeway pki server"), "{lines:?}");
    pki(&dir, "server --dir DIR --host proxy.test --host 127.0.0.1 --host ::1").unwrap();
    let lines =
        pki(&dir, "connector --dir DIR --subaccount acme --location plant --out-name c1").unwrap();
    assert!(lines.last().unwrap().contains("causeway connector"), "{lines:?}");

    let now = SystemTime::now();
    let mut server = ServerFiles {
        certificate: dir.join("server.crt"),
        private_key: dir.join("server.key"),
        client_ca: dir.join("ca.crt"),
        crl: None,
    };
    let client = ClientFiles {
        certificate: dir.join("c1.crt"),
        private_key: dir.join("c1.key"),
        ca: dir.join("ca.crt"),
    };
    let client = load_client(&client, &[Alpn::H2], false, now).unwrap();
    let loaded = load_server(&server, &[Alpn::H2], false, now).unwrap();
    assert_eq!(loaded.facts.names, ["proxy.test", "127.0.0.1", "::1"]);
    assert_eq!(loaded.facts.warnings, [""; 0]);
    let pair = Pair::open(&client.tls, &loaded.tls, Split::All);
    let identity = identity(&pair.server.session.peer_certificates().unwrap()[0]).unwrap();
    assert_eq!(
        (identity.subaccount.as_str(), identity.location.as_deref()),
        ("acme", Some("plant"))
    );

    pki(&dir, "revoke --dir DIR DIR/c1.crt").unwrap();
    server.crl = Some(dir.join("ca.crl"));
    let loaded = load_server(&server, &[Alpn::H2], false, now).unwrap();
    let mut pair = Pair::new(&client.tls, &loaded.tls, "proxy.test", Split::All);
    let revoked = TlsError::Certificate(CertificateFault::Revoked);
    assert_eq!(pair.shake().unwrap_err(), ("server", revoked));
}

#[test]
fn keys_are_readable_only_by_their_owner() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("pki");
    pki(&dir, "init --dir DIR").unwrap();
    pki(&dir, "connector --dir DIR --subaccount a").unwrap();
    for key in ["ca.key", "connector.key"] {
        let mode = fs::metadata(dir.join(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    let names: Vec<_> =
        fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "nothing else is left: {names:?}");
}

#[test]
fn what_exists_is_kept_unless_forced() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    pki(dir, "init --dir DIR").unwrap();
    let before = fs::read(dir.join("ca.key")).unwrap();
    assert!(matches!(pki(dir, "init --dir DIR"), Err(PkiError::Exists(_))));
    fs::remove_file(dir.join("ca.crt")).unwrap();
    assert!(matches!(pki(dir, "init --dir DIR"), Err(PkiError::Exists(_))));
    assert_eq!(fs::read(dir.join("ca.key")).unwrap(), before);
    assert!(!dir.join("ca.crt").exists(), "not half of a pair");
    pki(dir, "init --dir DIR --force").unwrap();
    assert_ne!(fs::read(dir.join("ca.key")).unwrap(), before);
}

#[test]
fn revoking_adds_to_the_list() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    pki(dir, "init --dir DIR").unwrap();
    for name in ["one", "two"] {
        pki(dir, &format!("connector --dir DIR --subaccount a --out-name {name}")).unwrap();
        pki(dir, &format!("revoke --dir DIR DIR/{name}.crt")).unwrap();
    }
    let lines = pki(dir, "revoke --dir DIR DIR/one.crt").unwrap();
    assert!(lines[0].contains("already"), "{lines:?}");
    let list = fs::read_to_string(dir.join("ca.crl")).unwrap();
    let (number, revoked) = causeway::tls::read_revocation_list(&list).unwrap();
    assert_eq!((number, revoked.len()), (3, 2));
}

#[test]
fn a_certificate_of_another_ca_cannot_be_revoked() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    pki(one.path(), "init --dir DIR").unwrap();
    pki(two.path(), "init --dir DIR").unwrap();
    pki(two.path(), "connector --dir DIR --subaccount a").unwrap();
    let certificate = two.path().join("connector.crt");
    let line = format!("revoke --dir DIR {}", certificate.display());
    let error = pki(one.path(), &line).unwrap_err();
    assert!(error.to_string().contains("did not issue"), "{error}");
}

#[test]
fn what_cannot_be_done_is_told_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    let error = pki(dir, "server --dir DIR --host x").unwrap_err();
    assert!(error.to_string().contains("causeway pki init --dir"), "{error}");
    pki(dir, "init --dir DIR").unwrap();
    for name in ["ca", "../x", ".x", "a/b"] {
        let error = pki(dir, &format!("server --dir DIR --host x --out-name {name}")).unwrap_err();
        assert!(matches!(error, PkiError::BadName(_)), "{name}: {error}");
    }
    let error = pki(dir, "server --dir DIR --host no_host!").unwrap_err();
    assert!(matches!(error, PkiError::Issue(_)), "{error}");
    let error = pki(dir, "revoke --dir DIR DIR/none.crt").unwrap_err();
    assert!(
        matches!(&error, PkiError::Read(_, why) if why.kind() == io::ErrorKind::NotFound),
        "{error}"
    );
}
