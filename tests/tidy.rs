//! House rules a compiler does not check: which layer may know which, what belongs where, and how
//! long things may get. Every rule is one function over one file; below each is tried on samples
//! that break it, so that none of them passes by not looking.

// Helpers of tests may unwrap like the tests themselves.
#![allow(clippy::unwrap_used)]

#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/leftovers.rs"]
mod leftovers;
#[path = "tidy/purity.rs"]
mod purity;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;

use source::{Finding, Source};

type Rule = fn(&Source) -> Vec<Finding>;

/// Applies a rule to every file of the repository.
fn hold(rule: Rule) {
    let sources = source::all();
    assert!(sources.len() > 20, "only {} files were found", sources.len());
    for known in ["src/limits/mod.rs", "src/protocol/mod.rs", "tests/tidy.rs", "loadtest/src/"] {
        assert!(sources.iter().any(|source| source.path.starts_with(known)), "{known} is missing");
    }
    let findings: Vec<String> =
        sources.iter().flat_map(rule).map(|finding| finding.to_string()).collect();
    assert!(findings.is_empty(), "{} untidy:\n{}", findings.len(), findings.join("\n"));
}

/// Lines on which a rule finds something in a sample.
fn lines(rule: Rule, path: &str, text: &str) -> Vec<usize> {
    rule(&Source::new(path, text)).iter().map(|finding| finding.line).collect()
}

#[test]
fn arrows_point_down_only() {
    hold(layers::arrows);
}

#[test]
fn each_crate_and_unsafe_stay_in_their_layer() {
    hold(layers::territory);
}

#[test]
fn pure_layers_touch_no_clock_socket_thread_or_log() {
    hold(purity::pure);
}

#[test]
fn files_functions_and_lines_stay_short() {
    hold(shape::short);
}

#[test]
fn a_mod_file_is_a_table_of_contents() {
    hold(shape::contents);
}

#[test]
fn every_module_says_what_it_is() {
    hold(shape::introduced);
}

#[test]
fn nothing_is_left_over() {
    hold(leftovers::markers);
}

#[test]
fn tests_do_not_sleep_to_synchronise() {
    hold(leftovers::sleeps);
}

#[test]
fn an_arrow_that_points_up_or_sideways_is_found() {
    for (path, text) in [
        ("src/tls/session.rs", "use crate::engine::Socket;"),
        ("src/tls/session.rs", "use crate::{limits::X, engine::{Socket, tls}};"),
        ("src/tls/session.rs", "use crate::{\n};\nfn f() { crate :: telemetry::x() }"),
        ("src/tls/session.rs", "use super::super::relay;"),
        ("src/tls/mod.rs", "use super::relay;"),
        ("src/limits/bounds.rs", "use crate::config;"),
        ("src/telemetry/log.rs", "use crate::protocol::Refusal;"),
        ("src/worker/spawn.rs", "use crate::proxy::Dial;"),
        ("src/proxy/dial.rs", "use crate::connector::X;"),
        ("src/admin/server.rs", "use crate::relay::X;"),
        ("src/proxy/dial.rs", "use crate::cli::X;"),
        ("src/unheard_of/x.rs", ""),
    ] {
        assert_eq!(lines(layers::arrows, path, text).len(), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("src/relay/x.rs", "use crate::{engine::X, protocol::{tls, relay}, limits};"),
        ("src/tls/session.rs", "// crate::engine\nlet x = \"crate::engine\"; super::relay;"),
        ("src/tls/session.rs", "use crate::{tls::Session, mapping::X};"),
        ("src/cli/demo.rs", "use crate::{proxy, connector, admin};"),
        ("src/main.rs", "use crate::cli;"),
    ] {
        assert_eq!(lines(layers::arrows, path, text), [], "{path}: {text}");
    }
}

#[test]
fn a_crate_outside_its_layer_is_found() {
    for text in [
        "use rustls::X;",
        "let x = libc::close(3);",
        "use io_uring::opcode;",
        "use {tokio_uring as t};",
        "use kube::Api;",
        "unsafe { x() }",
        "use rustls_pki_types::X;",
        "pub use libc;",
    ] {
        assert_eq!(lines(layers::territory, "src/relay/x.rs", text), [1], "{text}");
    }
    for (path, text) in [
        ("src/engine/x.rs", "unsafe { libc::close(3) } tokio_uring::x(); io_uring::y()"),
        ("src/tls/x.rs", "use rustls::X;"),
        ("src/relay/x.rs", "// rustls::X unsafe\nmod rustls_x; let io_uring = \"libc::x\";"),
        ("tests/x.rs", "use rustls::X;"),
    ] {
        assert_eq!(lines(layers::territory, path, text), [], "{path}: {text}");
    }
}

#[test]
fn a_clock_a_socket_a_thread_or_a_log_in_a_pure_layer_is_found() {
    for text in [
        "let now = Instant::now();",
        "SystemTime :: now()",
        "use std::net::TcpStream;",
        "use std::{net::{IpAddr, UdpSocket}};",
        "use std::thread;",
        "use std::{io, thread};",
        "std::thread::spawn(f)",
        "tracing::info!()",
        "use tracing::info;",
    ] {
        for layer in ["protocol", "tls", "tunnel", "mapping"] {
            let path = format!("src/{layer}/x.rs");
            assert_eq!(lines(purity::pure, &path, text), [1], "{path}: {text}");
        }
        assert_eq!(lines(purity::pure, "src/relay/x.rs", text), [], "{text}");
        let test = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{ {text} }}");
        assert_eq!(lines(purity::pure, "src/tls/x.rs", &test), [], "{test}");
        let not_bottom = format!("#[cfg(test)]\nmod tests {{}}\n{text}");
        assert_eq!(lines(purity::pure, "src/tls/x.rs", &not_bottom), [3], "{not_bottom}");
    }
    let fine = "fn f(now: Instant) { let thread = now.elapsed_since(std::net::Ipv4Addr::X); }";
    assert_eq!(lines(purity::pure, "src/tls/x.rs", fine), []);
}

