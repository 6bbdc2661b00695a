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
        .initial_max_send_streams(limits::STREAMS_BEFORE_SETTINGS)
        // A proxy never opens streams (RFC 9113 §8.4).
        .enable_push(false)
        .max_concurrent_streams(0);
    builder
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt as _;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[test]
    fn a_connector_opens_few_streams_until_it_knows_the_bound() {
        const HEADERS: u8 = 0x1;
        let windows = Windows { stream: 65_535, connection: 65_535 };
        let (ours, mut theirs) = tokio::io::duplex(1024 * 1024);
        let (requests, mut connection) =
            client_builder(windows).handshake::<_, Bytes>(ours).now_or_never().unwrap().unwrap();
        let mut opened = Vec::new();
        for _ in 0..3 * limits::STREAMS_BEFORE_SETTINGS {
            let Some(Ok(mut ready)) = requests.clone().ready().now_or_never() else { break };
            let request = http::Request::connect("a.test:80").body(()).unwrap();
            opened.push(ready.send_request(request, false).unwrap());
            assert!((&mut connection).now_or_never().is_none(), "the connection goes on");
        }
        let mut bytes = Vec::new();
        while theirs.read_buf(&mut bytes).now_or_never().is_some() {}
        let mut frames = &bytes[crate::protocol::http2::guard::PREFACE_BYTES..];
        let mut headers = 0;
        while let [high, middle, low, kind, _, _, _, _, _, rest @ ..] = frames {
            headers += usize::from(*kind == HEADERS);
            let length = u32::from_be_bytes([0, *high, *middle, *low]);
            frames = &rest[length as usize..];
        }
        assert_eq!(headers, limits::STREAMS_BEFORE_SETTINGS);
    }
}
