//! `/histograms` in all its formats, for parts of it, and begun anew.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use causeway::telemetry::Metric;
use hdrhistogram::{Histogram, serialization::Deserializer};
use serde_json::{Value, json};

use crate::{ask, get, start};

#[test]
fn every_format_is_served_of_one_histogram_and_of_all() {
    let (admin, _role) = start();
    let one = |format: &str| get(&admin, &format!("/histograms/connect?format={format}"));
    let all = |format: &str| get(&admin, &format!("/histograms?format={format}"));
    assert_eq!(one("text").body, get(&admin, "/histograms/connect").body);
    let hgrm = one("hgrm").body;
    assert!(one("text").body.ends_with(&hgrm) && hgrm.trim_start().starts_with("Value "), "{hgrm}");
    let told = one("json").json();
    assert_eq!((&told["histogram"], &told["count"]), (&json!("connect"), &json!(100)));
    assert_eq!(told["percentiles"].as_array().unwrap().last().unwrap()["count"], 100);
    let decoded = decode(one("v2").body.trim_end());
    assert_eq!((decoded.len(), decoded.max() / 1_000_000), (100, 100));
    let log = one("hlog").body;
    assert!(log.contains("Tag=connect,"), "{log}");

    assert_eq!(all("json").json()["histograms"], get(&admin, "/histograms").json()["histograms"]);
    for metric in Metric::ALL {
        let name = metric.name();
        assert!(all("text").body.contains(&format!("# {name}: ")), "{name}");
        assert!(all("hlog").body.contains(&format!("Tag={name},")), "{name}");
        let body = all("v2").body;
        let line = body.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        let count = [Metric::Connect, Metric::Dial, Metric::TlsHandshake]
            .iter()
            .position(|known| *known == metric)
            .map_or(0, |place| [100, 1, 1][place]);
        assert_eq!(decode(line.unwrap()).len(), count, "{name}");
    }
    assert_eq!(all("hgrm").status, 400, "a plotter's file is of one histogram");
}

/// A histogram in the compressed V2 encoding, as any program reads it.
fn decode(text: &str) -> Histogram<u64> {
    let bytes = STANDARD.decode(text).unwrap();
    Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap()
}

#[test]
fn histograms_of_a_service_a_subaccount_or_a_worker_are_picked_out() {
    let (admin, _role) = start();
    let count = |query: &str, name: &str| {
        let body = get(&admin, &format!("/histograms?{query}")).json();
        body["histograms"][name]["count"].clone()
    };
    assert_eq!(count("subaccount=a", "connect"), 100);
    assert_eq!(count("subaccount=b", "connect"), 0);
    assert_eq!(count("service=echo", "dial"), 1);
    assert_eq!(count("subaccount=b&service=echo", "dial"), 1);
    assert_eq!(count("worker=0", "tls_handshake"), 1);
    assert_eq!(count("service=echo", "tls_handshake"), Value::Null, "not kept for services");
    for (path, status, words) in [
        ("/histograms?subaccount=c", 404, "\"services\":[{"),
        ("/histograms?subaccount=a&service=%65cho2", 404, "forgotten"),
        ("/histograms?worker=1", 400, "\"valid\":[0]"),
        ("/histograms/tls_handshake?service=echo", 400, "forward_up"),
        ("/histograms?format=xml", 400, "hlog"),
        ("/histograms?tenant=a", 400, "\"parameters\":[\"format\""),
        ("/histograms/connect?format=json&format=text", 400, "twice"),
    ] {
        let reply = get(&admin, path);
        assert_eq!(reply.status, status, "{path}: {}", reply.body);
        assert!(reply.body.contains(words), "{path}: {}", reply.body);
    }
}

#[test]
fn only_a_post_begins_histograms_anew_and_shows_what_was_there() {
    let (admin, _role) = start();
    let count = |name: &str| get(&admin, "/histograms").json()["histograms"][name]["count"].clone();
    for path in ["/histograms?reset=true", "/histograms/connect?reset=true"] {
        let reply = get(&admin, path);
        assert_eq!(reply.status, 405, "{}", reply.body);
        assert!(reply.body.contains("POST"), "{}", reply.body);
    }
    assert_eq!(ask(admin.addr(), "POST", "/histograms").status, 400);
    assert_eq!(ask(admin.addr(), "POST", "/histograms?reset=true&service=echo").status, 400);
    assert_eq!(count("connect"), 100);
    let reply = ask(admin.addr(), "POST", "/histograms/connect?reset=true&format=json");
    assert_eq!((reply.status, &reply.json()["count"]), (200, &json!(100)));
    assert_eq!((count("connect"), count("dial")), (json!(0), json!(1)));
    let reply = ask(admin.addr(), "POST", "/histograms?reset=true");
    assert_eq!(reply.json()["histograms"]["dial"]["count"], 1);
    assert_eq!(count("dial"), 0);
}
