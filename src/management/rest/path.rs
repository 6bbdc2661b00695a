//! What a path names, and how entities are addressed.

use axum::{
    extract::{FromRequestParts, Path},
    http::{
        HeaderMap, HeaderName, HeaderValue,
        header::{HOST, LOCATION},
        request::Parts,
    },
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::management::{Failure, store::Owner};

/// The names in a path.
pub(super) struct Named<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(names)) => Ok(Self(names)),
            Err(error) => Err(Failure::invalid(format!("the path: {}", error.body_text()))),
        }
    }
}

/// A subaccount's path.
#[derive(Deserialize)]
pub(super) struct OfSubaccount {
    region: String,
    subaccount: String,
}

impl OfSubaccount {
    pub(super) fn owner(self) -> Owner {
        Owner { region_host: self.region, subaccount: self.subaccount }
    }
}

/// A channel's path.
#[derive(Deserialize)]
pub(super) struct OfChannel {
    region: String,
    subaccount: String,
    id: String,
}

impl OfChannel {
    /// The subaccount, and the id, if it is one.
    pub(super) fn parts(self) -> Result<(Owner, i64), Failure> {
        let Self { region, subaccount, id } = self;
        let owner = Owner { region_host: region, subaccount };
        let number = id.parse().ok().filter(|number| *number > 0);
        let number = number.filter(|number: &i64| number.to_string() == id);
        let unknown = || {
            let id = id.escape_debug();
            Failure::unknown(format!("Service channel with id {id} does not exist"))
        };
        Ok((owner, number.ok_or_else(unknown)?))
    }
}

/// How this server is called by whoever sends a request; for links.
pub(super) struct Base(String);

impl<S: Send + Sync> FromRequestParts<S> for Base {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Ok(Self::of(&parts.headers))
    }
}

impl Base {
    fn of(headers: &HeaderMap) -> Self {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
        let host = host.filter(|host| !host.is_empty() && host.chars().all(plain));
        // Without a name of its own it is addressed from its root.
        Self(host.map(|host| format!("https://{host}")).unwrap_or_default())
    }

    /// Of a subaccount.
    pub(super) fn subaccount(&self, owner: &Owner) -> String {
        let Owner { region_host, subaccount } = owner;
        let base = &self.0;
        format!("{base}/api/v1/configuration/subaccounts/{region_host}/{subaccount}")
    }

    /// Of an account.
    pub(super) fn account(&self, user: &str) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let escaped: String = user
            .bytes()
            .map(|byte| match plain(byte) {
                true => char::from(byte).to_string(),
                false => format!("%{byte:02X}"),
            })
            .collect();
        format!("{}/api/v1/configuration/accounts/{escaped}", self.0)
    }

    /// Of a channel.
    pub(super) fn channel(&self, owner: &Owner, id: i64) -> String {
        format!("{}/channels/K8S/{id}", self.subaccount(owner))
    }
}

/// The header that says where something new is.
pub(super) fn location(url: &str) -> Result<[(HeaderName, HeaderValue); 1], Failure> {
    let value = HeaderValue::from_str(url).map_err(|_| Failure::failed("an odd address"))?;
    Ok([(LOCATION, value)])
}
