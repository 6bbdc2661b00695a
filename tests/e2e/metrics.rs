//! `/metrics` of running processes: what Prometheus' own tool says of it, what the reference, the
//! dashboard and the alerts say is in it, and that no peer gives names to its series.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
};

use causeway::{
    engine::Kind,
    limits::SERVICES_TOLD_APART_MAX,
    telemetry::{CountersSnapshot, Figures, Selection, incumbent, names::OVERFLOW},
};

use serde_json::{Value, json};

use crate::dials::BlackHole;
use crate::support::{
    Ask, DEADLINE, Finished, Running, Service, Site, Suite, World, exchange, get, run, sh,
    wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.both("the_reference_of_metrics_is_what_is_served", reference);
    suite.both("every_metric_of_dashboard_and_alerts_is_served", dashboards);
    suite.both("refusals_are_the_tenants_who_caused_them_and_never_a_strangers", attribution);
    suite.both("services_beyond_the_bound_share_one_series", overflow);
    suite.both("what_does_not_open_in_time_is_counted_for_its_subaccount", timeouts);
    suite.both("five_tunnels_in_a_row_that_do_not_open_are_no_health", health);
    if promtool().is_some() {
        suite.both("promtool_finds_nothing_wrong_with_our_metrics", check_metrics);
        suite.once("promtool_finds_alerts_and_rules_to_do_what_they_say", test_rules);
    } else {
        eprintln!("SKIPPED: checks of metrics and alerts, they are not run: no program promtool");
        suite.skipped("promtool_finds_nothing_wrong_with_our_metrics");
        suite.skipped("promtool_finds_alerts_and_rules_to_do_what_they_say");
    }
}

fn promtool() -> Option<()> {
    Command::new("promtool").arg("--version").output().ok()?.status.success().then_some(())
}

fn path(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name).display().to_string()
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A metric as it is served: its type, and the labels of all its series.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    labels: BTreeSet<String>,
    series: usize,
}

fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (found, kind) = rest.split_once(' ').unwrap();
            name = found.to_owned();
            families.entry(name.clone()).or_default().kind = kind.to_owned();
        } else if !line.starts_with('#') {
            let family = families.get_mut(&name).unwrap();
            family.series += 1;
            let (series, _) = line.rsplit_once(' ').unwrap();
            let labels = series.split_once('{').map_or("", |(_, rest)| rest.trim_end_matches('}'));
            let names = labels.split("\",").filter_map(|label| label.split_once('='));
            let own = |name: &&str| !["le", "quantile"].contains(name);
            family.labels.extend(names.map(|(name, _)| name).filter(own).map(str::to_owned));
        }
    }
    families
}

/// A pair of processes that has carried something and refused something.
struct Pair {
    running: Running,
    _site: Site,
}

impl Pair {
    fn start(kind: Kind) -> Self {
        let site = Site::new(kind, Service::echo().address, false);
        let mut running = site.start();
        for _ in 0..3 {
            assert_eq!(exchange(running.channel, "there and back").unwrap(), "there and back");
        }
        let tunnel = running.proxy.address("proxy serves", "address").port();
        let file = |name: &str| site.path(name).display().to_string();
        // One service it does not have, and one that it has, but not from there.
        for what in [
            "http://a-name-of-a-peers-choice/",
            "--proxy-header 'SAP-Connectivity-SCC-Location_ID: elsewhere' http://echoserver/",
        ] {
            sh(&format!(
                "curl -sS --proxy https://localhost:{tunnel} --proxy-cert {} --proxy-key {} \
                 --proxy-cacert {} --proxytunnel {what} 2>&1 || true",
                file("connector.crt"),
                file("connector.key"),
                file("ca.crt")
            ));
        }
        let pair = Self { running, _site: site };
        for admin in pair.admins() {
            wait_until("a tick has shown the tunnels", DEADLINE, || {
                value(&metrics(admin), "causeway_tunnels") > 0.0
            });
        }
        pair
    }

    fn admins(&self) -> [SocketAddr; 2] {
        [self.running.proxy_admin, self.running.connector_admin]
    }

    /// All metrics of both roles.
    fn families(&self) -> BTreeMap<String, Family> {
        let mut both = families(&metrics(self.running.proxy_admin));
        for (name, family) in families(&metrics(self.running.connector_admin)) {
            let known = both.entry(name).or_default();
            known.labels.extend(family.labels);
            known.series += family.series;
            known.kind = family.kind;
        }
        both
    }
}

fn metrics(admin: SocketAddr) -> String {
    let (status, text) = get(admin, "/metrics");
    assert_eq!(status, 200, "{text}");
    text
}

/// The sum of all series of that name.
fn value(text: &str, name: &str) -> f64 {
    let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    let own = lines.filter(|(series, _)| series.split('{').next() == Some(name));
    own.map(|(_, value)| value.parse::<f64>().unwrap()).sum()
}

