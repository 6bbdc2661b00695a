//! nginx' stream module: TLS in front and TCP behind, or the other way round; one worker process.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    contestant::{Contestant, Kind, find_program},
    place::{Launch, Place},
    process::version,
};
use crate::{failure::Failure, pki::SERVER_NAME};

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

/// The side of the service: TLS in front, TCP behind.
pub(super) fn configure(
    program: &Path,
    module: Option<&Path>,
    place: &Place,
) -> Result<Launch, Failure> {
    let server = format!(
        "listen {listen} ssl;\n        \
         ssl_certificate {certificate};\n        ssl_certificate_key {key};\n        \
         ssl_protocols TLSv1.3;\n        \
         ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n        \
         ssl_client_certificate {ca};\n        ssl_verify_client on;",
        listen = place.listen,
        certificate = place.pki.path("server.crt").display(),
        key = place.pki.path("server.key").display(),
        ca = place.pki.path("ca.crt").display(),
    );
    launch(program, module, place, &server)
}

/// The side of the clients: TCP in front, TLS behind.
pub(super) fn configure_connector(
    program: &Path,
    module: Option<&Path>,
    place: &Place,
) -> Result<Launch, Failure> {
    let server = format!(
        "listen {listen};\n        proxy_ssl on;\n        \
         proxy_ssl_certificate {certificate};\n        proxy_ssl_certificate_key {key};\n        \
         proxy_ssl_protocols TLSv1.3;\n        \
         proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n        \
         proxy_ssl_trusted_certificate {ca};\n        proxy_ssl_verify on;\n        \
         proxy_ssl_name {SERVER_NAME};\n        proxy_ssl_server_name on;",
        listen = place.listen,
        certificate = place.pki.path("client.crt").display(),
        key = place.pki.path("client.key").display(),
        ca = place.pki.path("ca.crt").display(),
    );
    launch(program, module, place, &server)
}

fn launch(
    program: &Path,
    module: Option<&Path>,
    place: &Place,
    server: &str,
) -> Result<Launch, Failure> {
    let load =
        module.map(|module| format!("load_module {};\n", module.display())).unwrap_or_default();
    // The worker keeps root where the harness has it: its own user could not enter the directory.
    let user = if rustix::process::getuid().is_root() { "user root;\n" } else { "" };
    let text = format!(
        "{load}{user}daemon off;\nworker_processes 1;\nworker_rlimit_nofile 20000;\n\
         pid {directory}/nginx.pid;\nerror_log {directory}/error.log error;\n\
         events {{\n    worker_connections 20000;\n}}\n\
         stream {{\n    server {{\n        {server}\n        \
         proxy_buffer_size 64k;\n        tcp_nodelay on;\n        \
         proxy_timeout 1h;\n        proxy_pass {service};\n    }}\n}}\n",
        directory = place.directory.display(),
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
