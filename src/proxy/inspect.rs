//! What operators ask a running proxy: mappings in force, certificates, effective configuration,
//! and what would happen to a CONNECT.

use std::{sync::PoisonError, time::SystemTime};

use serde_json::{Value, json};

use super::{explain::Finding, role::ProxyMessage, start::RunningProxy};
use crate::{
    limits,
    mapping::Mapping,
    protocol::{Question, Refusal},
    tls::CertificateEntry,
    worker::{Message, NoAnswer},
};

impl RunningProxy {
    /// Every mapping in force, ordered by subaccount, service and type, with the streams its
    /// subaccount has open; and the problems with others.
    pub fn mappings(&self) -> (Vec<Value>, Vec<String>) {
        let table = self.reloader().table();
        let mut mappings: Vec<_> = table.iter().collect();
        mappings.sort_unstable_by(|a, b| {
            let (one, other) = ((&a.subaccount, &a.service), (&b.subaccount, &b.service));
            one.cmp(&other).then(a.service_type.cmp(&b.service_type))
        });
        let usage: std::collections::HashMap<_, _> =
            table.tenants().map(|(subaccount, usage)| (subaccount, usage.open())).collect();
        let shown = mappings.into_iter().map(|mapping| {
            let mut shown = show(mapping);
            let open = usage.get(mapping.subaccount.as_str()).copied().unwrap_or_default();
            shown["subaccount_streams"] = open.into();
            shown
        });
        (shown.collect(), self.status().problems.clone())
    }

    /// The certificates, authorities and revocation lists in force, and what is wrong with newer
    /// files.
    pub fn certificates(&self, now: SystemTime) -> (Vec<Value>, Vec<String>) {
        let status = self.status();
        let entries = status.inventory.iter().map(|entry: &CertificateEntry| entry.to_json(now));
        (entries.collect(), status.tls_problem.iter().cloned().collect())
    }

    /// The effective configuration, without secrets.
    pub fn config(&self) -> Value {
        self.reloader().in_force().to_json()
    }

    /// What would happen to a CONNECT, on the worker a new connection would most likely go to,
    /// and on the others where that differs.
    ///
    /// # Errors
    /// No worker answered in time.
    pub fn explain(&self, question: &Question) -> Result<Value, String> {
        if question.dial {
            let sessions = self.crew().sessions();
            let idlest = (0..sessions.len()).min_by_key(|worker| sessions[*worker]).unwrap_or(0);
            let found = self.crew().ask(idlest, limits::EXPLAIN_DIAL_TIMEOUT, |answer| {
                Message::Role(ProxyMessage::Explain(Box::new(question.clone()), answer))
            });
            return match found {
                Ok(Some(found)) => Ok(told(question, &[(idlest, found)], &[])),
                Ok(None) => Err("there is no worker".to_owned()),
                Err(error) => Err(error.to_string()),
            };
        }
        let answers = self.crew().ask_all(|answer| {
            Message::Role(ProxyMessage::Explain(Box::new(question.clone()), answer))
        });
        let mut found = Vec::new();
        let mut problems: Vec<NoAnswer> = Vec::new();
        for (worker, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(answer) => found.push((worker, answer)),
                Err(problem) => problems.push(problem),
            }
        }
        let sessions = self.crew().sessions();
        found.sort_by_key(|(worker, _)| sessions.get(*worker).copied());
        if found.is_empty() {
            return Err("no worker answered in time".to_owned());
        }
        Ok(told(question, &found, &problems))
    }

    fn status(&self) -> std::sync::MutexGuard<'_, super::reload::Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn show(mapping: &Mapping) -> Value {
    json!({
        "name": mapping.name,
        "type": mapping.service_type.to_string(),
        "subaccount": mapping.subaccount,
        "service": mapping.service,
        "tenant": mapping.tenant,
        "internal_address": mapping.address.to_string(),
        "locations": mapping.locations,
        "source": mapping.source.to_string(),
    })
}

/// The answer in words and numbers; the first finding is the one that counts.
fn told(question: &Question, found: &[(usize, Finding)], problems: &[NoAnswer]) -> Value {
    let (worker, first) = &found[0];
    let status = status_of(first.refusal.as_ref());
    let differing: Vec<Value> = found
        .iter()
        .filter(|(_, finding)| finding.refusal != first.refusal)
        .map(|(worker, finding)| verdict(*worker, finding.refusal.as_ref()))
        .collect();
    json!({
        "allowed": first.refusal.is_none(),
        "status": status,
        "reason": first.refusal.as_ref().map(Refusal::reason),
        "proxy_status": first.refusal.as_ref().map(Refusal::proxy_status),
        "words": words(question, first),
        "mapping": first.mapping.as_deref().map(show),
        "dialled": first.dialled.map(|address| address.to_string()),
        "dial_ms": first.dial_time.map(|time| time.as_secs_f64() * 1000.0),
        "worker": worker,
        "workers_that_differ": differing,
        "problems": problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn status_of(refusal: Option<&Refusal>) -> u16 {
    refusal.map_or(200, Refusal::status)
}

fn verdict(worker: usize, refusal: Option<&Refusal>) -> Value {
    json!({
        "worker": worker,
        "status": status_of(refusal),
        "reason": refusal.map(Refusal::reason),
    })
}

fn words(question: &Question, finding: &Finding) -> String {
    let Some(refusal) = &finding.refusal else {
        let address = finding.mapping.as_ref().map(|mapping| mapping.address.to_string());
        let address = address.unwrap_or_default();
        return match finding.dialled {
            Some(dialled) => format!("the service at {address} accepted a connection ({dialled})"),
            None => format!("{address} would be dialled; whether it answers tells dial=true"),
        };
    };
    let advice = match (refusal, &finding.mapping) {
        (Refusal::LocationNotAllowed, Some(mapping)) => format!(
            "; the mapping allows {:?}, asked for was {:?}",
            mapping.locations,
            question.location.as_deref().unwrap_or_default()
        ),
        _ => String::new(),
    };
    format!("{refusal}{advice}")
}