#[test]
fn what_is_too_long_is_found() {
    let wide = format!("// {}", "é".repeat(98));
    assert_eq!(lines(shape::short, "src/x.rs", &wide), [1]);
    assert_eq!(lines(shape::short, "src/x.rs", &wide[..wide.len() - 2]), []);
    let function = |length: usize| format!("\nfn f(a: [u8; 2])\n{{\n{}}}\n", "a;\n".repeat(length));
    assert_eq!(lines(shape::short, "src/x.rs", &function(68)), [2]);
    assert_eq!(lines(shape::short, "src/x.rs", &function(67)), []);
    assert_eq!(lines(shape::short, "src/x.rs", &"\n".repeat(401)), [401]);
    assert_eq!(lines(shape::short, "src/x.rs", &"\n".repeat(400)), []);
    let tricky = format!("fn f() {{ '{{'; \"{{\"; r#\"{{\"#; /* {{ */ }}\n{}", "a;\n".repeat(80));
    assert_eq!(lines(shape::short, "src/x.rs", &tricky), []);
}

#[test]
fn code_in_a_mod_file_and_a_missing_introduction_are_found() {
    assert_eq!(lines(shape::contents, "src/x/mod.rs", "mod a;\nfn f() {}\nstruct X;"), [2, 3]);
    assert_eq!(lines(shape::contents, "src/x/mod.rs", "pub mod a;\npub use a::{\n    B,\n};"), []);
    assert_eq!(lines(shape::contents, "src/x.rs", "fn f() {}"), []);
    assert_eq!(lines(shape::introduced, "src/x.rs", "// no\nfn f() {}"), [1]);
    assert_eq!(lines(shape::introduced, "src/x.rs", ""), [1]);
    assert_eq!(lines(shape::introduced, "src/x.rs", "//! Yes.\n"), []);
}

#[test]
fn leftovers_and_sleeps_are_found() {
    for text in ["// FIXME later", "todo!()", "unimplemented!()", "dbg!(1)", "#[ignore]"] {
        assert_eq!(lines(leftovers::markers, "src/x.rs", text), [1], "{text}");
    }
    for text in ["let s = \"FIXME todo!()\";", "#[ignore = \"needs root\"]", "fn todo() {}"] {
        assert_eq!(lines(leftovers::markers, "src/x.rs", text), [], "{text}");
    }
    for text in ["thread::sleep(x);", "tokio::time::sleep(x).await", "sleep_until (x)"] {
        assert_eq!(lines(leftovers::sleeps, "tests/x.rs", text), [1], "{text}");
        assert_eq!(lines(leftovers::sleeps, "src/x.rs", text), [], "{text}");
        for reason in ["// pace: a slow reader", "// deadline: of the whole test"] {
            assert_eq!(lines(leftovers::sleeps, "tests/x.rs", &format!("{text} {reason}")), []);
            assert_eq!(lines(leftovers::sleeps, "tests/x.rs", &format!("{reason}\n{text}")), []);
        }
    }
}
