//! The plain Rust relay of this program, as a process of its own.

use std::path::Path;

use super::{
    contestant::{Contestant, Kind},
    place::{Launch, Place},
};
use crate::pki::SERVER_NAME;

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

/// The side of the service.
pub(super) fn launch(program: &Path, h2: bool, place: &Place) -> Launch {
    command(program, h2, place, &["relay", "--service"], "server", "--client-ca")
}

/// The side of the clients.
pub(super) fn launch_connector(program: &Path, h2: bool, place: &Place, tunnels: usize) -> Launch {
    let mut launch = command(program, h2, place, &["relay-client", "--proxy"], "client", "--ca");
    launch.arguments.extend(["--server-name".to_owned(), SERVER_NAME.to_owned()]);
    if h2 {
        launch.arguments.extend(["--tunnels".to_owned(), tunnels.to_string()]);
    }
    launch
}

fn command(
    program: &Path,
    h2: bool,
    place: &Place,
    [subcommand, onwards]: &[&str; 2],
    identity: &str,
    authorities: &str,
) -> Launch {
    let path = |name: &str| place.pki.path(name).display().to_string();
    let mut arguments = vec![(*subcommand).to_owned()];
    for (flag, value) in [
        ("--listen", place.listen.to_string()),
        (onwards, place.service.to_string()),
        ("--certificate", path(&format!("{identity}.crt"))),
        ("--key", path(&format!("{identity}.key"))),
        (authorities, path("ca.crt")),
    ] {
        arguments.extend([flag.to_owned(), value]);
    }
    if h2 {
        arguments.push("--h2".to_owned());
    }
    Launch { program: program.to_owned(), arguments }
}
