//! stunnel: a thread for each connection; the core it is pinned to is what holds it to one.

use std::path::Path;

use super::{
    contestant::{Contestant, Kind, Launch, Place, find_program},
    process::version,
};
use crate::failure::Failure;

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

pub(super) fn configure(program: &Path, place: &Place) -> Result<Launch, Failure> {
    let text = format!(
        "foreground = yes\npid =\nsyslog = no\ndebug = err\n\
         socket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n\
         [tunnels]\naccept = {listen}\nconnect = {service}\ncert = {certificate}\nkey = {key}\n\
         CAfile = {ca}\nverifyChain = yes\nsslVersionMin = TLSv1.3\n\
         ciphersuites = TLS_AES_128_GCM_SHA256\n",
        listen = place.listen,
        service = place.service,
        certificate = place.pki.path("server.crt").display(),
        key = place.pki.path("server.key").display(),
        ca = place.pki.path("ca.crt").display(),
    );
    let file = place.write("peer-stunnel.conf", &text)?;
    Ok(Launch { program: program.to_owned(), arguments: vec![file.display().to_string()] })
}
