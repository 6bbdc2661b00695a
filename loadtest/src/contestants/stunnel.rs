//! stunnel: a thread for each connection; the core it is pinned to is what holds it to one.

use std::path::Path;

use super::{
    contestant::{Contestant, Kind, find_program},
    place::{Launch, Place},
    process::version,
};
use crate::{failure::Failure, pki::SERVER_NAME};

pub(super) fn contestant() -> Contestant {
    let program = find_program("stunnel4").or_else(|| find_program("stunnel"));
    let about = program.as_deref().map(|program| version(program, &["-version"]));
    Contestant {
        name: "stunnel".into(),
        about: about.unwrap_or_default(),
        ours: false,
        missing: program.is_none().then(|| "install the package stunnel4".to_owned()),
        kind: Kind::Stunnel { program: program.unwrap_or_default() },
    }
}

/// The side of the service: TLS in front, TCP behind.
pub(super) fn configure(program: &Path, place: &Place) -> Result<Launch, Failure> {
    launch(program, place, "server", "")
}

/// The side of the clients: TCP in front, TLS behind.
pub(super) fn configure_connector(program: &Path, place: &Place) -> Result<Launch, Failure> {
    let client = format!("client = yes\ncheckHost = {SERVER_NAME}\nsni = {SERVER_NAME}\n");
    launch(program, place, "client", &client)
}

fn launch(program: &Path, place: &Place, identity: &str, more: &str) -> Result<Launch, Failure> {
    let text = format!(
        "foreground = yes\npid =\nsyslog = no\ndebug = err\n\
         socket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n\
         [tunnels]\n{more}accept = {listen}\nconnect = {service}\n\
         cert = {certificate}\nkey = {key}\n\
         CAfile = {ca}\nverifyChain = yes\nsslVersionMin = TLSv1.3\n\
         ciphersuites = TLS_AES_128_GCM_SHA256\n",
        listen = place.listen,
        service = place.service,
        certificate = place.pki.path(&format!("{identity}.crt")).display(),
        key = place.pki.path(&format!("{identity}.key")).display(),
        ca = place.pki.path("ca.crt").display(),
    );
    let file = place.write("peer-stunnel.conf", &text)?;
    Ok(Launch { program: program.to_owned(), arguments: vec![file.display().to_string()] })
}
