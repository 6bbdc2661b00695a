//! Who is let in, as whom, and who is not.

use std::time::SystemTime;

use causeway::tls::{
    Alpn, Authority, CertificateFault, Facts, TlsError, Validity, identity, load_client,
    load_server,
};

use crate::files::{DAY, Files, valid_now};
use crate::pair::{Pair, Split};

fn refused_by_server(files: &Files) -> (TlsError, TlsError) {
    let (client, server) = (files.client(), files.server());
    let mut pair = Pair::new(&client.tls, &server.tls, "proxy.test", Split::All);
    let (side, error) = pair.shake().unwrap_err();
    assert_eq!(side, "server");
    // The client believed to be done; the alert tells it otherwise.
    (error, pair.receive(true, 16_384).unwrap_err())
}

fn refused_with(fault: CertificateFault, alert: &str, files: &Files) {
    let (at_server, at_client) = refused_by_server(files);
    assert_eq!(at_server, TlsError::Certificate(fault));
    assert_eq!(at_client, TlsError::RefusedByPeer(alert.into()));
}

#[test]
fn both_sides_learn_who_the_other_is_however_the_bytes_are_cut() {
    let files = Files::new();
    let (client, server) = (files.client(), files.server());
    for split in [Split::All, Split::Every(1), Split::Every(5), Split::Random(7)] {
        let pair = Pair::open(&client.tls, &server.tls, split);
        assert_eq!(pair.server.session.server_name(), Some("proxy.test"), "{split:?}");
        assert_eq!(pair.client.session.server_name(), None);
        assert_eq!(pair.server.session.alpn(), Alpn::H2);
        assert_eq!(pair.client.session.alpn(), Alpn::H2);
        let chain = pair.server.session.peer_certificates().unwrap();
        assert_eq!(identity(&chain[0]).unwrap().subaccount, "acme");
        assert!(pair.client.session.peer_certificates().is_some());
    }
}

#[test]
fn the_name_asked_for_belongs_to_its_own_session() {
    let files = Files::new();
    let (client, server) = (files.client(), files.server());
    let mut by_name = Pair::new(&client.tls, &server.tls, "proxy.test", Split::All);
    let mut by_address = Pair::new(&client.tls, &server.tls, "127.0.0.1", Split::All);
    by_name.shake().unwrap();
    by_address.shake().unwrap();
    assert_eq!(by_name.server.session.server_name(), Some("proxy.test"));
    assert_eq!(by_address.server.session.server_name(), None);
}

#[test]
fn http1_is_spoken_where_the_client_knows_nothing_else() {
    let files = Files::new();
    let server = files.server();
    for alpn in [&[Alpn::Http1][..], &[]] {
        let client = files.client_speaking(alpn);
        let pair = Pair::open(&client.tls, &server.tls, Split::All);
        assert_eq!(pair.server.session.alpn(), Alpn::Http1);
        assert_eq!(pair.client.session.alpn(), Alpn::Http1);
    }
}

#[test]
fn no_protocol_in_common_is_told_to_both_sides() {
    let files = Files::new();
    let client = files.client_speaking(&[Alpn::H2]);
    let now = SystemTime::now();
    let server = load_server(&files.server_files(), &[Alpn::Http1], false, now).unwrap();
    let mut pair = Pair::new(&client.tls, &server.tls, "proxy.test", Split::All);
    assert_eq!(pair.shake().unwrap_err(), ("server", TlsError::NoSharedAlpn));
    assert_eq!(pair.shake().unwrap_err(), ("client", TlsError::NoSharedAlpn));
}

#[test]
fn a_server_with_another_name_is_refused() {
    let files = Files::new();
    let (client, server) = (files.client(), files.server());
    for name in ["other.test", "127.0.0.2", "[::1]"] {
        let mut pair = Pair::new(&client.tls, &server.tls, name, Split::All);
        let error = TlsError::Certificate(CertificateFault::WrongName);
        assert_eq!(pair.shake().unwrap_err(), ("client", error), "{name}");
        let (side, error) = pair.shake_server().unwrap_err();
        assert_eq!((side, error.reason()), ("server", "certificate_refused_by_peer"));
    }
    assert!(matches!(client.tls.connect("no name"), Err(TlsError::BadServerName(_))));
}

#[test]
fn a_server_of_an_unknown_ca_is_refused() {
    let (files, others) = (Files::new(), Files::new());
    let mut pair = Pair::new(&others.client().tls, &files.server().tls, "proxy.test", Split::All);
    // The names of the two CAs are equal, so it is the signature that does not fit.
    let error = TlsError::Certificate(CertificateFault::BadSignature);
    assert_eq!(pair.shake().unwrap_err(), ("client", error));
}

#[test]
fn a_client_of_an_unknown_ca_is_refused_although_certificates_are_optional() {
    let files = Files::new();
    let (stranger, _) = Authority::create("Test CA", valid_now()).unwrap();
    files.write_pair("connector", &stranger.issue_connector("acme", None, valid_now()).unwrap());
    // The same name, another key.
    let (at_server, at_client) = refused_by_server(&files);
    assert_eq!(at_server, TlsError::Certificate(CertificateFault::BadSignature));
    assert_eq!(at_client, TlsError::Alert("DecryptError".into()));

    let (stranger, _) = Authority::create("Another CA", valid_now()).unwrap();
    files.write_pair("connector", &stranger.issue_connector("acme", None, valid_now()).unwrap());
    refused_with(CertificateFault::UnknownIssuer, "UnknownCA", &files);
}

