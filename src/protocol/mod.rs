//! What a CONNECT asks for and how it is answered. Bytes in, values and bytes out: no socket, no
//! clock, no log, and no bytes of a peer make it panic.
//!
//! * [`target`]: the service a request names, with its headers; the same for HTTP/1.1 and HTTP/2
//! * [`refusal`]: every way to say no, with its status, its reason label and its words
//! * [`proxy_header`]: what a service may be told about who is there
//! * [`http1`]: HTTP/1.1 heads, both sides
//! * [`question`]: a CONNECT that nobody sent, to be explained

pub mod http1;
pub mod http2;
pub mod proxy_header;
pub mod question;
pub mod refusal;
pub mod target;

pub use proxy_header::ProxyHeader;
pub use question::Question;
pub use refusal::Refusal;
pub use target::{ConnectRequest, Request, RequestedType, Target, TargetError};
