//! Opening a TCP connection to a name: resolve now, try every address, bound the whole.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    time::{Duration, Instant},
};

use super::{Shard, with_deadline};
use crate::{engine::Socket, limits};

/// Why no connection could be opened.
#[derive(Debug)]
pub enum DialError {
    /// The name has no address. Carries what the resolver said.
    Unresolvable(String),
    /// Every address refused or was unreachable. Carries the last address and its error.
    Unreachable(SocketAddr, io::Error),
    /// Nothing answered in time.
    TimedOut,
    /// Too many dials are under way on this worker.
    Overloaded,
    /// The process has too little of something; the label of it.
    Exhausted(&'static str),
    /// The stream was ended while its service was being dialled.
    Abandoned,
}

impl DialError {
    /// The stable label for counters: one of [`crate::telemetry::names::DIAL_RESULTS`].
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unresolvable(_) => "unresolvable",
            Self::Unreachable(_, why) if why.kind() == io::ErrorKind::ConnectionRefused => {
                "refused"
            }
            Self::Unreachable(..) => "unreachable",
            Self::TimedOut => "timeout",
            Self::Overloaded | Self::Exhausted(_) => "overloaded",
            Self::Abandoned => "abandoned",
        }
    }
}

impl std::fmt::Display for DialError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unresolvable(why) => write!(f, "the name cannot be resolved: {why}"),
            Self::Unreachable(address, error) => write!(f, "{address}: {error}"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Overloaded => f.write_str("too many dials are under way"),
            Self::Exhausted(what) => write!(f, "this process has too few resources: {what}"),
            Self::Abandoned => f.write_str("the stream ended before its service answered"),
        }
    }
}

/// Opens a tuned connection to `host:port`.
///
/// The name is resolved at every call, so a moved service is followed. Addresses are tried in the
/// resolver's order; each may take its share of the time that is left. `attempt` is told of each
/// socket before it is connected and says whether to go on: aborting that socket ends the dial.
pub async fn connect_any(
    shard: &Shard,
    host: &str,
    port: u16,
    timeout: Duration,
    mut attempt: impl FnMut(&Socket) -> bool,
) -> Result<(Socket, SocketAddr), DialError> {
    let _permit = shard.dial_permit().ok_or(DialError::Overloaded)?;
    let deadline = Instant::now() + timeout;
    let addresses = resolve(host, port, timeout).await?;
    let mut last = DialError::TimedOut;
    for (position, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let untried = u32::try_from(addresses.len() - position).unwrap_or(u32::MAX);
        let share = (left / untried).max(limits::DIAL_ADDRESS_TIMEOUT_MIN).min(left);
        let socket = match Socket::open(&shard.driver, *address) {
            Ok(socket) => socket,
            Err(error) => match shard.shed("socket", &error) {
                // The next address would need the same.
                Some(resource) => return Err(DialError::Exhausted(resource)),
                None => {
                    last = DialError::Unreachable(*address, error);
                    continue;
                }
            },
        };
        if !attempt(&socket) {
            return Err(DialError::Abandoned);
        }
        match connected(&socket, share).await {
            Ok(()) => {
                // A socket that is already gone again shows at its first use.
                let _ = socket.send_at_once();
                return Ok((socket, *address));
            }
            Err(None) => last = DialError::TimedOut,
            Err(Some(error)) => last = DialError::Unreachable(*address, error),
        }
    }
    Err(last)
}

/// Waits for the connection; `Err(None)` when `timeout` passed first.
async fn connected(socket: &Socket, timeout: Duration) -> Result<(), Option<io::Error>> {
    let (outcome, timed_out) = with_deadline(socket, timeout, socket.connected()).await;
    match outcome {
        Ok(()) => Ok(()),
        Err(_) if timed_out => Err(None),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(None),
        Err(error) => Err(Some(error)),
    }
}

async fn resolve(host: &str, port: u16, timeout: Duration) -> Result<Vec<SocketAddr>, DialError> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let name = host.to_owned();
    // The system's resolver blocks and knows what no other knows: hosts file, search domains, nss.
    let lookup = tokio::task::spawn_blocking(move || {
        (name.as_str(), port).to_socket_addrs().map(|found| {
            let mut addresses: Vec<SocketAddr> = Vec::new();
            for address in found {
                if !addresses.contains(&address) && addresses.len() < limits::DIAL_ADDRESSES_MAX {
                    addresses.push(address);
                }
            }
            addresses
        })
    });
    match tokio::time::timeout(timeout, lookup).await {
        Err(_) => Err(DialError::TimedOut),
        Ok(Ok(Ok(addresses))) if !addresses.is_empty() => Ok(addresses),
        Ok(Ok(Ok(_))) => Err(DialError::Unresolvable("the name has no address".to_owned())),
        Ok(Ok(Err(error))) => Err(DialError::Unresolvable(error.to_string())),
        Ok(Err(error)) => Err(DialError::Unresolvable(error.to_string())),
    }
}
