//! Accounts: listed, made, changed and deleted by administrators; everybody changes their own
//! password. Whoever is logged in to an account that is changed or deleted is so no more.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    body::{Fields, there},
    desk::{Desk, apart, now_ms},
    path::{Base, Named, location},
    who::verified,
};
use crate::{
    limits::ACCOUNT_NAME_BYTES_MAX,
    management::{
        Failure,
        accounts::{Caller, Permission, Role, check_strength, hash},
        store::{Account, Edit},
    },
    tls::sha256_of_certificate,
};

/// An account's path.
#[derive(Deserialize)]
pub(super) struct OfAccount {
    user: String,
}

pub(super) async fn list(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
) -> Result<Response, Failure> {
    caller.must(Permission::Administer)?;
    let all = apart(&desk, |desk| Ok(desk.store.accounts()?)).await?;
    Ok(Json(all.iter().map(entity).collect::<Vec<Value>>()).into_response())
}

fn entity(one: &Account) -> Value {
    let mut shown = json!({ "user": one.name, "role": one.role });
    if let Some(sha256) = &one.certificate {
        shown["certificateSha256"] = json!(sha256);
    }
    shown
}

pub(super) async fn create(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    base: Base,
    request: Request,
) -> Result<Response, Failure> {
    caller.must(Permission::Administer)?;
    let mut fields = Fields::read(request).await?;
    let user = there("user", fields.text("user"))?;
    let password = fields.text("password")?;
    let certificate = certificate(&mut fields)?.flatten();
    let role = there("role", fields.text("role")).and_then(|name| role(&name))?;
    fields.end(&[])?;
    check_name(&user)?;
    let place = location(&base.account(&user))?;
    match &password {
        Some(password) => strong(&user, password)?,
        None if certificate.is_none() => {
            return Err(Failure::invalid("password is missing, and there is no certificate"));
        }
        None => {}
    }
    let _turn = desk.hashing.acquire().await;
    let done = apart(&desk, move |desk| {
        let account = Account {
            name: user,
            role: role.name().to_owned(),
            password: password.map(|password| hash(&password)),
            certificate,
            created_at: now_ms(),
        };
        desk.write(&caller, |edit| {
            edit.add_account(&account)?;
            Ok(((), format!("made account {}, {}", account.name, account.role)))
        })
    });
    done.await.map(|()| (StatusCode::CREATED, place).into_response())
}

pub(super) async fn change(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    Named(OfAccount { user }): Named<OfAccount>,
    request: Request,
) -> Result<StatusCode, Failure> {
    caller.must(Permission::Administer)?;
    let mut fields = Fields::read(request).await?;
    let role = fields.text("role")?.map(|name| role(&name)).transpose()?;
    let password = fields.text("password")?;
    let certificate = certificate(&mut fields)?;
    fields.end(&["user", "certificateSha256"])?;
    let what: Vec<String> = [
        role.map(|role| format!("its role is {}", role.name())),
        password.is_some().then(|| "another password".to_owned()),
        certificate.as_ref().map(|certificate| match certificate {
            Some(sha256) => format!("the certificate {sha256}"),
            None => "no certificate".to_owned(),
        }),
    ]
    .into_iter()
    .flatten()
    .collect();
    if what.is_empty() {
        return Err(Failure::invalid("none of role, password and certificate is said"));
    }
    let what = what.join(", ");
    if let Some(password) = &password {
        strong(&user, password)?;
    }
    let _turn = desk.hashing.acquire().await;
    let done = apart(&desk, move |desk| {
        let password = password.map(|password| hash(&password));
        desk.write(&caller, |edit| {
            let mut usable = false;
            edit.change_account(&user, |account| {
                if let Some(role) = role {
                    account.role = role.name().to_owned();
                }
                if password.is_some() {
                    account.password = password;
                }
                if let Some(certificate) = certificate {
                    account.certificate = certificate;
                }
                usable = account.password.is_some() || account.certificate.is_some();
            })?;
            if !usable {
                return Err(Failure::invalid("it would have neither password nor certificate"));
            }
            somebody_administers(edit)?;
            Ok(((), format!("changed account {user}: {what}")))
        })?;
        desk.sessions().close_all_of(&user);
        Ok(())
    });
    done.await.map(|()| StatusCode::NO_CONTENT)
}

