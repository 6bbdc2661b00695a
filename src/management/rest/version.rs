//! Which interface this is.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::management::accounts::Caller;

/// The incumbent's version whose interface this is: its clients ask before everything else, and
/// leave out what an older one does not have.
const INTERFACE: &str = "2.19.0";

pub(super) async fn version(_caller: Caller) -> Response {
    let own = env!("CARGO_PKG_VERSION");
    Json(json!({ "version": INTERFACE, "causeway": own })).into_response()
}
