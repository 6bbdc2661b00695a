//! Every reason that is counted has a label of its own: none is counted as "other".

use std::{fs, io, path::Path};

use causeway::{
    protocol::{Refusal, http2::Flood},
    relay::LinkError,
    telemetry::names::{HANDSHAKE_FAILURES, REFUSAL_REASONS, STREAM_ENDINGS},
    tls::{CertificateFault, TlsError},
    tunnel::Ending,
};

use crate::support::Suite;

pub fn add(suite: &mut Suite) {
    suite.once("every_reason_a_handshake_fails_for_has_a_label", handshakes);
    suite.once("every_refusal_has_a_label", refusals);
    suite.once("every_ending_has_a_label", endings);
    suite.once("every_flood_has_a_label", floods);
    suite.once("every_label_written_at_a_counter_is_in_its_table", literals);
}

fn assert_label(table: &[&str], label: &str) {
    assert!(table[..table.len() - 1].contains(&label), "{label} would be counted as other");
}

fn handshakes() {
    use CertificateFault as F;
    let faults = [
        F::Expired,
        F::NotYetValid,
        F::UnknownIssuer,
        F::Revoked,
        F::RevocationUnknown,
        F::WrongName,
        F::WrongPurpose,
        F::Missing,
        F::BadSignature,
        F::Malformed,
    ];
    let text = String::new;
    let mut errors: Vec<TlsError> = faults.into_iter().map(TlsError::Certificate).collect();
    errors.extend([
        TlsError::RefusedByPeer(text()),
        TlsError::Alert(text()),
        TlsError::Version,
        TlsError::NoSharedParameters(text()),
        TlsError::NoSharedAlpn,
        TlsError::NotTls,
        TlsError::Misbehaved(text()),
        TlsError::BadRecord,
        TlsError::BadServerName(text()),
        TlsError::OutputTooSmall,
        TlsError::Internal(text()),
    ]);
    for error in errors {
        // A variant that is new stops the compiler here: add it above, too.
        match &error {
            TlsError::Certificate(fault) => match fault {
                F::Expired | F::NotYetValid | F::UnknownIssuer | F::Revoked => {}
                F::RevocationUnknown | F::WrongName | F::WrongPurpose | F::Missing => {}
                F::BadSignature | F::Malformed => {}
            },
            TlsError::RefusedByPeer(_) | TlsError::Alert(_) | TlsError::Version => {}
            TlsError::NoSharedParameters(_) | TlsError::NoSharedAlpn | TlsError::NotTls => {}
            TlsError::Misbehaved(_) | TlsError::BadRecord | TlsError::BadServerName(_) => {}
            TlsError::OutputTooSmall | TlsError::Internal(_) => {}
        }
        assert_label(&HANDSHAKE_FAILURES, error.reason());
        assert_label(&HANDSHAKE_FAILURES, LinkError::Tls(error).reason());
    }
    let broken = LinkError::Io(io::ErrorKind::ConnectionReset.into());
    for error in [LinkError::Truncated, broken, LinkError::HandshakeTooLarge] {
        match &error {
            LinkError::Truncated | LinkError::Io(_) | LinkError::HandshakeTooLarge => {}
            LinkError::Tls(_) => unreachable!("walked above"),
        }
        assert_label(&HANDSHAKE_FAILURES, error.reason());
    }
}

fn refusals() {
    use Refusal as R;
    let all = [
        R::Malformed(""),
        R::NoCertificate,
        R::BadIdentity,
        R::LocationNotAllowed,
        R::SourceNotAllowed,
        R::NoSuchMapping,
        R::NotConnect,
        R::WrongServerName,
        R::TenantLimit(""),
        R::ServiceRefused(String::new()),
        R::ServiceUnreachable(String::new()),
        R::Unresolvable,
        R::DialTimeout,
        R::Draining,
        R::Overloaded(""),
    ];
    for refusal in all {
        match &refusal {
            R::Malformed(_) | R::NoCertificate | R::BadIdentity | R::LocationNotAllowed => {}
            R::SourceNotAllowed => {}
            R::NoSuchMapping | R::NotConnect | R::WrongServerName | R::TenantLimit(_) => {}
            R::ServiceRefused(_) | R::ServiceUnreachable(_) | R::Unresolvable => {}
            R::DialTimeout | R::Draining | R::Overloaded(_) => {}
        }
        assert_label(&REFUSAL_REASONS, refusal.reason());
    }
}

fn floods() {
    use Flood as F;
    let all = [
        F::Resets,
        F::Pings,
        F::Settings,
        F::Continuations,
        F::EmptyData,
        F::WindowUpdates,
        F::Ignored,
        F::PrematureResets,
        F::ProvokedResets,
    ];
    for flood in all {
        match flood {
            F::Resets | F::Pings | F::Settings | F::Continuations => {}
            F::EmptyData | F::WindowUpdates | F::Ignored | F::PrematureResets => {}
            F::ProvokedResets => {}
        }
        assert_label(&REFUSAL_REASONS, flood.reason());
    }
}

fn endings() {
    use Ending as E;
    let ends_a_dial =
        [E::ClientAborted, E::MappingRemoved, E::CertificateRevoked, E::Drained, E::Killed];
    let others = [
        E::Clean,
        E::ServiceAborted,
        E::TunnelLost,
        E::IdleTimeout,
        E::HalfClosedTimeout,
        E::PhaseTimeout,
    ];
    for ending in ends_a_dial.into_iter().chain(others) {
        match ending {
            E::Clean | E::ClientAborted | E::ServiceAborted | E::TunnelLost => {}
            E::IdleTimeout | E::HalfClosedTimeout | E::MappingRemoved => {}
            E::CertificateRevoked | E::Drained | E::PhaseTimeout | E::Killed => {}
        }
        assert_label(&STREAM_ENDINGS, ending.reason());
    }
    for ending in ends_a_dial {
        assert_label(&REFUSAL_REASONS, ending.reason());
    }
}

/// Labels that are written where they are counted, and those of reasons that only their own
/// module can make.
fn literals() {
    let places: [(&str, &str, &[&str]); 6] = [
        ("src", "Count::Refused(\"", &REFUSAL_REASONS),
        ("src", "Count::HandshakesFailed(\"", &HANDSHAKE_FAILURES),
        ("src", "Count::StreamsEnded(\"", &STREAM_ENDINGS),
        ("src/proxy/session.rs", " => \"", &HANDSHAKE_FAILURES),
        ("src/protocol/http2/end.rs", " => Some(\"", &REFUSAL_REASONS),
        ("src/connector/session.rs", " => \"", &REFUSAL_REASONS),
    ];
    for (place, before, table) in places {
        let mut found = 0;
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(place), &mut |text| {
            // What unit tests count is not counted in production.
            let code = text.split("#[cfg(test)]").next().unwrap();
            for (at, _) in code.match_indices(before) {
                let label = code[at + before.len()..].split('"').next().unwrap();
                assert_label(table, label);
                found += 1;
            }
        });
        let labelled_by_value = before.contains("Count::") && !before.contains("Refused");
        assert!(found > 0 || labelled_by_value, "{before} is nowhere in {place}: mend this test");
    }
}

fn sources(path: &Path, look: &mut impl FnMut(&str)) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            sources(&entry.unwrap().path(), look);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        look(&fs::read_to_string(path).unwrap());
    }
}
