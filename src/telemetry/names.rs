//! Every label value a metric may carry. A metric has as many series as these tables have lines,
//! whatever the peers send; an unknown label is counted as "other".

/// Label of what is in no table; the last entry of each.
pub const OTHER: &str = "other";

/// Why a CONNECT got no stream: `protocol::Refusal::reason()`; on a proxy also that its address
/// began too many handshakes or has offended, that the request did not come in time or that the
/// session ended while it was held or its service was dialled (`tunnel::Ending::reason()`), on a
/// connector why a client got none. Those from "reset_flood" on are of whole tunnels:
/// `protocol::http2::Flood::reason()` and `protocol::http2::violation_of`; "provoked_reset" is one
/// stream that we reset because of what its peer did.
pub const REFUSAL_REASONS: [&str; 46] = [
    "malformed",
    "no_certificate",
    "bad_identity",
    "location_not_allowed",
    "source_not_allowed",
    "no_such_mapping",
    "not_connect",
    "wrong_server_name",
    "tenant_limit",
    "tenant_limit_tunnels",
    "tenant_limit_opens",
    "service_refused",
    "service_unreachable",
    "unresolvable",
    "dial_timeout",
    "draining",
    "overloaded",
    "handshake_rate",
    "offender_rate",
    "request_timeout",
    "client_aborted",
    "mapping_removed",
    "certificate_revoked",
    "drained",
    "killed",
    "tunnel",
    "refused",
    "tunnel_lost",
    "answer_timeout",
    "local_tls",
    "reset_flood",
    "ping_flood",
    "settings_flood",
    "continuation_flood",
    "empty_data_flood",
    "window_update_flood",
    "ignored_frame_flood",
    "premature_reset_flood",
    "provoked_reset_flood",
    "provoked_reset",
    "http2_protocol",
    "http2_flow_control",
    "http2_frame_size",
    "http2_compression",
    "http2_excess",
    OTHER,
];

/// Why a TLS handshake failed: `relay::LinkError::reason()`, which is `tls::TlsError::reason()`
/// where TLS is to blame, and that it took too long.
pub const HANDSHAKE_FAILURES: [&str; 25] = [
    "timeout",
    "too_large",
    "closed",
    "not_tls",
    "protocol_version",
    "no_shared_parameters",
    "no_shared_alpn",
    "peer_misbehaved",
    "bad_record",
    "alert_from_peer",
    "certificate_refused_by_peer",
    "certificate_expired",
    "certificate_not_yet_valid",
    "certificate_unknown_issuer",
    "certificate_revoked",
    "certificate_revocation_unknown",
    "certificate_wrong_name",
    "certificate_wrong_purpose",
    "certificate_missing",
    "certificate_bad_signature",
    "certificate_malformed",
    "bad_server_name",
    "output_too_small",
    "internal",
    OTHER,
];

/// How a stream ended: `tunnel::Ending::reason()`.
pub const STREAM_ENDINGS: [&str; 12] = [
    "clean",
    "client_aborted",
    "service_aborted",
    "tunnel_lost",
    "idle_timeout",
    "half_closed_timeout",
    "mapping_removed",
    "certificate_revoked",
    "drained",
    "phase_timeout",
    "killed",
    OTHER,
];

/// What this process had too little of, so that it turned something away: one of its own bounds, or
/// what the kernel refused and on which call (`engine::exhausted`).
pub const SHED_CAUSES: [&str; 17] = [
    "memory",
    "sessions",
    "handshakes",
    "held",
    "dials",
    "accept_descriptors",
    "accept_emfile",
    "accept_enfile",
    "accept_enomem",
    "accept_enobufs",
    "socket_descriptors",
    "socket_emfile",
    "socket_enfile",
    "socket_enomem",
    "socket_enobufs",
    "socket_enospc",
    OTHER,
];

/// The label of a resource that was refused on a call.
#[must_use]
pub fn shed_cause(call: &str, resource: &str) -> &'static str {
    let is_it = |cause: &&&str| {
        let rest = cause.strip_prefix(call).and_then(|rest| rest.strip_prefix('_'));
        rest == Some(resource)
    };
    SHED_CAUSES.iter().find(is_it).copied().unwrap_or(OTHER)
}

/// How a dial ended: of a service, or on a connector of a tunnel.
/// `relay::DialError::reason()`, and on a connector what comes after TCP.
pub const DIAL_RESULTS: [&str; 10] = [
    "ok",
    "unresolvable",
    "refused",
    "unreachable",
    "timeout",
    "overloaded",
    "abandoned",
    "tls",
    "outbound_proxy",
    OTHER,
];

/// Subaccount and service of all those that are not told apart, because there are too many. A
/// tenant of that name is not either.
pub const OVERFLOW: &str = "_other";

/// The label as its table has it, or [`OTHER`].
pub(crate) fn known<const N: usize>(table: &[&'static str; N], label: &str) -> &'static str {
    table[position(table, label)]
}

/// The place of a label in its table, or that of [`OTHER`].
pub(crate) fn position(table: &[&str], label: &str) -> usize {
    table.iter().position(|known| *known == label).unwrap_or(table.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_ends_in_other_and_repeats_nothing() {
        for table in [
            &REFUSAL_REASONS[..],
            &HANDSHAKE_FAILURES,
            &STREAM_ENDINGS,
            &SHED_CAUSES,
            &DIAL_RESULTS,
        ] {
            assert_eq!(table.last(), Some(&OTHER));
            for (index, label) in table.iter().enumerate() {
                assert_eq!(position(table, label), index, "{label} is there twice");
            }
            assert_eq!(position(table, "never heard of"), table.len() - 1);
        }
    }

    #[test]
    fn a_call_and_what_it_was_refused_make_a_label() {
        assert_eq!(shed_cause("accept", "emfile"), "accept_emfile");
        assert_eq!(shed_cause("socket", "descriptors"), "socket_descriptors");
        assert_eq!(shed_cause("socket", "eio"), OTHER);
    }
}
