//! The whole store taken along, sealed with a password, and put in the place of what is there.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{
        FromRequest, Multipart, Request, State,
        multipart::{Field, MultipartError},
    },
    http::{
        StatusCode,
        header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    accounts::strong,
    body::{Fields, fits, has_type, there, too_large},
    desk::{Desk, apart, now_ms},
};
use crate::{
    limits::{BACKUP_BYTES_MAX, PASSWORD_BYTES_MAX, RESTORE_BODY_BYTES_MAX},
    management::{
        Failure,
        accounts::{Caller, Permission, Role},
        sealed::{SEAL_LEN, seal, unseal},
        store::{Account, Contents, StoreError},
    },
};

pub(super) async fn take(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    request: Request,
) -> Result<Response, Failure> {
    caller.must(Permission::Administer)?;
    let mut fields = Fields::read(request).await?;
    let password = there("password", fields.text("password"))?;
    fields.end(&[])?;
    // There are keys in it, and whoever finds it may guess as often as they like.
    strong("", &password)?;
    let turn = turn(&desk)?;
    let _turn = desk.hashing.acquire().await;
    let done = apart(&desk, move |desk| {
        let _turn = turn;
        let sealed = seal(&password, &desk.store.copy(BACKUP_BYTES_MAX - SEAL_LEN)?);
        desk.write(&caller, |_| Ok(((), "took a backup".to_owned())))?;
        Ok(sealed)
    });
    let named = "attachment; filename=\"causeway.backup\"";
    let head = [(CONTENT_TYPE, "application/octet-stream"), (CONTENT_DISPOSITION, named)];
    Ok((head, Body::from(done.await?)).into_response())
}

pub(super) async fn restore(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    request: Request,
) -> Result<StatusCode, Failure> {
    caller.must(Permission::Administer)?;
    let what = "a form with the parts backup and password";
    has_type(request.headers(), "multipart/form-data", what)?;
    fits(request.headers(), RESTORE_BODY_BYTES_MAX)?;
    let turn = turn(&desk)?;
    let (backup, password) = read(request).await?;
    let _turn = desk.hashing.acquire().await;
    let done = apart(&desk, move |desk| {
        let _turn = turn;
        let plain = unseal(&password, backup);
        let plain = plain.map_err(|error| Failure::invalid(format!("backup: {error}")))?;
        let contents = desk.store.look_into(&plain).map_err(refused)?;
        drop(plain);
        somebody_gets_in(&contents)?;
        put_in_place(desk, &caller, &contents)
    });
    done.await.map(|()| StatusCode::NO_CONTENT)
}

fn put_in_place(desk: &Desk, caller: &Caller, contents: &Contents) -> Result<(), Failure> {
    // What was carried until now is none of theirs who get the ids.
    desk.record_usage(now_ms())?;
    let ports = desk.ports();
    desk.write(caller, |edit| {
        edit.replace_all(contents).map_err(refused)?;
        let Contents { subaccounts, channels, accounts, .. } = contents;
        let what = format!(
            "restored a backup: {} subaccounts, {} channels, {} accounts",
            subaccounts.len(),
            channels.len(),
            accounts.len()
        );
        Ok(((), what))
    })?;
    drop(ports);
    desk.sessions().close_all();
    Ok(desk.put_in_force()?)
}

/// One's turn to hold a whole store in memory. Nobody waits for somebody else's slow upload.
fn turn(desk: &Desk) -> Result<OwnedSemaphorePermit, Failure> {
    let busy = || {
        Failure::illegal_state(
            "another backup is being made or restored; try again when that is done",
        )
    };
    desk.backups.clone().try_acquire_owned().map_err(|_| busy())
}

/// Backup and password.
async fn read(request: Request) -> Result<(Vec<u8>, String), Failure> {
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|error| Failure::invalid(error.body_text()))?;
    let (mut backup, mut password) = (None, None);
    while let Some(field) = form.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        let (part, max) = match name.as_str() {
            "backup" => (&mut backup, BACKUP_BYTES_MAX),
            "password" => (&mut password, PASSWORD_BYTES_MAX),
            _ => {
                let name = name.escape_debug();
                return Err(Failure::invalid(format!("{name} is not known here")));
            }
        };
        if part.is_some() {
            return Err(Failure::invalid(format!("{name} is there twice")));
        }
        *part = Some(bytes(field, &name, max).await?);
    }
    let missing = |name: &str| Failure::invalid(format!("{name} is missing"));
    let password = String::from_utf8(password.ok_or_else(|| missing("password"))?);
    let password = password.map_err(|_| Failure::invalid("password has to be UTF-8"))?;
    Ok((backup.ok_or_else(|| missing("backup"))?, password))
}

async fn bytes(mut field: Field<'_>, name: &str, max: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        if bytes.len() + chunk.len() > max {
            return Err(Failure::invalid(format!("{name} has more than {max} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn broken(error: MultipartError) -> Failure {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(RESTORE_BODY_BYTES_MAX),
        _ => Failure::invalid(format!("the form cannot be read: {}", error.body_text())),
    }
}

/// Goes on if there will be an administrator: nobody could make one.
fn somebody_gets_in(contents: &Contents) -> Result<(), Failure> {
    let administers = |one: &Account| {
        let shows = one.password.is_some() || one.certificate.is_some();
        shows && one.role == Role::Administrator.name()
    };
    if contents.accounts.iter().any(administers) {
        return Ok(());
    }
    Err(Failure::invalid(
        "backup: it has no Administrator, so nobody could log in; take another one",
    ))
}

/// What is wrong with a backup that could be opened; or with this machine.
fn refused(error: StoreError) -> Failure {
    let why = match error {
        StoreError::Newer { found, known, .. } => format!(
            "its store has form {found}, and this version knows {known}; restore it with the \
             version that made it, or a later one"
        ),
        StoreError::Broken { why, .. } => {
            format!("what is in it cannot be used: {why}; take another one")
        }
        StoreError::Full { what, max } => {
            format!("it has more than {max} {what}; restore it with the version that made it")
        }
        error => return error.into(),
    };
    Failure::invalid(format!("backup: {why}"))
}
