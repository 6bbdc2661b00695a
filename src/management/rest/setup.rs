//! The first account, made by whoever has the one-time token.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::StatusCode,
};

use super::{
    accounts::{check_name, strong},
    desk::{Desk, apart, now_ms},
    offer::{SETTING, is_good},
    who::from_a_stranger,
};
use crate::management::{
    Failure,
    accounts::{Caller, Role, hash},
    store::Account,
};

pub(super) async fn make(
    State(desk): State<Arc<Desk>>,
    request: Request,
) -> Result<StatusCode, Failure> {
    let (from, mut fields) = from_a_stranger(request).await?;
    let (token, user, password) =
        (fields.text("token")?, fields.text("user")?, fields.text("password")?);
    fields.end(&[])?;
    let (token, password) = (token.unwrap_or_default(), password.unwrap_or_default());
    let user = user.unwrap_or_default();
    // Never closed.
    let _turn = desk.hashing.acquire().await;
    let done = apart(&desk, move |desk| {
        let used_up =
            || Failure::forbidden("this token is not good any more; the connector prints another");
        let kept = desk.store.setting(SETTING)?.unwrap_or_default();
        if !is_good(&kept, &token, now_ms()) {
            return Err(used_up());
        }
        check_name(&user)?;
        strong(&user, &password)?;
        let account = Account {
            name: user.clone(),
            role: Role::Administrator.name().to_owned(),
            password: Some(hash(&password)),
            certificate: None,
            created_at: now_ms(),
        };
        let caller = Caller { account: user, role: Role::Administrator, from };
        desk.write(&caller, |edit| match edit.add_first_account(&account, SETTING, &kept)? {
            true => Ok(((), "made the first account, by the set-up link".to_owned())),
            false => Err(used_up()),
        })
    });
    done.await.map(|()| StatusCode::NO_CONTENT)
}
