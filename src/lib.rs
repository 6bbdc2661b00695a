//! Causeway carries TCP from a company's own network into services of a Kubernetes cluster that
//! nobody outside can reach, over mutual TLS dialled outwards by the company's side.
//!
//! The layers, arrows point down only (`tests/tidy.rs` holds it):
//!
//! ```text
//! cli          one file per subcommand
//!   management   the connector as a product: REST, page, accounts, store
//!   proxy   connector   kubernetes   admin   roles; siblings never import each other
//!     worker                          threads, mailboxes, balancing, drain; knows no role by name
//!       relay                         the only glue: pure parts here, the engine there
//!         engine                      the I/O shell, all `unsafe`
//!         tls   protocol   tunnel     sans-IO parts: bytes and `now` in, outputs out
//!           mapping telemetry config limits   leaves
//! ```

pub mod admin;
pub mod cli;
pub mod config;
pub mod connector;
pub mod engine;
pub mod kubernetes;
pub mod limits;
pub mod management;
pub mod mapping;
pub mod protocol;
pub mod proxy;
pub mod relay;
pub mod telemetry;
pub mod tls;
pub mod tunnel;
pub mod worker;
