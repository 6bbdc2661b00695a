//! Driving one rustls connection, whichever side it is.

use std::ops::Deref;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, UnbufferedConnectionCommon, UnbufferedStatus,
};

use crate::tls::{TlsError, server};

/// What the client's and the server's connection have in common.
pub(super) trait Connection: Deref<Target = UnbufferedConnectionCommon<Self::Data>> {
    type Data;

    fn process<'c, 'i>(
        &'c mut self,
        incoming: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data>;

    /// The name asked for in a hello that was processed since the last call.
    fn take_server_name() -> Option<Box<str>> {
        None
    }
}

impl Connection for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(
        &'c mut self,
        incoming: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

impl Connection for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(
        &'c mut self,
        incoming: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }

    fn take_server_name() -> Option<Box<str>> {
        server::take_asked_name()
    }
}

/// What processing some records came to.
#[derive(Default)]
pub(super) struct Fed {
    /// Bytes at the front that rustls needs no longer.
    pub(super) discard: usize,
    /// Bytes of plaintext.
    pub(super) produced: usize,
    /// The peer's close_notify was among them.
    pub(super) peer_closed: bool,
}

/// Lets rustls work through `incoming` (whole records) until it wants something new.
pub(super) fn process<C: Connection>(
    connection: &mut C,
    incoming: &mut [u8],
    plain: &mut [u8],
    control: &mut Vec<u8>,
) -> Result<Fed, TlsError> {
    let mut fed = Fed::default();
    loop {
        let UnbufferedStatus { discard, state } = connection.process(&mut incoming[fed.discard..]);
        let mut idle = false;
        match state? {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let payload = record?.payload;
                    let end = fed.produced + payload.len();
                    plain
                        .get_mut(fed.produced..end)
                        .ok_or_else(|| TlsError::internal("plaintext without room"))?
                        .copy_from_slice(payload);
                    fed.produced = end;
                }
                // Saves a call per record of data.
                idle = fed.discard + discard == incoming.len();
            }
            ConnectionState::EncodeTlsData(mut data) => append(&mut data, control)?,
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::PeerClosed => fed.peer_closed = true,
            ConnectionState::BlockedHandshake
            | ConnectionState::WriteTraffic(_)
            | ConnectionState::Closed => idle = true,
            other => return Err(unexpected(&other)),
        }
        fed.discard += discard;
        if idle {
            return Ok(fed);
        }
    }
}

/// Appends what rustls has ready to send.
pub(super) fn append<D>(
    data: &mut EncodeTlsData<'_, D>,
    out: &mut Vec<u8>,
) -> Result<(), TlsError> {
    let Err(EncodeError::InsufficientSize(needed)) = data.encode(&mut []) else {
        return Err(TlsError::internal("nothing to encode"));
    };
    let start = out.len();
    out.resize(start + needed.required_size, 0);
    match data.encode(&mut out[start..]) {
        Ok(_) => Ok(()),
        Err(error) => Err(TlsError::internal(error)),
    }
}

/// A state that cannot be where it was met.
pub(super) fn unexpected<D>(state: &ConnectionState<'_, '_, D>) -> TlsError {
    TlsError::internal(format_args!("unexpected state {state:?}"))
}
