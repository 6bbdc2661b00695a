//! Opening a stream in mode `multiplexed`: a frame on one of the channel's tunnels.

use super::{
    multiplexed::Multiplexed,
    session::{OpenError, Visit},
};
use crate::{
    config::ChannelType,
    limits,
    protocol::http2,
    relay::{self, ClientTunnel, MuxSink, MuxSource, Opened},
    tunnel::PLACE_TIMEOUT,
};

/// A request that no proxy did anything for is sent again this often: another tunnel each time,
/// unless there is only one.
const ATTEMPTS: usize = 3;

/// A stream the proxy agreed to.
pub(super) struct OpenedStream {
    pub(super) tunnel: ClientTunnel,
    pub(super) source: MuxSource,
    pub(super) sink: MuxSink,
}

impl Visit {
    /// Asks on the tunnel with the fewest bytes in flight; waits for one while none is up, so
    /// that a proxy's restart costs a client time and not its stream.
    pub(super) async fn open_multiplexed(
        &self,
        tunnels: &Multiplexed,
    ) -> Result<OpenedStream, OpenError> {
        let endpoint = &self.channel.config.endpoint;
        let is_rfc = self.channel.config.service_type == ChannelType::Rfc;
        let location = &self.identity.owner.location;
        let mut last = OpenError::NoTunnel;
        for _ in 0..ATTEMPTS {
            let tunnel = tunnels.place(PLACE_TIMEOUT).await.ok_or(OpenError::NoTunnel)?;
            let asked = (&*endpoint.service, endpoint.port);
            let request = http2::write_connect(asked, location, is_rfc, &self.trace.to_string())
                .ok_or(OpenError::Unsendable)?;
            let asked = tunnel.open(request);
            // Forgetting the request resets its stream; no operation on a socket is involved.
            let Ok(answer) = tokio::time::timeout(limits::CONNECT_ANSWER_TIMEOUT, asked).await
            else {
                return Err(OpenError::TimedOut);
            };
            match answer {
                Ok(Opened::Stream(source, sink)) => {
                    self.channel.works();
                    self.live.set_tunnel(sink.clone());
                    return Ok(OpenedStream { tunnel, source, sink });
                }
                Ok(Opened::Refused(status, proxy_status)) => {
                    return Err(OpenError::Refused { status, proxy_status });
                }
                Err(relay::OpenError::Retry) => {
                    last = OpenError::Lost("the proxy takes no more streams".to_owned());
                }
                Err(relay::OpenError::Failed(why)) => return Err(OpenError::Lost(why)),
            }
        }
        Err(last)
    }
}
