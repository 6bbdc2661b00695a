//! What bounds backups: their form, their size, and how many there are at a time.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use causeway::{limits, management::store::Subaccount};
use serde_json::json;

use crate::{
    backup::{PATH, SEALED_BY, beside, restore, take},
    house::{House, PASSWORD, basic, form, owner},
    store::edit,
};

#[test]
fn a_form_is_judged_before_what_is_in_it() {
    let house = House::new();
    let client = house.log_in("Administrator");
    let backup = take(&client);
    let (password, backup) = (SEALED_BY.as_bytes(), &backup[..]);
    let long = "x".repeat(limits::PASSWORD_BYTES_MAX + 1);
    let odd: &[u8] = b"\xff";
    for (parts, words) in [
        (&[("backup", backup)][..], "password is missing"),
        (&[("password", password)], "backup is missing"),
        (&[], "is missing"),
        (&[("password", password), ("backup", backup), ("x", b"")], "x is not known here"),
        (&[("password", password), ("password", password)], "password is there twice"),
        (&[("password", long.as_bytes()), ("backup", backup)], "more than 1024 bytes"),
        (&[("password", odd), ("backup", backup)], "UTF-8"),
    ] {
        let why = client.put_form(PATH, parts).fails(400, "INVALID_REQUEST");
        assert!(why.contains(words), "{words}: {why}");
    }
    let header = |name: &str| {
        let found = client.headers.iter().find(|(found, _)| found == name).unwrap();
        found.1.clone()
    };
    let (cookie, token) = (header("Cookie"), header("X-CSRF-Token"));
    let send = |kind: &str, length: usize, body: &str| {
        let length = length.to_string();
        let line = format!("PUT {PATH}");
        let headers = [
            ("Cookie", cookie.as_str()),
            ("X-CSRF-Token", &token),
            ("Content-Type", kind),
            ("Content-Length", &length),
        ];
        let mut request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        house.raw((request + "\r\n" + body).as_bytes())
    };
    send("application/json", 2, "{}").fails(415, "INVALID_REQUEST");
    send("multipart/form-data", 0, "").fails(400, "INVALID_REQUEST");
    send("multipart/form-data; boundary=x", 3, "abc").fails(400, "INVALID_REQUEST");
    let kind = "multipart/form-data; boundary=edge";
    let most = limits::RESTORE_BODY_BYTES_MAX;
    send(kind, most + 1, "").fails(413, "INVALID_REQUEST");
    let large = vec![0; limits::BACKUP_BYTES_MAX + 1];
    let why = client.put_form(PATH, &[("backup", &large)]).fails(400, "INVALID_REQUEST");
    assert!(why.contains("backup has more than 33554432 bytes"), "{why}");

    for (body, words) in [
        (json!({}), "password is missing"),
        (json!({ "password": "short" }), "at least 12 characters"),
        (json!({ "password": SEALED_BY, "x": 1 }), "x is not known"),
    ] {
        let why = client.ask("POST", PATH, Some(&body)).fails(400, "INVALID_REQUEST");
        assert!(why.contains(words), "{why}");
    }
    restore(&client, backup, SEALED_BY).is_empty(204);
}

#[test]
fn one_at_a_time_is_made_or_restored() {
    let house = House::new();
    let backup = take(&house.basic("Administrator"));
    let (kind, body) = form(&[("backup", &backup), ("password", SEALED_BY.as_bytes())]);
    let account = basic("Administrator", PASSWORD);
    let head = format!(
        "PUT {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {account}\r\n\
         Content-Type: {kind}\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    let client = house.log_in("Administrator");
    let mut slow = TcpStream::connect(house.addr).unwrap();
    slow.write_all(head.as_bytes()).unwrap();
    // It is asked for its body once it is let in.
    let mut asked = [0; 25];
    slow.read_exact(&mut asked).unwrap();
    assert_eq!(asked, *b"HTTP/1.1 100 Continue\r\n\r\n");
    slow.write_all(&body[..1000]).unwrap();
    let refused = client.ask("POST", PATH, Some(&json!({ "password": SEALED_BY })));
    let why = refused.fails(409, "ILLEGAL_STATE");
    assert!(why.contains("try again"), "{why}");
    restore(&client, &backup, SEALED_BY).fails(409, "ILLEGAL_STATE");
    slow.write_all(&body[1000..]).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    take(&house.log_in("Administrator"));
    // One that breaks off is no longer in the way.
    let mut slow = TcpStream::connect(house.addr).unwrap();
    slow.write_all(head.as_bytes()).unwrap();
    drop(slow);
    let deadline = Instant::now() + Duration::from_secs(60);
    let client = house.log_in("Administrator");
    while restore(&client, &backup, SEALED_BY).status != 204 {
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn a_store_that_could_not_be_restored_is_not_backed_up() {
    let house = House::new();
    let large = Subaccount {
        private_key: "x".repeat(limits::BACKUP_BYTES_MAX / 200),
        ..crate::store::subaccount("a")
    };
    edit(&house.store, |edit| {
        for number in 0..201 {
            let owner = owner(&number.to_string());
            edit.add_subaccount(&Subaccount { owner, ..large.clone() })?;
        }
        Ok(())
    })
    .unwrap();
    let body = json!({ "password": SEALED_BY });
    let reply = house.log_in("Administrator").ask("POST", PATH, Some(&body));
    let why = reply.fails(409, "ILLEGAL_STATE");
    assert!(why.contains("more than the 33554371 that a backup may hold"), "{why}");
    assert_eq!((house.changes().len(), beside(&house.store)), (0, vec![]));
}
