//! Memory, processors and disk, as the incumbent tells them. There is no heap of a virtual machine:
//! that is 0.

use std::{
    path::Path,
    sync::{Arc, PoisonError},
};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::desk::{Desk, apart};
use crate::management::{
    Failure,
    accounts::{Caller, Permission},
    machine::{Disk, Memory, Ticks},
};

const MIB: u64 = 1024 * 1024;

pub(super) async fn memory(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
) -> Result<Response, Failure> {
    told(caller, desk, |_| {
        let memory = Memory::read().map_err(|error| unread("memory", &error))?;
        let Memory { total, free, own, swap_total, swap_free, swap_own } = memory;
        Ok(json!({
            "physicalKB": parts(total, own, free),
            "virtualKB": parts(total + swap_total, own + swap_own, free + swap_free),
            "cloudConnectorHeapKB": { "total": 0, "used": 0, "free": 0 },
        }))
    })
    .await
}

pub(super) async fn cpu(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
) -> Result<Response, Failure> {
    told(caller, desk, |desk| {
        let ticks = Ticks::read().map_err(|error| unread("processors", &error))?;
        let load = desk.meter.lock().unwrap_or_else(PoisonError::into_inner).look(ticks);
        Ok(json!({ "total": load.total, "CloudConnector": load.own }))
    })
    .await
}

pub(super) async fn disk(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
) -> Result<Response, Failure> {
    told(caller, desk, |desk| {
        let disk = desk.disk().map_err(|error| unread("disk", &error))?;
        Ok(parts(disk.total / MIB, disk.own.div_ceil(MIB), disk.free / MIB))
    })
    .await
}

impl Desk {
    /// The disk that has the store.
    pub(super) fn disk(&self) -> std::io::Result<Disk> {
        Disk::of(self.directory())
    }

    /// Where the store is.
    pub(super) fn directory(&self) -> &Path {
        self.store.path().parent().unwrap_or_else(|| Path::new("."))
    }
}

async fn told(
    caller: Caller,
    desk: Arc<Desk>,
    look: impl FnOnce(&Desk) -> Result<Value, Failure> + Send + 'static,
) -> Result<Response, Failure> {
    caller.must(Permission::SeeMonitoring)?;
    apart(&desk, look).await.map(|shown| Json(shown).into_response())
}

fn parts(total: u64, own: u64, free: u64) -> Value {
    let others = total.saturating_sub(own).saturating_sub(free);
    json!({ "total": total, "CloudConnector": own, "others": others, "free": free })
}

fn unread(what: &str, error: &std::io::Error) -> Failure {
    Failure::failed(format!("the system does not tell its {what}: {error}"))
}
