//! The walk over frame heads.

use std::time::Instant;

use causeway::protocol::http2::Guard;

/// The first byte is the size of the pieces; cut or whole, the same is found.
pub fn guard(data: &[u8]) {
    let Some((size, bytes)) = data.split_first() else { return };
    let now = Instant::now();
    for new in [Guard::for_client_bytes, Guard::for_server_bytes] {
        let whole = new(now).inspect(bytes, now).map(|turns| turns.len());
        let mut guard = new(now);
        let pieces = bytes
            .chunks(usize::from(*size).max(1))
            .try_fold(0, |turns, piece| guard.inspect(piece, now).map(|more| turns + more.len()));
        assert_eq!(whole, pieces);
    }
}
