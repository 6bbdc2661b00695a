//! Who sends a request: passwords, sessions, those who guess, and the first account.

use causeway::{
    limits,
    management::rest::{offer_setup, router},
};
use serde_json::{Value, json};

use crate::{
    house::{GUID, House, PASSWORD, Reply, at, basic, raw, subaccount},
    store::edit,
};

const LIST: &str = "/api/v1/configuration/subaccounts";
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn post(house: &House, path: &str, body: &Value) -> Reply {
    house.send(&format!("POST {path}"), &[JSON], Some(body.to_string().as_bytes()))
}

#[test]
fn nobody_is_asked_for_an_account() {
    let house = House::new();
    let reply = house.send(&format!("GET {LIST}"), &[], None);
    reply.fails(401, "FORBIDDEN_REQUEST");
    assert!(reply.header("www-authenticate").unwrap().starts_with("Basic "), "{reply:?}");
    let reply = house.send(&format!("GET {LIST}"), &[("Sec-Fetch-Site", "same-origin")], None);
    assert!(reply.header("www-authenticate").unwrap().starts_with("Session "), "{reply:?}");
    for wrong in [
        "Basic",
        "Basic !",
        "Bearer x",
        "Basic QWRtaW5pc3RyYXRvcg==",
        "Basic /w==",
        &basic("Administrator", ""),
        &basic("nobody", PASSWORD),
        &basic("", ""),
    ] {
        let reply = house.send(&format!("GET {LIST}"), &[("Authorization", wrong)], None);
        reply.fails(401, "FORBIDDEN_REQUEST");
    }
    let right = basic("Administrator", PASSWORD);
    assert_eq!(house.send(&format!("GET {LIST}"), &[("Authorization", &right)], None).status, 200);
}

#[test]
fn a_session_is_opened_used_with_its_token_and_closed() {
    let house = House::new();
    let reply =
        post(&house, "/api/v1/session", &json!({ "user": "Display", "password": PASSWORD }));
    assert_eq!(reply.status, 200);
    let cookie = reply.header("set-cookie").unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; Secure; SameSite=Strict; Path=/");
    let said = reply.json();
    assert_eq!((&said["user"], &said["role"]), (&json!("Display"), &json!("Display")));
    let token = said["csrfToken"].as_str().unwrap();
    assert_eq!(reply.header("x-csrf-token"), Some(token));
    assert!(!pair.contains(token) && !reply.body.contains(pair.split_once('=').unwrap().1));
    let left = said["validUntil"].as_i64().unwrap() - now_ms();
    let most = i64::try_from(limits::SESSION_AGE_MAX.as_millis()).unwrap();
    assert!((most - 60_000..=most).contains(&left), "{left}");

    let with = format!("other=1; {pair}");
    let cookie = ("Cookie", with.as_str());
    let again = house.send("GET /api/v1/session", &[cookie], None).json();
    assert_eq!((&again["csrfToken"], &again["user"]), (&said["csrfToken"], &said["user"]));
    assert_eq!(house.send(&format!("GET {LIST}"), &[cookie], None).status, 200);
    house.send("DELETE /api/v1/session", &[cookie], None).fails(403, "FORBIDDEN_REQUEST");
    let csrf = ("X-CSRF-Token", token);
    let gone = house.send("DELETE /api/v1/session", &[cookie, csrf], None);
    gone.is_empty(204);
    assert!(gone.header("set-cookie").unwrap().ends_with("Max-Age=0"));
    house.send("GET /api/v1/session", &[cookie], None).fails(401, "FORBIDDEN_REQUEST");
}

#[test]
fn a_change_by_cookie_needs_the_token_of_its_own_session() {
    let house = House::new();
    let (mine, other) = (house.log_in("Administrator"), house.log_in("Administrator"));
    let cookie = ("Cookie", mine.headers[0].1.as_str());
    let body = subaccount(GUID).to_string();
    let make = |headers: &[(&str, &str)]| {
        let mut all = vec![JSON];
        all.extend(headers);
        house.send(&format!("POST {LIST}"), &all, Some(body.as_bytes()))
    };
    for headers in [
        vec![cookie],
        vec![cookie, ("X-CSRF-Token", "")],
        vec![cookie, ("X-CSRF-Token", "x")],
        vec![cookie, ("X-CSRF-Token", other.headers[1].1.as_str())],
    ] {
        make(&headers).fails(403, "FORBIDDEN_REQUEST");
    }
    assert_eq!(make(&[]).status, 401);
    let right = basic("Administrator", PASSWORD);
    let foreign = [("Authorization", right.as_str()), ("Sec-Fetch-Site", "cross-site")];
    make(&foreign).fails(403, "FORBIDDEN_REQUEST");
    assert!(house.store.subaccounts().unwrap().is_empty());
    assert_eq!(make(&[cookie, ("X-CSRF-Token", mine.headers[1].1.as_str())]).status, 201);
    // An account that is gone has no session any more, one with another role has that role.
    edit(&house.store, |edit| {
        edit.change_account("Administrator", |account| account.role = "Monitoring".to_owned())
    })
    .unwrap();
    mine.get(LIST).fails(403, "FORBIDDEN_REQUEST");
    edit(&house.store, |edit| edit.delete_account("Administrator")).unwrap();
    mine.get(LIST).fails(401, "FORBIDDEN_REQUEST");
}