pub(super) async fn delete(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    Named(OfAccount { user }): Named<OfAccount>,
) -> Result<StatusCode, Failure> {
    caller.must(Permission::Administer)?;
    let done = apart(&desk, move |desk| {
        desk.write(&caller, |edit| {
            edit.delete_account(&user)?;
            somebody_administers(edit)?;
            Ok(((), format!("deleted account {user}")))
        })?;
        desk.sessions().close_all_of(&user);
        Ok(())
    });
    done.await.map(|()| StatusCode::NO_CONTENT)
}

/// One's own password. Who found a browser open does not know the old one, and may guess it no
/// more often than at the door.
pub(super) async fn password(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    request: Request,
) -> Result<StatusCode, Failure> {
    let mut fields = Fields::read(request).await?;
    let old = there("old", fields.text("old"))?;
    let new = there("new", fields.text("new"))?;
    fields.end(&[])?;
    strong(&caller.account, &new)?;
    let _turn = desk.hashing.acquire().await;
    let done = apart(&desk, move |desk| {
        let Some(before) = verified(desk, &caller.account, &old, caller.from)? else {
            return Err(Failure::forbidden("old is not the password of this account"));
        };
        let hashed = hash(&new);
        desk.write(&caller, |edit| {
            let mut same = false;
            edit.change_account(&caller.account, |account| {
                // Another one may have been set since the old one was looked at.
                same = account.password == before.password;
                account.password = Some(hashed);
            })?;
            match same {
                true => Ok(((), "changed the own password".to_owned())),
                false => Err(Failure::illegal_state("the password was changed meanwhile")),
            }
        })?;
        desk.sessions().close_all_of(&caller.account);
        Ok(())
    });
    done.await.map(|()| StatusCode::NO_CONTENT)
}

/// The certificate an account is to have, as it is kept: `None` where nothing is said of it, and
/// nothing inside where it is to have none (`""`).
fn certificate(fields: &mut Fields) -> Result<Option<Option<String>>, Failure> {
    let Some(pem) = fields.long_text("certificate")? else { return Ok(None) };
    if pem.is_empty() {
        return Ok(Some(None));
    }
    let sha256 = sha256_of_certificate("certificate", &pem);
    sha256.map(|sha256| Some(Some(sha256))).map_err(|error| Failure::invalid(error.to_string()))
}

/// Goes on if an administrator is left.
fn somebody_administers(edit: &Edit<'_>) -> Result<(), Failure> {
    if edit.accounts_of(Role::Administrator.name())? == 0 {
        return Err(Failure::illegal_state(
            "this is the last Administrator; make another one first",
        ));
    }
    Ok(())
}

fn role(name: &str) -> Result<Role, Failure> {
    let names = Role::ALL.map(Role::name).join(", ");
    Role::of(name).ok_or_else(|| Failure::invalid(format!("role is one of {names}")))
}

/// A password that may be taken.
pub(super) fn strong(user: &str, password: &str) -> Result<(), Failure> {
    check_strength(user, password).map_err(|weak| Failure::invalid(weak.to_string()))
}

/// The name of an account: Basic ends it at a colon.
pub(super) fn check_name(name: &str) -> Result<(), Failure> {
    let odd = |c: char| c.is_control() || c == ':';
    let trimmed = name.trim() == name;
    if name.is_empty() || name.len() > ACCOUNT_NAME_BYTES_MAX || name.contains(odd) || !trimmed {
        return Err(Failure::invalid(format!(
            "user has to be a name of at most {ACCOUNT_NAME_BYTES_MAX} bytes, without colons, \
             control characters and spaces at its ends"
        )));
    }
    Ok(())
}
