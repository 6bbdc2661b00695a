//! The one-time token by which the first account is made: who reads the connector's own terminal or
//! log has it.

use crate::{
    limits::SETUP_LINK_AGE_MAX,
    management::{
        accounts::Secret,
        store::{Store, StoreError},
    },
};

/// Where the store keeps what the token hashes to and when it was made.
pub(super) const SETTING: &str = "setup";

/// A token for [`super::router`]'s `/api/v1/setup`, good for [`SETUP_LINK_AGE_MAX`] and in place of
/// any earlier one; nothing once there is an account. `now` is in milliseconds since 1970.
///
/// # Errors
/// The store cannot be used.
pub fn offer_setup(store: &Store, now: i64) -> Result<Option<String>, StoreError> {
    if !store.accounts()?.is_empty() {
        return Ok(None);
    }
    let (token, kept) = Secret::make();
    store.set_setting(SETTING, Some(&format!("{} {now}", kept.hex())))?;
    Ok(Some(token))
}

/// Whether a token is the one a kept value tells of, and still good.
pub(super) fn is_good(kept: &str, token: &str, now: i64) -> bool {
    let Some((hex, made_at)) = kept.split_once(' ') else { return false };
    let age = made_at.parse().ok().and_then(|made_at: i64| now.checked_sub(made_at));
    let young = age.is_some_and(|age| u128::try_from(age).is_ok_and(is_young));
    Secret::of_hex(hex).is_some_and(|secret| secret.is(token)) && young
}

fn is_young(age: u128) -> bool {
    age <= SETUP_LINK_AGE_MAX.as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_time() {
        let (token, secret) = Secret::make();
        let kept = format!("{} 1000", secret.hex());
        let age = i64::try_from(SETUP_LINK_AGE_MAX.as_millis()).unwrap();
        assert!(is_good(&kept, &token, 1000) && is_good(&kept, &token, 1000 + age));
        for (kept, token, now) in [
            (kept.as_str(), token.as_str(), 1001 + age),
            (&kept, &token, 999),
            (&kept, &token[1..], 1000),
            (&kept, "", 1000),
            (&secret.hex(), &token, 1000),
            ("", "", 1000),
        ] {
            assert!(!is_good(kept, token, now), "{kept} {now}");
        }
    }
}
