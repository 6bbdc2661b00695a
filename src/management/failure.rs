//! What a request is told that did not come to its end: the incumbent's error types, each under its
//! status.

use std::time::Duration;

use axum::{
    Json,
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::store::StoreError;

/// Why a request was not done. Its answer is `{"type":"…","message":"…"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The status it is answered with.
    pub status: StatusCode,
    /// Which of the incumbent's types it is.
    pub kind: &'static str,
    /// What to do about it.
    pub message: String,
    /// How long to wait before it is tried again, where that is known.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// 400: the request itself is wrong.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", message)
    }

    /// 404: it is of something that is not there.
    #[must_use]
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    /// 409: not as things are now.
    #[must_use]
    pub fn illegal_state(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "ILLEGAL_STATE", message)
    }

    /// 409: what it makes is there already.
    #[must_use]
    pub fn exists(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "INVALID_CONFIGURATION", message)
    }

    /// 500: it was tried and did not work.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "RUNTIME_FAILURE", message)
    }

    /// 401: nobody knows who sends it.
    #[must_use]
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "FORBIDDEN_REQUEST", message)
    }

    /// 403: whoever sends it may not.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN_REQUEST", message)
    }

    /// Under a status of its own: 405, 413, 415, 429.
    #[must_use]
    pub fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, message: message.into(), retry_after: None }
    }

    /// 429: passwords were wrong too often.
    #[must_use]
    pub fn wait(wait: Duration) -> Self {
        // Never told to come too early.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let message = format!(
            "too many wrong passwords, for this account or from this address; try again in \
             {seconds} s"
        );
        let failure = Self::new(StatusCode::TOO_MANY_REQUESTS, "FORBIDDEN_REQUEST", message);
        Self { retry_after: Some(Duration::from_secs(seconds)), ..failure }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({ "type": self.kind, "message": self.message });
        let mut response = (self.status, Json(body)).into_response();
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, wait.as_secs().into());
        }
        response
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::Exists(_) => Self::exists(message),
            StoreError::Unknown(_) => Self::unknown(message),
            StoreError::Full { .. } | StoreError::Large { .. } => Self::illegal_state(message),
            _ => Self::failed(message),
        }
    }
}
