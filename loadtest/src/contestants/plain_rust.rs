//! The plain Rust relay of this program, as a process of its own.

use std::path::Path;

use super::contestant::{Contestant, Kind, Launch, Place};

pub(super) fn contestants(this: &Path) -> [Contestant; 2] {
    [
        ("plain-rust", "tokio + tokio-rustls", false),
        ("plain-rust-h2", "tokio + tokio-rustls + h2", true),
    ]
    .map(|(name, about, h2)| Contestant {
        name: name.into(),
        about: about.into(),
        ours: false,
        missing: None,
        kind: Kind::PlainRust { program: this.to_owned(), h2 },
    })
}

pub(super) fn launch(program: &Path, h2: bool, place: &Place) -> Launch {
    let path = |name: &str| place.pki.path(name).display().to_string();
    let mut arguments = vec![
        "relay".to_owned(),
        "--listen".to_owned(),
        place.listen.to_string(),
        "--service".to_owned(),
        place.service.to_string(),
        "--certificate".to_owned(),
        path("server.crt"),
        "--key".to_owned(),
        path("server.key"),
        "--client-ca".to_owned(),
        path("ca.crt"),
    ];
    if h2 {
        arguments.push("--h2".to_owned());
    }
    Launch { program: program.to_owned(), arguments }
}
