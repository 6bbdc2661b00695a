//! Accounts are made, changed and deleted, and whoever is logged in to one notices.

use causeway::{limits, management::accounts::Role, tls::Authority};
use serde_json::json;

use crate::house::{Client, House, PASSWORD, basic, validity};

const ALL: &str = "/api/v1/configuration/accounts";
const OWN: &str = "/api/v1/password";
const OTHER: &str = "drei kleine Boote";

fn of(user: &str) -> String {
    format!("{ALL}/{user}")
}

/// The status that a password gets.
fn shown(house: &House, user: &str, password: &str) -> u16 {
    let header = basic(user, password);
    house.send("GET /api/v1/session", &[("Authorization", &header)], None).status
}

#[test]
fn an_account_is_made_used_changed_and_deleted() {
    let house = House::new();
    let admin = house.log_in("Administrator");
    let names = admin.get(ALL).json();
    let entry = |name: &str| json!({ "user": name, "role": name });
    let expected: Vec<_> =
        ["Administrator", "Display", "Monitoring", "Subaccount Administrator"].map(entry).into();
    assert_eq!(names, json!(expected));
    let ada = json!({ "user": "ada ü", "password": PASSWORD, "role": "Display" });
    let made = admin.ask("POST", ALL, Some(&ada));
    made.is_empty(201);
    let place = format!("https://connector:8443{}", of("ada%20%C3%BC"));
    assert_eq!(made.header("location"), Some(place.as_str()));
    admin.ask("POST", ALL, Some(&ada)).fails(409, "INVALID_CONFIGURATION");
    assert!(!admin.get(ALL).body.contains("argon2"));
    let session = house.log_in("ada ü");
    assert_eq!(session.get("/api/v1/session").json()["role"], "Display");

    // With each change her sessions end, and others go on.
    let path = of("ada%20%C3%BC");
    let other = house.log_in("Display");
    admin.ask("PUT", &path, Some(&json!({ "role": "Monitoring" }))).is_empty(204);
    session.get("/api/v1/session").fails(401, "FORBIDDEN_REQUEST");
    let session = house.log_in("ada ü");
    assert_eq!(session.get("/api/v1/session").json()["role"], "Monitoring");
    let both = json!({ "user": "ada ü", "password": OTHER, "role": "Display" });
    admin.ask("PUT", &path, Some(&both)).is_empty(204);
    session.get("/api/v1/session").fails(401, "FORBIDDEN_REQUEST");
    assert_eq!((shown(&house, "ada ü", OTHER), shown(&house, "ada ü", PASSWORD)), (200, 401));
    admin.ask("PUT", &path, Some(&json!({ "password": PASSWORD }))).is_empty(204);
    let session = house.log_in("ada ü");
    assert_eq!(session.get("/api/v1/session").json()["role"], "Display", "as it was");
    admin.ask("DELETE", &path, None).is_empty(204);
    session.get("/api/v1/session").fails(401, "FORBIDDEN_REQUEST");
    assert_eq!(shown(&house, "ada ü", PASSWORD), 401);
    admin.ask("DELETE", &path, None).fails(404, "NOT_FOUND");
    admin.ask("PUT", &path, Some(&json!({ "role": "Display" }))).fails(404, "NOT_FOUND");
    assert_eq!(other.get("/api/v1/session").status, 200);

    let mut changes = house.changes();
    changes.reverse();
    let by = "Administrator@127.0.0.1";
    let expected = [
        "made account ada ü, Display",
        "changed account ada ü: its role is Monitoring",
        "changed account ada ü: its role is Display, another password",
        "changed account ada ü: another password",
        "deleted account ada ü",
    ];
    assert_eq!(changes, expected.map(|what| format!("{by} {what}")));
    assert!(!changes.join(" ").contains(PASSWORD));
}

#[test]
fn an_account_that_cannot_be_is_refused_and_the_field_is_named() {
    let house = House::new();
    let admin = house.log_in("Administrator");
    let one = json!({ "user": "ada", "password": PASSWORD, "role": "Display" });
    for (field, value, word) in [
        ("user", json!(""), "user"),
        ("user", json!("a:b"), "user"),
        ("user", json!(" a"), "user"),
        ("user", json!("a\n"), "user"),
        ("user", json!("x".repeat(limits::ACCOUNT_NAME_BYTES_MAX + 1)), "user"),
        ("user", json!(null), "user"),
        ("password", json!("short"), "characters"),
        ("password", json!("aaaaaaaaaaaaaaaa"), "try first"),
        ("password", json!(null), "password"),
        ("role", json!("administrator"), "role"),
        ("role", json!(null), "role"),
        ("colour", json!("red"), "colour"),
    ] {
        let mut body = one.clone();
        body[field] = value;
        let why = admin.ask("POST", ALL, Some(&body)).fails(400, "INVALID_REQUEST");
        assert!(why.contains(word), "{body}: {why}");
    }
    for body in [json!({}), json!({ "role": "x" }), json!({ "password": "short" })] {
        admin.ask("PUT", &of("Display"), Some(&body)).fails(400, "INVALID_REQUEST");
    }
    assert_eq!((house.store.accounts().unwrap().len(), house.changes().len()), (4, 0));
}

