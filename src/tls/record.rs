//! Looking at the five clear bytes in front of every TLS record (RFC 8446 §5.1).

use crate::limits::{RECORD_PLAIN_BYTES_MAX, RECORD_WIRE_BYTES_MAX};

const HEADER_BYTES: usize = 5;
/// Every AEAD of TLS ends a record with a tag this long.
const TAG_BYTES: usize = 16;

/// What the front of a byte stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Front {
    /// Less than one record.
    Partial,
    /// One whole record of this many bytes, header included.
    Whole(usize),
    /// Not the beginning of a record; waiting for more bytes would not help.
    NotTls,
}

/// Looks at the front of `bytes` without changing anything.
pub(super) fn front(bytes: &[u8]) -> Front {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Front::Partial;
    };
    let [content_type, version_major, _, length_high, length_low] = *header;
    let whole = HEADER_BYTES + usize::from(u16::from_be_bytes([length_high, length_low]));
    // change_cipher_spec, alert, handshake, application_data
    if !(20..=23).contains(&content_type) || version_major != 3 || whole > RECORD_WIRE_BYTES_MAX {
        return Front::NotTls;
    }
    if bytes.len() < whole { Front::Partial } else { Front::Whole(whole) }
}

/// Most plaintext that a record of `whole` bytes can hold. TLS 1.3 spends one byte more, on the
/// content type, which a record of the largest size does not need subtracted.
pub(super) fn plain_bytes_max(whole: usize) -> usize {
    whole.saturating_sub(HEADER_BYTES + TAG_BYTES).min(RECORD_PLAIN_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_whole_with_its_last_byte_and_not_before() {
        let record = [23, 3, 3, 0, 2, 0xaa, 0xbb];
        for cut in 0..record.len() {
            assert_eq!(front(&record[..cut]), Front::Partial, "{cut} bytes");
        }
        assert_eq!(front(&record), Front::Whole(7));
        assert_eq!(front(&[record.as_slice(), b"more"].concat()), Front::Whole(7));
    }

    #[test]
    fn bytes_of_another_protocol_are_told_at_once() {
        assert_eq!(front(b"GET / HTTP/1.1"), Front::NotTls);
        assert_eq!(front(&[23, 3, 3, 0xff, 0xff]), Front::NotTls);
        assert_eq!(front(&[23, 2, 0, 0, 1]), Front::NotTls);
    }

    #[test]
    fn a_full_record_never_needs_more_than_16384_bytes_of_plaintext() {
        assert_eq!(plain_bytes_max(RECORD_WIRE_BYTES_MAX), 16_384);
        assert_eq!(plain_bytes_max(HEADER_BYTES + 1), 0);
        assert_eq!(plain_bytes_max(HEADER_BYTES + 16_384 + 17), 16_384);
    }
}
