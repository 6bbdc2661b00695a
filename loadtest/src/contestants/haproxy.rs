//! HAProxy: TLS in front and TCP behind, or the other way round; one thread, its own buffer sizes.

use std::path::Path;

use super::{
    contestant::{Contestant, Kind, find_program},
    place::{Launch, Place},
    process::version,
};
use crate::{failure::Failure, pki::SERVER_NAME};

pub(super) fn contestant() -> Contestant {
    let program = find_program("haproxy");
    Contestant {
        name: "haproxy".into(),
        about: program.as_deref().map(|program| version(program, &["-v"])).unwrap_or_default(),
        ours: false,
        missing: program.is_none().then(|| "install the package haproxy".to_owned()),
        kind: Kind::HaProxy { program: program.unwrap_or_default() },
    }
}

/// What both sides have in common.
const COMMON: &str = "defaults\n    mode tcp\n    timeout connect 10s\n    timeout client 1h\n    \
                      timeout server 1h\n";

/// The side of the service: TLS in front, TCP behind.
pub(super) fn configure(program: &Path, place: &Place) -> Result<Launch, Failure> {
    let text = format!(
        "global\n    nbthread 1\n    fd-hard-limit 20000\n    \
         ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256\n    \
         ssl-default-bind-options ssl-min-ver TLSv1.3\n\
         {COMMON}\
         frontend tunnels\n    bind {listen} ssl crt {pem} ca-file {ca} verify required\n    \
         default_backend service\n\
         backend service\n    server service {service}\n",
        listen = place.listen,
        pem = place.pki.path("server.pem").display(),
        ca = place.pki.path("ca.crt").display(),
        service = place.service,
    );
    launch(program, place, &text)
}

/// The side of the clients: TCP in front, TLS behind.
pub(super) fn configure_connector(program: &Path, place: &Place) -> Result<Launch, Failure> {
    let text = format!(
        "global\n    nbthread 1\n    fd-hard-limit 20000\n    \
         ssl-default-server-ciphersuites TLS_AES_128_GCM_SHA256\n    \
         ssl-default-server-options ssl-min-ver TLSv1.3\n\
         {COMMON}\
         frontend clients\n    bind {listen}\n    default_backend tunnels\n\
         backend tunnels\n    server proxy {proxy} ssl crt {pem} ca-file {ca} verify required \
         verifyhost {SERVER_NAME} sni str({SERVER_NAME})\n",
        listen = place.listen,
        pem = place.pki.path("client.pem").display(),
        ca = place.pki.path("ca.crt").display(),
        proxy = place.service,
    );
    launch(program, place, &text)
}

fn launch(program: &Path, place: &Place, text: &str) -> Result<Launch, Failure> {
    let file = place.write("peer-haproxy.cfg", text)?;
    Ok(Launch {
        program: program.to_owned(),
        arguments: vec!["-db".into(), "-f".into(), file.display().to_string()],
    })
}