#[test]
fn who_guesses_has_to_wait() {
    let house = House::new();
    let tries = |user: &str, password: &str| {
        post(&house, "/api/v1/session", &json!({ "user": user, "password": password }))
    };
    for _ in 0..=limits::WRONG_PASSWORDS_FREE {
        tries("Display", "wrong").fails(401, "FORBIDDEN_REQUEST");
    }
    // The right password as well, of this account and from this address. A machine that is so slow
    // that the wait is over meanwhile guesses again, and has to wait longer.
    let mut wait = limits::LOCKOUT_FIRST;
    loop {
        let begun = std::time::Instant::now();
        let replies = [
            tries("Display", PASSWORD),
            tries("Monitoring", PASSWORD),
            tries("nobody", "x"),
            house.basic("Monitoring").get(LIST),
        ];
        if begun.elapsed() < wait / 2 {
            for reply in replies {
                reply.fails(429, "FORBIDDEN_REQUEST");
                let told: u64 = reply.header("retry-after").unwrap().parse().unwrap();
                assert!((1..=wait.as_secs()).contains(&told), "{reply:?}");
            }
            break;
        }
        while tries("Display", "wrong").status != 401 {}
        wait *= 2;
    }
    let end = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while tries("Display", PASSWORD).status != 200 {
        assert!(std::time::Instant::now() < end, "never forgiven");
        std::thread::yield_now();
    }
}

#[test]
fn the_first_account_is_made_once_by_the_token() {
    let house = House::empty();
    let token = offer_setup(&house.store, now_ms()).unwrap().unwrap();
    let earlier = token;
    let token = offer_setup(&house.store, now_ms()).unwrap().unwrap();
    let set_up = |token: &str, user: &str, password: &str| {
        let body = json!({ "token": token, "user": user, "password": password });
        post(&house, "/api/v1/setup", &body)
    };
    for wrong in ["", "x", &earlier, &token[1..]] {
        set_up(wrong, "ada", PASSWORD).fails(403, "FORBIDDEN_REQUEST");
    }
    for (user, password) in
        [("ada", "short"), ("ada", "aaaaaaaaaaaaaaa"), ("a:b", PASSWORD), ("", PASSWORD)]
    {
        set_up(&token, user, password).fails(400, "INVALID_REQUEST");
    }
    assert!(house.store.accounts().unwrap().is_empty());
    set_up(&token, "ada", PASSWORD).is_empty(204);
    set_up(&token, "bob", PASSWORD).fails(403, "FORBIDDEN_REQUEST");
    assert_eq!(offer_setup(&house.store, now_ms()).unwrap(), None);
    let ada = house.log_in("ada");
    assert_eq!(ada.get("/api/v1/session").json()["role"], "Administrator");
    assert_eq!(house.changes(), ["ada@127.0.0.1 made the first account, by the set-up link"]);
}

#[test]
fn of_many_who_have_the_token_one_makes_the_account() {
    let house = House::empty();
    let token = offer_setup(&house.store, now_ms()).unwrap().unwrap();
    let made: usize = std::thread::scope(|scope| {
        let one = |number: usize| {
            let body = json!({
                "token": token, "user": format!("user{number}"), "password": PASSWORD,
            });
            usize::from(post(&house, "/api/v1/setup", &body).status == 204)
        };
        let all: Vec<_> = (0..8).map(|number| scope.spawn(move || one(number))).collect();
        all.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!((made, house.store.accounts().unwrap().len()), (1, 1));
    assert_eq!(house.store.accounts().unwrap()[0].role, "Administrator");
    let at = at(GUID);
    house.send(&format!("GET {at}"), &[], None).fails(401, "FORBIDDEN_REQUEST");
}

#[test]
fn a_server_that_does_not_say_where_requests_come_from_serves_nobody() {
    let house = House::new();
    let served = router(house.desk.clone());
    let right = basic("Administrator", PASSWORD);
    let body = json!({ "user": "Administrator", "password": PASSWORD }).to_string();
    let requests = [
        format!("GET {LIST} HTTP/1.1\r\nAuthorization: {right}\r\n"),
        format!("GET {LIST} HTTP/1.1\r\n"),
        format!("POST /api/v1/session HTTP/1.1\r\nContent-Length: {}\r\n", body.len()),
        format!("POST /api/v1/setup HTTP/1.1\r\nContent-Length: {}\r\n", body.len()),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let asked = tokio::task::spawn_blocking(move || {
            let rest = "Host: x\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n";
            for head in requests {
                let body = if head.starts_with("POST") { &*body } else { "" };
                let reply = raw(addr, format!("{head}{rest}{body}").as_bytes());
                reply.fails(500, "RUNTIME_FAILURE");
            }
        });
        tokio::select! {
            served = async { axum::serve(listener, served).await } => served.unwrap(),
            asked = asked => asked.unwrap(),
        }
    });
}