/// Known only in a cluster, where there is a ring, or where spans are sent.
fn is_optional(name: &str) -> bool {
    ["causeway_kubernetes_", "causeway_ring", "causeway_spans_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Rows of the tables of docs/metrics.md: name, type, labels.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let text = read("docs/metrics.md");
    let cells = |line: &str| -> Vec<String> {
        line.split('|').map(|cell| cell.trim().replace('`', "")).collect()
    };
    let rows = text.lines().filter(|line| line.starts_with("| `")).map(cells);
    let is_ours = |name: &str| name.starts_with("causeway_") || name.starts_with("connectivity_");
    let metrics = rows.filter(|cells| cells.len() == 6 && is_ours(&cells[1]));
    let labels =
        |text: &str| text.split(", ").filter(|one| !one.is_empty()).map(str::to_owned).collect();
    metrics.map(|cells| (cells[1].clone(), (cells[2].clone(), labels(&cells[3])))).collect()
}

fn reference(kind: Kind) {
    let pair = Pair::start(kind);
    let served = pair.families();
    let told = documented();
    for (name, family) in &served {
        let (kind, labels) = told.get(name).unwrap_or_else(|| panic!("{name} is not documented"));
        assert_eq!(&family.kind, kind, "{name}");
        if family.series > 0 {
            assert_eq!(&family.labels, labels, "labels of {name}");
        }
    }
    for name in told.keys().filter(|name| !is_optional(name)) {
        assert!(served.contains_key(name), "{name} is documented and not served");
    }
}

/// Every name of ours in a text; those of recording rules have colons.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c: char| !is_part(c));
    let ours = |word: &&str| word.starts_with("causeway_") || word.starts_with("connectivity_");
    words.filter(ours).filter(|word| !word.contains(':')).map(str::to_owned).collect()
}