const NO_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

#[test]
fn an_account_has_a_password_or_a_certificate_that_is_no_others() {
    let house = House::new();
    let admin = house.log_in("Administrator");
    let (_, issued) = Authority::create("ada", validity()).unwrap();
    let ada = json!({ "user": "ada", "role": "Display", "certificate": issued.certificate_pem });
    admin.ask("POST", ALL, Some(&ada)).is_empty(201);
    let entry = admin.get(ALL).json()[4].clone();
    assert_eq!(entry["certificateSha256"].as_str().map(str::len), Some(64), "{entry}");
    let bob = json!({ "user": "bob", "role": "Display", "certificate": issued.certificate_pem });
    let why = admin.ask("POST", ALL, Some(&bob)).fails(409, "INVALID_CONFIGURATION");
    assert!(why.contains("ada"), "{why}");
    for (field, value, word) in [
        ("certificate", json!(""), "password is missing"),
        ("certificate", json!("none"), "certificate: "),
        ("certificate", json!(NO_CERTIFICATE), "certificate: "),
        ("certificate", json!(issued.private_key_pem), "certificate: "),
    ] {
        let mut body = bob.clone();
        body[field] = value;
        let why = admin.ask("POST", ALL, Some(&body)).fails(400, "INVALID_REQUEST");
        assert!(why.contains(word), "{body}: {why}");
    }
    // Taken away it leaves nothing to be known by, and then there is a password.
    let none = json!({ "certificate": "" });
    admin.ask("PUT", &of("ada"), Some(&none)).fails(400, "INVALID_REQUEST");
    let other = json!({ "certificate": "", "password": OTHER });
    admin.ask("PUT", &of("ada"), Some(&other)).is_empty(204);
    assert_eq!(shown(&house, "ada", OTHER), 200);
    admin.ask("POST", ALL, Some(&bob)).is_empty(201);
}

#[test]
fn an_administrator_is_always_left() {
    let house = House::new();
    let admin = house.basic("Administrator");
    let demote = json!({ "role": "Display" });
    let last = of("Administrator");
    admin.ask("DELETE", &last, None).fails(409, "ILLEGAL_STATE");
    admin.ask("PUT", &last, Some(&demote)).fails(409, "ILLEGAL_STATE");
    admin.ask("PUT", &last, Some(&json!({ "role": "Administrator" }))).is_empty(204);
    let second = json!({ "user": "second", "password": PASSWORD, "role": "Administrator" });
    admin.ask("POST", ALL, Some(&second)).is_empty(201);
    // Of two who demote each other one stays.
    let work = |by: &str, whom: &str| house.basic(by).ask("PUT", &of(whom), Some(&demote)).status;
    std::thread::scope(|scope| {
        let one = scope.spawn(|| work("second", "Administrator"));
        let other = scope.spawn(|| work("Administrator", "second"));
        let statuses = [one.join().unwrap(), other.join().unwrap()];
        assert!(statuses.contains(&204), "{statuses:?}");
        assert!(statuses.iter().all(|status| [204, 403, 409].contains(status)), "{statuses:?}");
    });
    let administrator = Role::Administrator.name();
    let left = house.store.accounts().unwrap();
    assert_eq!(left.iter().filter(|one| one.role == administrator).count(), 1);
}

#[test]
fn everybody_changes_their_own_password_and_is_logged_out_by_that() {
    let house = House::new();
    let change = |client: &Client<'_>, old: &str, new: &str| {
        client.ask("PUT", OWN, Some(&json!({ "old": old, "new": new })))
    };
    for role in Role::ALL.map(Role::name) {
        let (here, there) = (house.log_in(role), house.log_in(role));
        change(&here, "wrong", OTHER).fails(403, "FORBIDDEN_REQUEST");
        change(&here, PASSWORD, "short").fails(400, "INVALID_REQUEST");
        assert_eq!(shown(&house, role, PASSWORD), 200);
        change(&here, PASSWORD, OTHER).is_empty(204);
        for session in [here, there] {
            session.get("/api/v1/session").fails(401, "FORBIDDEN_REQUEST");
        }
        assert_eq!(shown(&house, role, OTHER), 200);
        assert_eq!(house.changes()[0], format!("{role}@127.0.0.1 changed the own password"));
    }
    assert_eq!(house.changes().len(), Role::ALL.len());
}

#[test]
fn the_old_password_is_guessed_no_more_often_than_at_the_door() {
    let house = House::new();
    let session = house.log_in("Display");
    let body = json!({ "old": "wrong", "new": OTHER });
    let mut tries = 0;
    loop {
        let reply = session.ask("PUT", OWN, Some(&body));
        if reply.status == 429 {
            assert!(reply.header("retry-after").is_some());
            break;
        }
        reply.fails(403, "FORBIDDEN_REQUEST");
        tries += 1;
        assert!(tries <= 100, "never has to wait");
    }
    assert!(tries > limits::WRONG_PASSWORDS_FREE);
}
