//! What operators ask and tell a role through the admin API. The role knows its workers; the
//! server knows only this.

use std::net::IpAddr;

use serde_json::Value;

use crate::protocol::Question;

/// What is listed, and can be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// TLS connections between connector and proxy.
    Tunnels,
    /// Clients' connections joined to services'.
    Streams,
}

/// Which entries of a list, and how many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Of this subaccount.
    pub subaccount: Option<String>,
    /// For this service.
    pub service: Option<String>,
    /// From this location.
    pub location: Option<String>,
    /// On this worker.
    pub worker: Option<usize>,
    /// In this state.
    pub state: Option<String>,
    /// With this peer.
    pub peer: Option<IpAddr>,
    /// Behind this entry, as `next` of an earlier answer named it.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// Nothing of that name; the text says what there is not.
    NotFound(String),
    /// The question is not one; the text says why.
    Bad(String),
    /// The workers did not answer in time.
    Busy(String),
}

/// A role under operation. Calls come from several threads at a time and may wait for workers.
pub trait Operations: Send + Sync + 'static {
    /// `proxy` or `connector`.
    fn role(&self) -> &'static str;
    /// The effective configuration, secrets masked.
    fn config(&self) -> Value;
    /// Certificates, authorities and revocation lists in force, and problems with newer files.
    fn certificates(&self) -> Value;
    /// The mappings in force.
    ///
    /// # Errors
    /// This role has none, or the selection is not one.
    fn mappings(&self, selection: &Selection) -> Result<Value, Unanswered>;
    /// Every worker, with its core, its load and its counters.
    fn workers(&self) -> Value;
    /// What would happen to a CONNECT.
    ///
    /// # Errors
    /// This role judges none, or no worker answered.
    fn explain(&self, question: &Question) -> Result<Value, Unanswered>;
    /// Tunnels or streams.
    ///
    /// # Errors
    /// The selection is not one.
    fn list(&self, kind: Kind, selection: &Selection) -> Result<Value, Unanswered>;
    /// Ends a tunnel or stream.
    ///
    /// # Errors
    /// There is no such one.
    fn kill(&self, kind: Kind, id: &str) -> Result<(), Unanswered>;
    /// Begins what SIGTERM begins.
    fn drain(&self);
    /// The log level in force.
    fn log_level(&self) -> String;
    /// Puts another log level in force.
    ///
    /// # Errors
    /// It is not one; the text says why.
    fn set_log_level(&self, level: &str) -> Result<(), String>;
}
