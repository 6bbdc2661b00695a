//! What an HTTP/2 error means for the byte stream that rode on it.

use h2::{Error, Reason};

/// How one direction of a stream ended, other than by END_STREAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// The far end aborted its byte stream (RST_STREAM).
    Aborted,
    /// The tunnel under the stream is gone.
    TunnelLost,
}

/// Reads an error of the crate. A reset before END_STREAM is an abort whatever its code says:
/// NO_ERROR and CANCEL too, because data is missing (RFC 9113 §8.5 asks for CONNECT_ERROR). So is
/// the crate's refusal to send on a stream that has been reset.
#[must_use]
pub fn end_of(error: &Error) -> StreamEnd {
    if error.is_io() || error.is_go_away() { StreamEnd::TunnelLost } else { StreamEnd::Aborted }
}

/// Whether the peer did nothing for the request, so that it may be sent again on another tunnel:
/// REFUSED_STREAM, or a stream beyond the last one a GOAWAY names (RFC 9113 §8.7).
#[must_use]
pub fn is_retryable(error: &Error) -> bool {
    match error.reason() {
        Some(Reason::REFUSED_STREAM) => true,
        Some(Reason::NO_ERROR) => error.is_go_away() && error.is_remote(),
        _ => false,
    }
}

/// What the peer broke when the crate ended the session, as a stable label for logs and counters;
/// `None` when the connection was lost, or the peer or we ended it.
#[must_use]
pub fn violation_of(error: &Error) -> Option<&'static str> {
    if !error.is_go_away() || !error.is_library() {
        return None;
    }
    match error.reason()? {
        Reason::NO_ERROR => None,
        Reason::FLOW_CONTROL_ERROR => Some("http2_flow_control"),
        Reason::FRAME_SIZE_ERROR => Some("http2_frame_size"),
        Reason::COMPRESSION_ERROR => Some("http2_compression"),
        // A bound of the crate: streams reset before they were seen, small DATA frames, …
        Reason::ENHANCE_YOUR_CALM => Some("http2_excess"),
        _ => Some("http2_protocol"),
    }
}
