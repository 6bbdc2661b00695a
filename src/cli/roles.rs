//! The two roles as nodes: why they are not ready, and what they know besides counters.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::node::{Node, unix_seconds};
use crate::{
    config::ConfigStatus,
    connector::{RunningChannel, RunningConnector},
    limits,
    proxy::RunningProxy,
    telemetry::{Counters, Fact, News, Several},
    tls::Facts,
};

impl Node for RunningProxy {
    fn role(&self) -> &'static str {
        "proxy"
    }

    fn unready(&self) -> Vec<String> {
        Self::unready(self)
    }

    fn look(&self) -> Option<oneshot::Receiver<()>> {
        Self::look(self)
    }

    fn facts(&self) -> Vec<(Fact, u64)> {
        let (mappings, problems) = self.mapping_counts();
        let mut facts = config_facts(&self.config_status(), self.reloads());
        facts.extend([
            (Fact::Mappings, mappings as u64),
            (Fact::MappingProblems, problems as u64),
            (Fact::CreditBytesMax, limits::WORKER_LOAN_BYTES_MAX as u64),
        ]);
        facts.extend(self.certificate().iter().flat_map(ends));
        facts
    }

    fn take_news(&self) -> (Vec<(usize, News)>, Vec<String>) {
        self.crew().take_news()
    }

    fn counters(&self) -> &[Arc<Counters>] {
        self.crew().counters()
    }

    fn details(&self) -> serde_json::Value {
        Self::details(self)
    }

    fn silent(&self) -> Vec<usize> {
        self.crew().silent()
    }
}

/// Of the configuration, and with it of the other files: `(took effect, refused)`.
fn config_facts(status: &ConfigStatus, others: (u64, u64)) -> Vec<(Fact, u64)> {
    vec![
        (Fact::Reloads, status.reloads + others.0),
        (Fact::ReloadsFailed, status.refused + others.1),
        (Fact::ConfigurationDiffers, status.differs().into()),
    ]
}

impl Node for RunningConnector {
    fn role(&self) -> &'static str {
        "connector"
    }

    fn several(&self) -> Vec<Several> {
        let channels = self.channels();
        let enabled = || channels.iter().filter(|channel| channel.config.enabled);
        let of_each = |name, help, value: fn(&RunningChannel) -> u64| {
            let labels = |channel: &RunningChannel| {
                let local = channel.address.unwrap_or(channel.config.local).to_string();
                vec![
                    ("subaccount", channel.owner.subaccount.clone()),
                    ("service", channel.config.endpoint.service.clone()),
                    ("local", local),
                    ("channel", channel.id.map(|id| id.to_string()).unwrap_or_default()),
                ]
            };
            let values = enabled().map(|channel| (labels(channel), value(channel))).collect();
            Several { name, help, values }
        };
        vec![
            of_each("channel_tunnels_ready", "Tunnels ready for streams.", |channel| {
                channel.status.connected().0 as u64
            }),
            of_each("channel_tunnels_wanted", "Tunnels that are kept ready.", |channel| {
                channel.status.connected().1 as u64
            }),
            of_each("channel_problem", "Whether the channel has a problem.", |channel| {
                u64::from(channel.status.problem().is_some())
            }),
        ]
    }

    fn unready(&self) -> Vec<String> {
        if self.is_draining() {
            return vec!["draining".to_owned()];
        }
        // One refused service is that channel's trouble; a connector that can serve none is not
        // ready.
        let channels = self.channels();
        let enabled = || channels.iter().filter(|channel| channel.config.enabled);
        let problem = |channel: &RunningChannel| {
            let problem = channel.status.problem()?;
            Some(format!("channel {}: {problem}", channel.config.endpoint))
        };
        let problems: Vec<String> = enabled().filter_map(problem).collect();
        if problems.len() < enabled().count() { Vec::new() } else { problems }
    }

    fn facts(&self) -> Vec<(Fact, u64)> {
        let mut facts = config_facts(&self.config_status(), self.reloads());
        facts.extend(self.certificate().iter().flat_map(ends));
        facts
    }

    fn take_news(&self) -> (Vec<(usize, News)>, Vec<String>) {
        self.crew().take_news()
    }

    fn counters(&self) -> &[Arc<Counters>] {
        self.crew().counters()
    }

    fn details(&self) -> serde_json::Value {
        Self::details(self)
    }

    fn silent(&self) -> Vec<usize> {
        self.crew().silent()
    }
}

/// When a certificate ends, and the first of the authorities beside it.
fn ends(facts: &Facts) -> Vec<(Fact, u64)> {
    let own = (Fact::CertificateNotAfter, unix_seconds(facts.not_after));
    let authority = facts.authority_not_after.map(unix_seconds);
    let authority = authority.map(|end| (Fact::AuthorityNotAfter, end));
    std::iter::once(own).chain(authority).collect()
}