#[test]
fn an_expired_client_is_refused() {
    let files = Files::new();
    let now = SystemTime::now();
    let past = Validity { not_before: now - 2 * DAY, not_after: now - DAY };
    files.write_pair("connector", &files.authority.issue_connector("acme", None, past).unwrap());
    refused_with(CertificateFault::Expired, "CertificateExpired", &files);
    assert_warning(&files.client().facts, "expired on");
}

#[test]
fn a_client_whose_time_has_not_come_is_refused() {
    let files = Files::new();
    let now = SystemTime::now();
    let future = Validity { not_before: now + DAY, not_after: now + 2 * DAY };
    files.write_pair("connector", &files.authority.issue_connector("acme", None, future).unwrap());
    refused_with(CertificateFault::NotYetValid, "CertificateExpired", &files);
    assert_warning(&files.client().facts, "not valid before");
}

#[test]
fn a_revoked_client_is_refused_and_others_of_its_ca_are_not() {
    let files = Files::new();
    files.revoke("connector.crt");
    refused_with(CertificateFault::Revoked, "CertificateRevoked", &files);
    let other = files.authority.issue_connector("acme", None, valid_now()).unwrap();
    files.write_pair("connector", &other);
    Pair::open(&files.client().tls, &files.server().tls, Split::All);
}

#[test]
fn a_servers_certificate_does_not_make_a_client() {
    let files = Files::new();
    files.write_pair("connector", &files.authority.issue_server(&["x"], valid_now()).unwrap());
    refused_with(CertificateFault::WrongPurpose, "UnsupportedCertificate", &files);
    assert_warning(&files.client().facts, "lacks clientAuth");
}

#[test]
fn live_sessions_can_be_judged_by_newer_material() {
    let files = Files::new();
    let (client, server) = (files.client(), files.server());
    let pair = Pair::open(&client.tls, &server.tls, Split::All);
    let chain = pair.server.session.peer_certificates().unwrap();
    let now = SystemTime::now();
    assert_eq!(server.tls.verify_client(chain, now), Ok(()));
    let expired = Err(TlsError::Certificate(CertificateFault::Expired));
    assert_eq!(server.tls.verify_client(chain, now + 3 * DAY), expired);

    files.revoke("connector.crt");
    let revoked = Err(TlsError::Certificate(CertificateFault::Revoked));
    assert_eq!(files.server().tls.verify_client(chain, now), revoked);
    let missing = Err(TlsError::Certificate(CertificateFault::Missing));
    assert_eq!(server.tls.verify_client(&[], now), missing);
}

#[test]
fn a_second_connection_resumes_and_still_knows_the_client() {
    let files = Files::new();
    let (client, server) = (files.client(), files.server());
    let mut first = Pair::open(&client.tls, &server.tls, Split::All);
    assert!(!first.server.session.resumed());
    first.receive(true, 16_384).unwrap();

    let second = Pair::open(&client.tls, &server.tls, Split::Every(1));
    assert!(second.server.session.resumed());
    assert!(second.client.session.resumed());
    let chain = second.server.session.peer_certificates().unwrap();
    assert_eq!(identity(&chain[0]).unwrap().subaccount, "acme");
    assert_eq!(second.server.session.server_name(), Some("proxy.test"));
}

#[test]
fn no_ticket_outlives_the_material_it_was_issued_under() {
    let files = Files::new();
    let (client, server) = (files.client(), files.server());
    let mut first = Pair::open(&client.tls, &server.tls, Split::All);
    first.receive(true, 16_384).unwrap();
    let again = Pair::open(&client.tls, &files.server().tls, Split::All);
    assert!(!again.server.session.resumed());
}

#[test]
fn two_tickets_come_with_a_handshake() {
    let files = Files::new();
    let (client, server) = (files.client(), files.server());
    let mut first = Pair::open(&client.tls, &server.tls, Split::All);
    first.receive(true, 16_384).unwrap();
    let resumed: Vec<bool> = (0..3)
        .map(|_| Pair::open(&client.tls, &server.tls, Split::All).server.session.resumed())
        .collect();
    assert_eq!(resumed, [true, true, false]);
}

#[test]
fn tls_1_2_is_spoken_only_where_it_is_allowed() {
    let files = Files::new();
    let now = SystemTime::now();
    let alpn = [Alpn::Http1];
    let old = load_server(&files.server_files(), &alpn, true, now).unwrap();
    let client = load_client(&files.client_files(), &alpn, true, now).unwrap();
    // Both know 1.3 and use it.
    Pair::open(&client.tls, &old.tls, Split::All);
}

fn assert_warning(facts: &Facts, text: &str) {
    assert!(facts.warnings.iter().any(|warning| warning.contains(text)), "{:?}", facts.warnings);
}
