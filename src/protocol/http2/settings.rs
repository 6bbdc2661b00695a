//! The HTTP/2 settings of both roles, every limit set: several of the crate's defaults are
//! unlimited or far too large for a peer one does not know.

use std::time::Duration;

use super::{client, server};
use crate::limits;

/// Receive windows in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// Of each stream at its start.
    pub stream: u32,
    /// Of the connection: what its streams can have on loan from us together.
    pub connection: u32,
}

/// How long a stream that was reset is remembered, so that frames already on their way to it are
/// not taken for errors.
const RESET_REMEMBERED: Duration = Duration::from_secs(5);

/// The proxy's side.
#[must_use]
pub fn server_builder(windows: Windows, streams_max: u32) -> server::Builder {
    let mut builder = server::Builder::new();
    builder
        .initial_window_size(windows.stream)
        .initial_connection_window_size(windows.connection)
        .max_frame_size(limits::FRAME_BYTES_MAX)
        .max_concurrent_streams(streams_max)
        .max_header_list_size(limits::HEADER_LIST_BYTES_MAX)
        .header_table_size(limits::HEADER_TABLE_BYTES)
        .max_send_buffer_size(limits::STREAM_SEND_BYTES_MAX)
        .data_frame_budget(limits::SMALL_FRAMES_BUDGET_BYTES)
        .max_concurrent_reset_streams(limits::RESET_STREAMS_REMEMBERED_MAX)
        .reset_stream_duration(RESET_REMEMBERED)
        .max_pending_accept_reset_streams(limits::EARLY_RESETS_MAX)
        .max_local_error_reset_streams(Some(limits::PROVOKED_RESETS_MAX));
    builder
}

/// The connector's side.
#[must_use]
pub fn client_builder(windows: Windows) -> client::Builder {
    let mut builder = client::Builder::new();
    builder
        .initial_window_size(windows.stream)
        .initial_connection_window_size(windows.connection)
        .max_frame_size(limits::FRAME_BYTES_MAX)
        .max_header_list_size(limits::HEADER_LIST_BYTES_MAX)
        .header_table_size(limits::HEADER_TABLE_BYTES)
        .max_send_buffer_size(limits::STREAM_SEND_BYTES_MAX)
        .data_frame_budget(limits::SMALL_FRAMES_BUDGET_BYTES)
        .max_concurrent_reset_streams(limits::RESET_STREAMS_REMEMBERED_MAX)
        .reset_stream_duration(RESET_REMEMBERED)
        .max_local_error_reset_streams(Some(limits::PROVOKED_RESETS_MAX))
        // A proxy never opens streams (RFC 9113 §8.4).
        .enable_push(false)
        .max_concurrent_streams(0);
    builder
}