fn dashboards(kind: Kind) {
    let pair = Pair::start(kind);
    let served: BTreeSet<String> = [pair.running.proxy_admin, pair.running.connector_admin]
        .into_iter()
        .flat_map(|admin| {
            let text = metrics(admin);
            let series = text.lines().filter(|line| !line.starts_with('#'));
            series.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    for file in [
        "config/grafana/causeway.json",
        "config/prometheus/alerts.yaml",
        "config/prometheus/rules.yaml",
    ] {
        let names = named(&read(file));
        assert!(names.len() >= 5, "{file} names only {names:?}");
        for name in names.iter().filter(|name| !is_optional(name)) {
            assert!(served.contains(name), "{file}: no series {name} is served");
        }
    }
}

fn check_metrics(kind: Kind) {
    let pair = Pair::start(kind);
    for admin in pair.admins() {
        let text = metrics(admin);
        let done: Finished = run("promtool", &["check", "metrics"], text.as_bytes());
        let said = format!("{}{}", done.text(), done.stderr);
        // A gauge with that ending is against the conventions; the name is the incumbent's.
        let (theirs, ours): (Vec<&str>, Vec<&str>) = said
            .lines()
            .filter(|line| !line.is_empty())
            .partition(|line| line.starts_with("connectivity_business_data_tunnels_count "));
        assert_eq!((theirs.len(), &ours), (1, &Vec::new()), "{said}");
        assert_eq!(done.status.code(), Some(3), "what it exits with when it would name things so");
    }
}

/// The expressions of the dashboard as rules, which promtool can check.
fn dashboard_rules() -> String {
    let dashboard: Value = serde_json::from_str(&read("config/grafana/causeway.json")).unwrap();
    let targets =
        dashboard["panels"].as_array().unwrap().iter().filter_map(|panel| panel.get("targets"));
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for (nth, target) in targets.flat_map(|targets| targets.as_array().unwrap()).enumerate() {
        let expression = target["expr"].as_str().unwrap().replace("$__rate_interval", "5m");
        rules.push_str(&format!("  - record: x:{nth}\n    expr: {}\n", json!(expression)));
    }
    assert!(rules.lines().count() > 80, "{rules}");
    rules
}

fn test_rules() {
    let directory = tempfile::tempdir().unwrap();
    let dashboard = directory.path().join("dashboard.yaml");
    fs::write(&dashboard, dashboard_rules()).unwrap();
    for arguments in [
        &["check", "rules", "config/prometheus/alerts.yaml", "config/prometheus/rules.yaml"][..],
        &["check", "rules", dashboard.to_str().unwrap()],
        &["test", "rules", "config/prometheus/tests.yaml"],
    ] {
        let done = Command::new("promtool")
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(done.status.success(), "{arguments:?}: {done:?}");
    }
    let (alerts, tests) =
        (read("config/prometheus/alerts.yaml"), read("config/prometheus/tests.yaml"));
    let names: Vec<&str> =
        alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        assert!(tests.contains(&format!("alertname: {name}\n")), "no test of {name}");
    }
}

fn figures(world: &World) -> Figures {
    let crew = world.proxy().crew();
    let (news, problems) = crew.take_news();
    assert!(problems.is_empty(), "{problems:?}");
    let mut figures = Figures::new(crew.counters().len());
    figures.take_in(news, std::time::Instant::now());
    figures
}

/// What a tenant was refused, by service (none: "") and reason.
fn refusals(figures: &Figures, subaccount: &str) -> BTreeMap<(String, &'static str), u64> {
    let all = figures.services().chain(figures.subaccounts());
    let own = all.filter(|(key, _)| &*key.subaccount == subaccount);
    let counts = own.flat_map(|(key, figures)| {
        let service = &key.service;
        let refused = figures.counts.refused.iter();
        refused.map(|(reason, count)| ((service.to_string(), *reason), *count))
    });
    counts.collect()
}

fn attribution(kind: Kind) {
    let mut world = World::new(kind);
    world.map("a", "echo", &Service::echo().address.to_string(), None);
    world.map("b", "hers", "127.0.0.1:1", None);
    world.start_proxy("");
    let files = world.client("a", None);
    assert_eq!(Ask::for_service("made-up").send(&world, &files).status(), 404);
    assert_eq!(Ask::for_service("hers").send(&world, &files).status(), 404);
    assert_eq!(Ask::for_service("echo").from("elsewhere").send(&world, &files).status(), 403);
    let hers = world.client("b", None);
    assert_eq!(Ask::for_service("hers").send(&world, &hers).status(), 502);
    let figures = figures(&world);
    let told = |service: &str, reason, count| ((service.to_owned(), reason), count);
    let expected = [told("", "no_such_mapping", 2), told("echo", "location_not_allowed", 1)].into();
    assert_eq!(refusals(&figures, "a"), expected);
    assert_eq!(refusals(&figures, "b"), [told("hers", "service_refused", 1)].into());
    let all = figures.services().chain(figures.subaccounts());
    let names: BTreeSet<String> = all.map(|(key, _)| key.service.to_string()).collect();
    assert_eq!(names, ["", "echo", "hers"].map(str::to_owned).into());
}

fn timeouts(kind: Kind) {
    let hole = BlackHole::open();
    let mut world = World::new(kind);
    world.map("a", "hole", &hole.address.to_string(), None);
    world.start_proxy("[limits]\ndial_timeout_seconds = 1\n");
    let files = world.client("a", None);
    assert_eq!(Ask::for_service("hole").send(&world, &files).status(), 504);
    let figures = figures(&world);
    let (_, service) = figures.services().find(|(key, _)| &*key.service == "hole").unwrap();
    assert_eq!(service.counts.dials, [("timeout", 1)]);
    let (_, tenant) = figures.subaccounts().find(|(key, _)| &*key.subaccount == "a").unwrap();
    assert_eq!((tenant.counts.opening_timeouts, tenant.counts.tunnels), (1, 1));
    let mut text = String::new();
    incumbent::prometheus(
        &figures,
        &CountersSnapshot::of(world.proxy().crew().counters()),
        &mut text,
    );
    let name = "connectivity_tunnel_opening_timeout_count_total";
    assert!(text.contains(&format!("{name}{{tunnel_id=\"account:///a\"}} 1\n")), "{text}");
}

/// In mode `direct` every client that finds no warm tunnel is a dial of its own.
fn health(kind: Kind) {
    let mut world = World::with_services(kind, &[("echo", Service::echo().address)]);
    let (connector, channels) = world.connector(&["echo"]);
    assert_eq!(exchange(channels[0], "well").unwrap(), "well");
    let openings = connector.crew().openings().clone();
    assert!(openings.are_healthy());
    assert!(world.proxy().crew().openings().are_healthy());
    world.stop_proxy(std::time::Duration::ZERO);
    wait_until("five dials in a row have failed", DEADLINE, || {
        assert!(exchange(channels[0], "in vain").is_err());
        !openings.are_healthy()
    });
}

fn overflow(kind: Kind) {
    const BEYOND: usize = 5;
    let echo = Service::echo().address;
    let names: Vec<String> =
        (0..SERVICES_TOLD_APART_MAX + BEYOND).map(|nth| format!("service-{nth}")).collect();
    let services: Vec<(&str, SocketAddr)> = names.iter().map(|name| (&**name, echo)).collect();
    let mut world = World::new(kind);
    for (name, address) in &services {
        world.map("a", name, &address.to_string(), None);
    }
    // One worker: each has so many places of its own.
    world.start_proxy_of_one("");
    let files = world.client("a", None);
    for name in &names {
        assert_eq!(Ask::for_service(name).send(&world, &files).status(), 200);
    }
    let figures = figures(&world);
    assert_eq!(figures.services().count(), SERVICES_TOLD_APART_MAX + 1);
    let (_, beyond) = figures.services().find(|(key, _)| &*key.service == OVERFLOW).unwrap();
    assert_eq!(beyond.counts.opened, BEYOND as u64);
    let opened: u64 = figures.services().map(|(_, figures)| figures.counts.opened).sum();
    assert_eq!(opened, names.len() as u64, "nothing is lost, only told apart no more");
    let all = figures.latency(&Selection::default()).unwrap();
    assert_eq!(all.summary(causeway::telemetry::Metric::Connect).count, names.len() as u64);
}
