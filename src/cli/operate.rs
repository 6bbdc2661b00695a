//! The admin API over a running role: selections become questions to its workers, what they saw
//! becomes JSON.

use std::{sync::Arc, time::SystemTime};

use serde_json::{Value, json};

use super::{operated::Operated, signals::EndSwitch};
use crate::{
    admin::{Kind, Operations, Selection, Unanswered},
    protocol::Question,
    relay::{Face, View},
    telemetry::{Count, Counters, Gauge, log},
    tunnel::{Phase, SessionId},
    worker::{Filter, Look, Seen},
};

/// A running role with what the process adds to it.
pub(super) struct Operator<N> {
    pub(super) node: Arc<N>,
    pub(super) log: log::Control,
    pub(super) end: EndSwitch,
}

impl<N: Operated> Operations for Operator<N> {
    fn role(&self) -> &'static str {
        N::ROLE
    }

    fn config(&self) -> Value {
        self.node.config()
    }

    fn certificates(&self) -> Value {
        let (certificates, problems) = self.node.certificates(SystemTime::now());
        json!({ "certificates": certificates, "problems": problems })
    }

    fn mappings(&self, selection: &Selection) -> Result<Value, Unanswered> {
        let (mappings, problems) = self.node.mappings().ok_or_else(|| {
            Unanswered::NotFound("a connector has no mappings; ask the proxy".to_owned())
        })?;
        for (name, given) in [
            ("worker", selection.worker.is_some()),
            ("state", selection.state.is_some()),
            ("peer", selection.peer.is_some()),
        ] {
            if given {
                return Err(Unanswered::Bad(format!("a mapping has no {name}")));
            }
        }
        page_of_mappings(mappings, problems, selection)
    }

    fn workers(&self) -> Value {
        let nothing = |face| Look { face, filter: Filter::default(), after: None, entries_max: 0 };
        let tunnels = self.node.list(&|_| nothing(Face::Tunnel));
        let streams = self.node.list(&|_| nothing(Face::Stream));
        let plan = self.node.plan();
        let workers: Vec<Value> = self
            .node
            .worker_counters()
            .iter()
            .zip(plan.cores.iter().zip(tunnels.iter().zip(&streams)))
            .enumerate()
            .map(|(index, (counters, (core, (tunnels, streams))))| {
                let mut worker = counted(counters);
                worker["worker"] = index.into();
                worker["core"] = json!(core);
                worker["answers"] = (tunnels.is_ok() && streams.is_ok()).into();
                worker["draining"] = json!(tunnels.as_ref().ok().map(|seen| seen.draining));
                worker["tunnels"] = json!(tunnels.as_ref().ok().map(|seen| seen.total));
                worker["streams"] = json!(streams.as_ref().ok().map(|seen| seen.total));
                worker
            })
            .collect();
        json!({ "role": N::ROLE, "engine": plan.kind.to_string(), "workers": workers })
    }

    fn explain(&self, question: &Question) -> Result<Value, Unanswered> {
        let explained = self.node.explain(question).ok_or_else(|| {
            Unanswered::NotFound("a connector judges no CONNECT; ask the proxy".to_owned())
        })?;
        explained.map_err(Unanswered::Busy)
    }

    fn list(&self, kind: Kind, selection: &Selection) -> Result<Value, Unanswered> {
        let face = face_of(kind);
        let filter = filter_of(selection)?;
        let after = match &selection.after {
            None => None,
            Some(id) => Some(id.parse::<SessionId>().map_err(|why| bad("after", why))?),
        };
        let workers = self.node.plan().cores.len();
        if selection.worker.is_some_and(|worker| worker >= workers) {
            return Err(Unanswered::NotFound(format!("there are {workers} workers, from 0")));
        }
        let entries_max = selection.limit;
        let seen = self.node.list(&|worker| Look {
            face,
            filter: filter.clone(),
            after: match after {
                Some(after) if worker < after.worker => Some(usize::MAX),
                Some(after) if worker == after.worker => Some(after.key.index()),
                _ => None,
            },
            entries_max: if selection.worker.is_none_or(|w| w == worker) { entries_max } else { 0 },
        });
        let mut page = Page::new(entries_max);
        for (worker, seen) in seen.into_iter().enumerate() {
            if selection.worker.is_none_or(|wanted| wanted == worker) {
                match seen {
                    Ok(seen) => page.add(worker, seen, |view| shown(kind, worker, view)),
                    Err(problem) => page.problems.push(problem.to_string()),
                }
            }
        }
        let name = match kind {
            Kind::Tunnels => "tunnels",
            Kind::Streams => "streams",
        };
        Ok(page.into_json(name))
    }

    fn kill(&self, kind: Kind, id: &str) -> Result<(), Unanswered> {
        let missing = || Unanswered::NotFound(format!("there is no {id} (any more)"));
        // Text that is no id names nothing either.
        let id: SessionId = id.parse().map_err(|_| missing())?;
        match self.node.kill(id, face_of(kind)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(missing()),
            Err(problem) => Err(Unanswered::Busy(problem.to_string())),
        }
    }

    fn drain(&self) {
        self.node.leave();
        self.end.press();
    }

    fn log_level(&self) -> String {
        self.log.level()
    }

    fn set_log_level(&self, level: &str) -> Result<(), String> {
        self.log.set_level(level).map_err(|error| error.to_string())
    }
}

fn bad(name: &str, why: impl std::fmt::Display) -> Unanswered {
    Unanswered::Bad(format!("{name}: {why}"))
}

