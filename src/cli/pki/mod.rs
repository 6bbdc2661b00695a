//! `causeway pki`: a small CA in a directory, for trying things out and for installations that
//! have no CA of their own. `init` makes it, `server` and `connector` issue, `revoke` takes back.

mod args;
mod command;
mod error;
pub(super) mod files;

pub use args::PkiArgs;
pub use error::PkiError;
