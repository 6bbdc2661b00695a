//! Opening a stream in mode `direct`: a tunnel of its own, warm or dialled now.

use std::time::Instant;

use super::{
    dial::Tunnel,
    session::{OpenError, Visit},
    warm::Warm,
};
use crate::{
    config::ChannelType,
    engine::Buffer,
    limits,
    protocol::{
        http1::{self, Answer, Parsed},
        target::{SERVICE_TYPE_HEADER, TRACEPARENT_HEADER},
    },
    relay::{LinkError, with_deadline},
    tunnel::Stride,
};

/// A stream the proxy agreed to, and what followed its answer.
pub(super) struct Opened {
    pub(super) tunnel: Tunnel,
    pub(super) early: Option<Buffer>,
}

impl Visit {
    /// A warm tunnel first; if that turns out to be dead, one dialled now. Nothing has been sent
    /// for the client before the proxy answered, so trying again is safe.
    pub(super) async fn open_direct(&self, warm: &Warm) -> Result<Opened, OpenError> {
        if let Some(tunnel) = warm.take(&self.channel.status, Instant::now()) {
            match self.ask(tunnel).await {
                // A tunnel that died unseen, or whose proxy is going away: another may stand
                // behind the same address.
                Err(OpenError::Lost(_) | OpenError::Refused { status: 503, .. })
                    if self.live.failure().is_none() => {}
                other => return other,
            }
        }
        let going_on = |_: &_| self.live.failure().is_none();
        let dialled = self.channel.dial(&self.shard, &self.role, going_on).await?;
        self.ask(dialled).await
    }

    async fn ask(&self, mut tunnel: Tunnel) -> Result<Opened, OpenError> {
        self.live.set_tunnel(tunnel.link.clone());
        let endpoint = &self.channel.config.endpoint;
        let mut head = Vec::new();
        let location = &self.identity.owner.location;
        let trace = self.trace.to_string();
        let mut fields = vec![(TRACEPARENT_HEADER, trace.as_str())];
        fields.extend(self.kind());
        http1::write_connect(&endpoint.service, endpoint.port, location, &fields, &mut head)
            .map_err(|_| OpenError::Unsendable)?;
        let link = tunnel.link.clone();
        let asking = self.exchange(&mut tunnel, &head);
        let timeout = limits::CONNECT_ANSWER_TIMEOUT;
        let (answered, timed_out) = with_deadline(link.socket(), timeout, asking).await;
        let (answer, early) = match answered {
            Err(_) if timed_out => return Err(OpenError::TimedOut),
            other => other?,
        };
        if answer.status != 200 {
            let Answer { status, proxy_status, .. } = answer;
            return Err(OpenError::Refused { status, proxy_status });
        }
        self.channel.works();
        Ok(Opened { tunnel, early })
    }

    /// The header that asks for an RFC mapping; TCP is what the proxy assumes.
    fn kind(&self) -> &'static [(&'static str, &'static str)] {
        match self.channel.config.service_type {
            ChannelType::Tcp => &[],
            ChannelType::Rfc => &[(SERVICE_TYPE_HEADER, "RFC")],
        }
    }

    async fn exchange(
        &self,
        tunnel: &mut Tunnel,
        head: &[u8],
    ) -> Result<(Answer, Option<Buffer>), OpenError> {
        let pool = &self.shard.pool;
        tunnel.link.send(pool, head).await.map_err(lost)?;
        let mut seen: Option<Buffer> = None;
        loop {
            let chunk = tunnel.inbound.next(&tunnel.link, pool, Stride::Small).await;
            let chunk = chunk.map_err(lost)?;
            let mut bytes = joined(seen.take(), chunk.plain).ok_or(OpenError::NotHttp)?;
            match http1::parse_answer(bytes.filled()) {
                Err(_) => return Err(OpenError::NotHttp),
                Ok(Parsed::Done { value, consumed }) => {
                    bytes.consume(consumed);
                    return Ok((value, (!bytes.is_empty()).then_some(bytes)));
                }
                Ok(Parsed::NeedMore) if chunk.closed => {
                    return Err(lost(LinkError::Truncated));
                }
                Ok(Parsed::NeedMore) => seen = Some(bytes),
            }
        }
    }
}

fn lost(error: LinkError) -> OpenError {
    OpenError::Lost(error.to_string())
}

/// Two pieces of an answer in one buffer; `None` when an answer is longer than any should be.
fn joined(first: Option<Buffer>, second: Buffer) -> Option<Buffer> {
    let Some(mut first) = first else {
        return Some(second);
    };
    first.compact();
    let bytes = second.filled();
    first.spare_mut().get_mut(..bytes.len())?.copy_from_slice(bytes);
    first.fill(bytes.len());
    Some(first)
}
