//! What peers and people can send us, each as a function of bytes that must neither panic nor
//! loop. Run by libFuzzer (see README.md) and, on its seeds, by the ordinary tests.

mod config;
mod connect_head;
mod guard;
mod http2_session;
mod mapping_yaml;
#[path = "../../tests/simulation/model/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports)]
mod model;
mod stream_operations;

pub use config::config;
pub use connect_head::connect_head;
pub use guard::guard;
pub use http2_session::http2_session;
pub use mapping_yaml::mapping_yaml;
pub use stream_operations::stream_operations;

/// A target.
pub type Target = fn(&[u8]);

/// Every target by the name of its corpus.
pub const TARGETS: [(&str, Target); 6] = [
    ("config", config),
    ("connect_head", connect_head),
    ("guard", guard),
    ("http2_session", http2_session),
    ("mapping_yaml", mapping_yaml),
    ("stream_operations", stream_operations),
];
