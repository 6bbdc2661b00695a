//! HTTP/1.1 heads of both sides: [`request`] is the proxy's, [`dialog`] the connector's.
//!
//! Parsers take all bytes received so far and answer "need more", a value with the number of bytes
//! it took, or an exact error. Bytes after a head belong to the tunnel and stay with the caller.

pub mod dialog;
pub mod parsed;
pub mod request;

pub use dialog::{
    Answer, AnswerError, Unsendable, parse_answer, write_connect, write_proxy_connect,
};
pub use parsed::Parsed;
pub use request::{parse_request, write_established, write_healthy, write_refusal};
