//! nginx' stream module: TLS in front, TCP behind, one worker process.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    contestant::{Contestant, Kind, Launch, Place, find_program},
    process::version,
};
use crate::failure::Failure;

/// Where Debian puts the module; others build it in.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

pub(super) fn contestant() -> Contestant {
    let program = find_program("nginx");
    let module = Some(PathBuf::from(MODULE)).filter(|module| module.is_file());
    let missing = match &program {
        None => Some("install the packages nginx-light and libnginx-mod-stream"),
        Some(program) if module.is_none() && !built_in(program) => {
            Some("install the package libnginx-mod-stream")
        }
        Some(_) => None,
    };
    Contestant {
        name: "nginx".into(),
        about: program.as_deref().map(|program| version(program, &["-v"])).unwrap_or_default(),
        ours: false,
        missing: missing.map(str::to_owned),
        kind: Kind::Nginx { program: program.unwrap_or_default(), module },
    }
}

fn built_in(program: &Path) -> bool {
    let said = Command::new(program).arg("-V").output();
    said.is_ok_and(|said| String::from_utf8_lossy(&said.stderr).contains("--with-stream "))
}

pub(super) fn configure(
    program: &Path,
    module: Option<&Path>,
    place: &Place,
) -> Result<Launch, Failure> {
    let load =
        module.map(|module| format!("load_module {};\n", module.display())).unwrap_or_default();
    // The worker keeps root where the harness has it: its own user could not enter the directory.
    let user = if rustix::process::getuid().is_root() { "user root;\n" } else { "" };
    let text = format!(
        "{load}{user}daemon off;\nworker_processes 1;\nworker_rlimit_nofile 20000;\n\
         pid {directory}/nginx.pid;\nerror_log {directory}/error.log error;\n\
         events {{\n    worker_connections 20000;\n}}\n\
         stream {{\n    server {{\n        listen {listen} ssl;\n        \
         ssl_certificate {certificate};\n        ssl_certificate_key {key};\n        \
         ssl_protocols TLSv1.3;\n        \
         ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n        \
         ssl_client_certificate {ca};\n        ssl_verify_client on;\n        \
         proxy_buffer_size 64k;\n        tcp_nodelay on;\n        \
         proxy_timeout 1h;\n        proxy_pass {service};\n    }}\n}}\n",
        directory = place.directory.display(),
        listen = place.listen,
        certificate = place.pki.path("server.crt").display(),
        key = place.pki.path("server.key").display(),
        ca = place.pki.path("ca.crt").display(),
        service = place.service,
    );
    let file = place.write("peer-nginx.conf", &text)?;
    let argument = |path: &Path| path.display().to_string();
    let log = place.directory.join("error.log");
    Ok(Launch {
        program: program.to_owned(),
        arguments: vec![
            "-p".into(),
            argument(&place.directory),
            "-e".into(),
            argument(&log),
            "-c".into(),
            argument(&file),
        ],
    })
}
