//! What can be typed, and what is said when it was wrong.

use std::{fs, net::TcpListener};

use causeway::engine::Kind;

use crate::support::{Process, Service, Site, Suite, sh};

pub fn add(suite: &mut Suite) {
    suite.both("demo_once_shows_the_answer_and_the_latencies", demo_once);
    suite.both("demo_prints_lines_that_work_and_ends_on_sigterm", demo);
    suite.both("a_wrong_configuration_is_named_by_file_line_and_key", wrong_configuration);
    suite.both("a_taken_port_ends_the_proxy_with_what_to_do", port_taken);
    suite.once("doctor_prints_what_it_examined", doctor);
    suite.once("wrong_usage_exits_with_2", wrong_usage);
    suite.once("completions_and_manual_pages_know_every_subcommand", generated);
}

fn demo_once(kind: Kind) {
    let engine = kind.to_string();
    let arguments = ["demo", "--once", "--engine", &engine, "--port", "0"];
    let (status, said) = Process::causeway(&arguments).end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("HTTP/1.1 200 "), "{said}");
    assert!(said.contains("GET /test"), "{said}");
    for (role, latency) in [
        ("proxy", "tls_handshake"),
        ("proxy", "connect"),
        ("proxy", "dial"),
        ("proxy", "first_byte"),
        ("proxy", "forward_up"),
        ("proxy", "forward_down"),
        ("proxy", "stream_lifetime"),
        ("connector", "connect"),
        ("connector", "stream_lifetime"),
    ] {
        let words: Vec<&str> = said
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .find(|words| words.first() == Some(&role) && words.get(1) == Some(&latency))
            .unwrap_or_else(|| panic!("no {latency} of the {role}: {said}"));
        let numbers: Vec<f64> = words[2..].iter().map(|word| word.parse().unwrap()).collect();
        assert_eq!(numbers.len(), 4, "count, p50, p99, max: {words:?}");
        assert!(numbers[0] >= 1.0 && numbers[1] <= numbers[2] && numbers[2] <= numbers[3]);
    }
    assert!(said.contains("p50") && said.contains("p99"), "{said}");
}

fn demo(kind: Kind) {
    let engine = kind.to_string();
    let mut demo = Process::causeway(&["demo", "--port", "0", "--engine", &engine]);
    demo.line("Ctrl-C");
    let curls: Vec<String> =
        demo.lines().into_iter().filter(|line| line.trim_start().starts_with("curl ")).collect();
    assert_eq!(curls.len(), 2, "{curls:?}");
    for curl in &curls {
        let printed = sh(curl);
        assert!(printed.starts_with("GET /test HTTP/1.1\n"), "{curl}: {printed}");
    }
    assert!(sh(&curls[0]).contains("host: echoserver.test"));
    assert!(demo.is_running());
    demo.terminate();
    let (status, said) = demo.end();
    assert_eq!(status.code(), Some(0), "{said}");
}

/// Runs a role with a configuration that must be refused; what it says.
fn refused(role: &str, config: &std::path::Path) -> String {
    let path = config.display().to_string();
    let (status, said) = Process::causeway(&[role, "--config", &path]).end();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.lines().any(|line| line.starts_with("causeway: ")), "{said}");
    said
}

fn wrong_configuration(kind: Kind) {
    let site = Site::new(kind, Service::echo().address, false);
    let config = site.proxy_toml("127.0.0.1:0");
    let good = fs::read_to_string(&config).unwrap();
    let bad =
        good.replace("listen = \"127.0.0.1:0\"\n# The name", "listen = \"nowhere\"\n# The name");
    let line = 1 + bad.lines().position(|line| line.contains("nowhere")).unwrap();
    fs::write(&config, &bad).unwrap();
    let said = refused("proxy", &config);
    let place = format!("{}:{line}:", config.display());
    assert!(said.contains(&place) && said.contains("tunnel.listen"), "{place}: {said}");
    fs::write(&config, format!("{good}\n[tunnle]\nx = 1\n")).unwrap();
    let said = refused("proxy", &config);
    assert!(said.contains(&config.display().to_string()) && said.contains("tunnle"), "{said}");
    let config = site.connector_toml(1);
    let good = fs::read_to_string(&config).unwrap();
    fs::write(&config, good.replace("local_port = 0", "local_port = 70000")).unwrap();
    let said = refused("connector", &config);
    assert!(said.contains("local_port") && said.contains("70000"), "{said}");
    for role in ["proxy", "connector"] {
        let missing = site.path("no-such-file.toml");
        let said = refused(role, &missing);
        assert!(said.contains(&missing.display().to_string()), "{said}");
        assert!(said.to_lowercase().contains("no such file"), "{said}");
    }
    fs::write(&config, good).unwrap();
    fs::remove_file(site.path("connector.key")).unwrap();
    let said = refused("connector", &config);
    assert!(said.contains("connector.key"), "{said}");
}

fn port_taken(kind: Kind) {
    let site = Site::new(kind, Service::echo().address, false);
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let config = site.proxy_toml(&taken).display().to_string();
    let (status, said) = Process::causeway(&["proxy", "--config", &config]).end();
    assert_eq!(status.code(), Some(1), "{said}");
    let line = said.lines().find(|line| line.starts_with("causeway: ")).unwrap_or_default();
    assert!(line.contains(&taken) && line.contains("[tunnel] listen"), "{said}");
    let arguments = ["demo", "--port", taken.rsplit_once(':').unwrap().1];
    let (status, said) = Process::causeway(&arguments).end();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains(&taken) && said.contains("--port"), "{said}");
}

fn doctor() {
    let (status, said) = Process::causeway(&["doctor"]).end();
    assert_eq!(status.code(), Some(0), "{said}");
    let mut findings = 0;
    for line in said.lines() {
        let known = ["ok  ", "note", "     "].iter().any(|start| line.starts_with(start));
        assert!(known, "{line}");
        findings += usize::from(!line.starts_with("     "));
    }
    assert!(findings >= 3 && said.contains("io_uring"), "{said}");
}

fn wrong_usage() {
    for arguments in [
        &["proxy", "--colour", "red"][..],
        &["proxy"],
        &["tunnel"],
        &[],
        &["demo", "--engine", "x"],
    ] {
        let process = Process::causeway(arguments);
        let (status, said) = process.end();
        assert_eq!(status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains("Usage") || said.contains("--help"), "{arguments:?}: {said}");
    }
    let (status, said) = Process::causeway(&["--version"]).end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains(env!("CARGO_PKG_VERSION")), "{said}");
}

/// Every subcommand, as the help lists them.
fn subcommands() -> Vec<String> {
    let (_, help) = Process::causeway(&["--help"]).end();
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

fn generated() {
    let names = subcommands();
    assert!(names.len() >= 8, "{names:?}");
    for shell in ["bash", "zsh", "fish"] {
        let (status, script) = Process::causeway(&["completions", shell]).end();
        assert_eq!(status.code(), Some(0), "{script}");
        for name in &names {
            assert!(script.contains(name.as_str()), "{shell}: no {name}");
        }
    }
    let (status, page) = Process::causeway(&["man"]).end();
    assert_eq!(status.code(), Some(0), "{page}");
    assert!(page.contains(".TH causeway 1"), "{page}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("man").display().to_string();
    assert_eq!(Process::causeway(&["man", &path]).end().0.code(), Some(0));
    for name in &names {
        let file = directory.path().join(format!("man/causeway-{name}.1"));
        let page = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
}