fn face_of(kind: Kind) -> Face {
    match kind {
        Kind::Tunnels => Face::Tunnel,
        Kind::Streams => Face::Stream,
    }
}

fn filter_of(selection: &Selection) -> Result<Filter, Unanswered> {
    let phase = match &selection.state {
        None => None,
        Some(name) => {
            let known = Phase::ALL.into_iter().find(|phase| phase.name() == name);
            let names = Phase::ALL.map(Phase::name).join(", ");
            Some(known.ok_or_else(|| bad("state", format!("there are {names}")))?)
        }
    };
    Ok(Filter {
        subaccount: selection.subaccount.clone(),
        service: selection.service.clone(),
        location: selection.location.clone(),
        phase,
        peer: selection.peer.map(|peer| peer.to_canonical()),
    })
}

/// What the workers saw, as far as it fits one answer.
struct Page {
    entries_max: usize,
    entries: Vec<Value>,
    total: usize,
    /// The last entry, if there are more behind it.
    next: Option<SessionId>,
    last: Option<SessionId>,
    problems: Vec<String>,
}

impl Page {
    fn new(entries_max: usize) -> Self {
        let (entries, problems) = (Vec::new(), Vec::new());
        Self { entries_max, entries, total: 0, next: None, last: None, problems }
    }

    fn add(&mut self, worker: usize, seen: Seen, show: impl Fn(&View) -> Value) {
        self.total += seen.total;
        let room = self.entries_max - self.entries.len();
        for view in seen.views.iter().take(room) {
            self.entries.push(show(view));
            self.last = Some(SessionId { worker, key: view.key });
        }
        if seen.has_more || seen.views.len() > room {
            // Once there is one, nothing follows: the page is full.
            self.next = self.last;
        }
    }

    fn into_json(self, name: &str) -> Value {
        json!({
            "total": self.total,
            name: self.entries,
            "next": self.next.map(|id| id.to_string()),
            "problems": self.problems,
        })
    }
}

fn shown(kind: Kind, worker: usize, view: &View) -> Value {
    let id = |key| SessionId { worker, key }.to_string();
    let aim = view.aim.as_ref();
    let mut shown = json!({
        "id": id(view.key),
        "worker": worker,
        "state": view.phase.name(),
        "subaccount": aim.map(|aim| &aim.subaccount),
        "location": aim.and_then(|aim| aim.location.as_ref()),
        "peer": view.peer.map(|peer| peer.to_string()),
        "age_ms": view.age.as_millis() as u64,
    });
    match kind {
        Kind::Tunnels => {
            let one = usize::from(view.phase == Phase::Relaying);
            let mode = |many| if many { "multiplexed" } else { "direct" };
            shown["mode"] = json!(view.is_multiplexed.map(mode));
            shown["streams"] = view.streams.unwrap_or(one).into();
            shown["bytes_in_flight"] = view.bytes_in_flight.into();
        }
        Kind::Streams => {
            let (up, down) = view.moved_bytes;
            shown["service"] = json!(aim.and_then(|aim| aim.service.as_ref()));
            shown["dialled"] = json!(view.target.map(|target| target.to_string()));
            shown["tunnel"] = json!(view.carrier.map(id));
            shown["bytes_up"] = up.into();
            shown["bytes_down"] = down.into();
            shown["quiet_ms"] = (view.quiet.as_millis() as u64).into();
        }
    }
    shown
}

fn counted(counters: &Counters) -> Value {
    let mut shown = json!({});
    for (gauge, name) in [
        (Gauge::Sessions, "sessions"),
        (Gauge::Handshakes, "handshakes"),
        (Gauge::Dials, "dials"),
        (Gauge::BufferBytes, "buffer_bytes"),
    ] {
        shown[name] = counters.gauge(gauge).into();
    }
    for (count, name) in [
        (Count::Accepted, "accepted"),
        (Count::HandedOver, "handed_over"),
        (Count::HandshakesOk, "handshakes_ok"),
        (Count::StreamsOpened, "streams_opened"),
        (Count::BytesUp, "bytes_up"),
        (Count::BytesDown, "bytes_down"),
    ] {
        shown[name] = counters.count(count).into();
    }
    shown
}

fn page_of_mappings(
    mappings: Vec<Value>,
    problems: Vec<String>,
    selection: &Selection,
) -> Result<Value, Unanswered> {
    let skipped: usize = match &selection.after {
        None => 0,
        Some(after) => after.parse().map_err(|_| bad("after", "no `next` of an answer"))?,
    };
    let is = |wanted: &Option<String>, found: &Value| {
        wanted.as_deref().is_none_or(|wanted| found.as_str() == Some(wanted))
    };
    let matching = |mapping: &Value| {
        is(&selection.subaccount, &mapping["subaccount"])
            && is(&selection.service, &mapping["service"])
            && selection.location.as_deref().is_none_or(|location| {
                mapping["locations"].as_array().is_some_and(|all| all.iter().any(|l| l == location))
            })
    };
    let selected: Vec<Value> = mappings.into_iter().filter(matching).collect();
    let total = selected.len();
    let end = skipped.saturating_add(selection.limit);
    let page: Vec<Value> = selected.into_iter().skip(skipped).take(selection.limit).collect();
    Ok(json!({
        "total": total,
        "mappings": page,
        "next": (end < total).then(|| end.to_string()),
        "problems": problems,
    }))
}
