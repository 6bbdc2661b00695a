//! HTTP/1.1 heads, of both sides.

use std::fmt::Debug;

use causeway::{
    limits::HEAD_BYTES_MAX,
    protocol::http1::{Parsed, parse_answer, parse_request, write_refusal},
};

/// Whatever arrives is a head, the beginning of one, or refused; and a head is the same head
/// whatever follows it.
pub fn connect_head(data: &[u8]) {
    one_head(data, parse_request);
    one_head(data, parse_answer);
    if let Err(refusal) = parse_request(data) {
        let mut answer = Vec::new();
        write_refusal(&refusal, &mut answer);
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let head = &answer[..end.expect("an answer has a head")];
        assert!(!head.windows(2).any(|two| two[0] != b'\r' && two[1] == b'\n'), "a bare newline");
        // Our own connector understands it.
        assert!(matches!(parse_answer(&answer), Ok(Parsed::Done { .. })), "{refusal:?}");
    }
}

fn one_head<T: Debug + PartialEq, E: Debug + PartialEq>(
    data: &[u8],
    parse: impl Fn(&[u8]) -> Result<Parsed<T>, E>,
) {
    match parse(data) {
        Ok(Parsed::NeedMore) => assert!(data.len() < HEAD_BYTES_MAX, "an endless head"),
        Ok(Parsed::Done { value, consumed }) => {
            assert!(consumed <= data.len() && consumed <= HEAD_BYTES_MAX);
            assert_eq!(parse(&data[..consumed]), Ok(Parsed::Done { value, consumed }));
            let cut = parse(&data[..consumed - 1]);
            assert!(!matches!(cut, Ok(Parsed::Done { .. })), "done before its end");
        }
        Err(_) => {}
    }
}
