//! HAProxy: TLS in front, TCP behind, one thread, its own buffer sizes.

use std::path::Path;

use super::{
    contestant::{Contestant, Kind, Launch, Place, find_program},
    process::version,
};
use crate::failure::Failure;

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

pub(super) fn configure(program: &Path, place: &Place) -> Result<Launch, Failure> {
    let text = format!(
        "global\n    nbthread 1\n    fd-hard-limit 20000\n    \
         ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256\n    \
         ssl-default-bind-options ssl-min-ver TLSv1.3\n\
         defaults\n    mode tcp\n    timeout connect 10s\n    timeout client 1h\n    \
         timeout server 1h\n\
         frontend tunnels\n    bind {listen} ssl crt {pem} ca-file {ca} verify required\n    \
         default_backend service\n\
         backend service\n    server service {service}\n",
        listen = place.listen,
        pem = place.pki.path("server.pem").display(),
        ca = place.pki.path("ca.crt").display(),
        service = place.service,
    );
    let file = place.write("peer-haproxy.cfg", &text)?;
    Ok(Launch {
        program: program.to_owned(),
        arguments: vec!["-db".into(), "-f".into(), file.display().to_string()],
    })
}
