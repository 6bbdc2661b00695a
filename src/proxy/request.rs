//! Reading one request from a fresh tunnel.

use std::{net::IpAddr, time::Instant};

use super::{probe::is_neighbour, role::Settings};
use crate::{
    engine::{Buffer, BufferPool, SizeClass},
    protocol::{
        ConnectRequest, Refusal, Request,
        http1::{self, Parsed},
    },
    relay::{Inbound, Link, Live},
    tls::{Identity, IdentityError, identity},
    tunnel::{Phase, Stride},
};

/// A stream that is asked for.
pub(super) struct Demand {
    pub(super) request: ConnectRequest,
    pub(super) identity: Identity,
    /// What followed the head.
    pub(super) early: Option<Buffer>,
}

/// What a tunnel asked for.
pub(super) enum Asked {
    /// A stream, by an authenticated caller.
    Stream(Box<Demand>),
    /// Whether we are well, by an authenticated caller.
    Health,
    /// Something that is answered with a refusal; the caller, where that is known.
    Refused(Refusal, Option<Identity>),
    /// Nothing: the peer left, or its time was up.
    Nothing,
}

/// Reads the head, then judges the caller before it looks at what the caller wants, so that a
/// stranger learns nothing but that it is one.
pub(super) async fn read_request(
    pool: &BufferPool,
    (caller, settings, peer): (Result<Identity, Refusal>, &Settings, IpAddr),
    live: &Live,
    link: &Link,
    inbound: &mut Inbound,
) -> Asked {
    let Some((parsed, early)) = read_head(pool, live, link, inbound).await else {
        return Asked::Nothing;
    };
    match (caller, parsed) {
        // Whoever asks from this machine, our own probe above all, has no certificate.
        (Err(Refusal::NoCertificate), Ok(Request::Healthcheck))
            if is_neighbour(peer, settings.listen) =>
        {
            Asked::Health
        }
        (Err(refusal), _) => Asked::Refused(refusal, None),
        (Ok(identity), Err(refusal)) => Asked::Refused(refusal, Some(identity)),
        (Ok(_), Ok(Request::Healthcheck)) => Asked::Health,
        (Ok(identity), Ok(Request::Connect(request))) => {
            Asked::Stream(Box::new(Demand { request, identity, early }))
        }
    }
}

/// Who is at the other end of a tunnel, if it asked for us and showed who it is.
pub(super) fn caller_of(settings: &Settings, link: &Link) -> Result<Identity, Refusal> {
    link.with_session(|session| {
        let leaf = || session.peer_certificates().and_then(<[_]>::first).map(identity);
        judge_caller(settings, session.server_name(), leaf)
    })
}

/// Whether who asks for `server_name` and shows a certificate of an identity is somebody.
pub(super) fn judge_caller(
    settings: &Settings,
    server_name: Option<&str>,
    shown: impl FnOnce() -> Option<Result<Identity, IdentityError>>,
) -> Result<Identity, Refusal> {
    let names = &settings.server_names;
    let known = |name: &str| names.iter().any(|own| own.eq_ignore_ascii_case(name));
    if !names.is_empty() && !server_name.is_some_and(known) {
        return Err(Refusal::WrongServerName);
    }
    shown().ok_or(Refusal::NoCertificate)?.map_err(|_| Refusal::BadIdentity)
}

type Head = (Result<Request, Refusal>, Option<Buffer>);

async fn read_head(
    pool: &BufferPool,
    live: &Live,
    link: &Link,
    inbound: &mut Inbound,
) -> Option<Head> {
    // Bytes of a head that came in pieces. Almost every head comes in one.
    let mut head: Vec<u8> = Vec::new();
    loop {
        let mut chunk = inbound.next(link, pool, Stride::Small).await.ok()?;
        let in_one = head.is_empty();
        if !in_one {
            head.extend_from_slice(chunk.plain.filled());
        }
        let bytes = if in_one { chunk.plain.filled() } else { &head };
        match http1::parse_request(bytes) {
            Err(refusal) => return Some((Err(refusal), None)),
            Ok(Parsed::Done { value, consumed }) => {
                let early = if in_one {
                    chunk.plain.consume(consumed);
                    chunk.plain
                } else {
                    rest_of(pool, &head[consumed..])
                };
                return Some((Ok(value), (!early.is_empty()).then_some(early)));
            }
            Ok(Parsed::NeedMore) if chunk.closed => return None,
            Ok(Parsed::NeedMore) => {
                if in_one {
                    head.extend_from_slice(chunk.plain.filled());
                    if !head.is_empty() {
                        live.enter(Phase::Head, Instant::now());
                    }
                }
            }
        }
    }
}

/// What followed the head in its last piece: less than one buffer, because the head was
/// incomplete before that piece came.
fn rest_of(pool: &BufferPool, rest: &[u8]) -> Buffer {
    let mut buffer = pool.take_whole(SizeClass::Large);
    let taken = rest.len().min(buffer.spare_len());
    debug_assert_eq!(taken, rest.len(), "one receive fits one buffer");
    buffer.spare_mut()[..taken].copy_from_slice(&rest[..taken]);
    buffer.fill(taken);
    buffer
}
