//! A running role as the admin API sees it.

use std::{sync::Arc, time::SystemTime};

use serde_json::Value;

use super::cluster::ProxyNode;
use crate::{
    connector::RunningConnector,
    protocol::Question,
    proxy::RunningProxy,
    relay::Face,
    telemetry::Counters,
    tunnel::SessionId,
    worker::{Look, NoAnswer, Plan, Seen},
};

/// What of a running role is its own.
pub(super) trait Operated: Send + Sync + 'static {
    /// `proxy` or `connector`.
    const ROLE: &'static str;
    /// The effective configuration.
    fn config(&self) -> Value;
    /// Certificates in force, and problems with newer files.
    fn certificates(&self, now: SystemTime) -> (Vec<Value>, Vec<String>);
    /// The mappings in force, and problems with others; nothing where there are no mappings.
    fn mappings(&self) -> Option<(Vec<Value>, Vec<String>)> {
        None
    }
    /// What would happen to a CONNECT; nothing where none is judged.
    fn explain(&self, _question: &Question) -> Option<Result<Value, String>> {
        None
    }
    /// Says from now on that no new work should come here.
    fn leave(&self);
    /// How its workers were started.
    fn plan(&self) -> &Plan;
    /// The counters of its workers.
    fn worker_counters(&self) -> &[Arc<Counters>];
    /// Lists tunnels or streams; `look` is given a worker's number.
    fn list(&self, look: &dyn Fn(usize) -> Look) -> Vec<Result<Seen, NoAnswer>>;
    /// Ends a tunnel or stream.
    ///
    /// # Errors
    /// Its worker does not answer.
    fn kill(&self, id: SessionId, face: Face) -> Result<bool, NoAnswer>;
}

impl Operated for RunningProxy {
    const ROLE: &'static str = "proxy";

    fn config(&self) -> Value {
        Self::config(self)
    }

    fn certificates(&self, now: SystemTime) -> (Vec<Value>, Vec<String>) {
        Self::certificates(self, now)
    }

    fn mappings(&self) -> Option<(Vec<Value>, Vec<String>)> {
        Some(Self::mappings(self))
    }

    fn explain(&self, question: &Question) -> Option<Result<Value, String>> {
        Some(Self::explain(self, question))
    }

    fn leave(&self) {
        Self::leave(self);
    }

    fn plan(&self) -> &Plan {
        self.crew().plan()
    }

    fn worker_counters(&self) -> &[Arc<Counters>] {
        self.crew().counters()
    }

    fn list(&self, look: &dyn Fn(usize) -> Look) -> Vec<Result<Seen, NoAnswer>> {
        self.crew().look(look)
    }

    fn kill(&self, id: SessionId, face: Face) -> Result<bool, NoAnswer> {
        self.crew().kill(id, face)
    }
}

impl Operated for ProxyNode {
    const ROLE: &'static str = RunningProxy::ROLE;

    fn config(&self) -> Value {
        Operated::config(&*self.proxy)
    }

    fn certificates(&self, now: SystemTime) -> (Vec<Value>, Vec<String>) {
        Operated::certificates(&*self.proxy, now)
    }

    fn mappings(&self) -> Option<(Vec<Value>, Vec<String>)> {
        Operated::mappings(&*self.proxy)
    }

    fn explain(&self, question: &Question) -> Option<Result<Value, String>> {
        Operated::explain(&*self.proxy, question)
    }

    fn leave(&self) {
        Operated::leave(&*self.proxy);
    }

    fn plan(&self) -> &Plan {
        Operated::plan(&*self.proxy)
    }

    fn worker_counters(&self) -> &[Arc<Counters>] {
        Operated::worker_counters(&*self.proxy)
    }

    fn list(&self, look: &dyn Fn(usize) -> Look) -> Vec<Result<Seen, NoAnswer>> {
        Operated::list(&*self.proxy, look)
    }

    fn kill(&self, id: SessionId, face: Face) -> Result<bool, NoAnswer> {
        Operated::kill(&*self.proxy, id, face)
    }
}

impl Operated for RunningConnector {
    const ROLE: &'static str = "connector";

    fn config(&self) -> Value {
        Self::config(self)
    }

    fn certificates(&self, now: SystemTime) -> (Vec<Value>, Vec<String>) {
        Self::certificates(self, now)
    }

    fn leave(&self) {
        Self::leave(self);
    }

    fn plan(&self) -> &Plan {
        self.crew().plan()
    }

    fn worker_counters(&self) -> &[Arc<Counters>] {
        self.crew().counters()
    }

    fn list(&self, look: &dyn Fn(usize) -> Look) -> Vec<Result<Seen, NoAnswer>> {
        self.crew().look(look)
    }

    fn kill(&self, id: SessionId, face: Face) -> Result<bool, NoAnswer> {
        self.crew().kill(id, face)
    }
}
