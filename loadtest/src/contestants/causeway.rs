//! Causeway, one worker a process, each engine and mode: its proxy, with the generator as
//! connector, or proxy and connector both.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    contestant::{Contestant, Kind, SERVICE},
    place::{Launch, Place},
};
use crate::{
    failure::{Failure, While as _},
    pki::{SERVER_NAME, SUBACCOUNT},
};

/// Both engines in both modes. An engine that the machine does not allow is missing; the program
/// itself must be there.
pub(super) fn contestants(program: &Path) -> Result<Vec<Contestant>, Failure> {
    let ring = ring_problem(program);
    let about = super::process::version(program, &["--version"]);
    let mut all = Vec::new();
    for (engine, missing) in [("io_uring", ring), ("epoll", None)] {
        for (mode, multiplexed) in [("direct", false), ("multiplexed", true)] {
            all.push(Contestant {
                name: format!("causeway {engine} {mode}"),
                about: about.clone(),
                ours: true,
                missing: missing.clone(),
                kind: Kind::Causeway { program: program.to_owned(), engine, multiplexed },
            });
        }
    }
    Ok(all)
}

/// What `causeway doctor` has against io_uring.
fn ring_problem(program: &Path) -> Option<String> {
    let said = Command::new(program).arg("doctor").output().ok()?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    if said.lines().any(|line| line.starts_with("ok   io_uring:")) {
        return None;
    }
    let why = said.lines().find(|line| line.contains("io_uring")).unwrap_or("io_uring is missing");
    Some(format!("causeway doctor: {why}"))
}

/// The proxy: writes configuration and mapping.
pub(super) fn configure(program: &Path, engine: &str, place: &Place) -> Result<Launch, Failure> {
    let mappings = place.directory.join("mappings");
    fs::create_dir_all(&mappings).during(mappings.display())?;
    place.write("mappings/loadtest.yaml", &mapping(place))?;
    let config = place.write("proxy.toml", &config(engine, place, &mappings))?;
    Ok(Launch {
        program: program.to_owned(),
        arguments: vec!["proxy".into(), "--config".into(), config.display().to_string()],
    })
}

/// The connector: one channel, from a local port to the proxy.
pub(super) fn configure_connector(
    program: &Path,
    engine: &str,
    multiplexed: bool,
    place: &Place,
    tunnels: usize,
) -> Result<Launch, Failure> {
    let path = |name: &str| place.pki.path(name).display().to_string();
    let mode = if multiplexed { "multiplexed" } else { "direct" };
    let text = format!(
        "[subaccount]\nid = \"{SUBACCOUNT}\"\n\n\
         [tls]\ncertificate = \"{certificate}\"\nprivate_key = \"{key}\"\nca = \"{ca}\"\n\n\
         [[channel]]\nendpoint = \"tcp://{SERVER_NAME}:{proxy}/{SERVICE}\"\n\
         local_port = {local}\nconnections = {tunnels}\nmode = \"{mode}\"\n\n\
         [workers]\ncount = 1\nengine = \"{engine}\"\n\n[log]\nlevel = \"warn\"\n\n\
         [audit]\nsink = \"off\"\n",
        certificate = path("client.crt"),
        key = path("client.key"),
        ca = path("ca.crt"),
        proxy = place.service.port(),
        local = place.listen.port(),
    );
    let config = place.write("connector.toml", &text)?;
    Ok(Launch {
        program: program.to_owned(),
        arguments: vec!["connector".into(), "--config".into(), config.display().to_string()],
    })
}

fn mapping(place: &Place) -> String {
    format!(
        "apiVersion: connectivityproxy.sap.com/v1\nkind: ServiceMapping\nmetadata:\n  \
         name: loadtest\nspec:\n  type: TCP\n  subaccountId: {SUBACCOUNT}\n  \
         serviceId: {SERVICE}\n  internalAddress: {}\n",
        place.service
    )
}

fn config(engine: &str, place: &Place, mappings: &Path) -> String {
    let path = |path: PathBuf| path.display().to_string();
    format!(
        "[tunnel]\nlisten = \"{listen}\"\nexternal_host = \"{SERVER_NAME}\"\n\n\
         [tunnel.tls]\ncertificate = \"{certificate}\"\nprivate_key = \"{key}\"\n\
         client_ca = \"{ca}\"\n\n[tenancy]\nmode = \"shared\"\n\n\
         [mappings]\ndirectory = \"{mappings}\"\n\n\
         [workers]\ncount = 1\nengine = \"{engine}\"\n\n[log]\nlevel = \"warn\"\n\n\
         [audit]\nsink = \"off\"\n",
        listen = place.listen,
        certificate = path(place.pki.path("server.crt")),
        key = path(place.pki.path("server.key")),
        ca = path(place.pki.path("ca.crt")),
        mappings = mappings.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::place::tests::place;
    use super::*;

    #[test]
    fn the_configuration_has_one_worker_and_the_engine_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let place = place(directory.path());
        let launch = configure(Path::new("/causeway"), "epoll", &place).unwrap();
        let text = fs::read_to_string(&launch.arguments[2]).unwrap();
        let config: toml::Table = text.parse().unwrap();
        assert_eq!(config["workers"]["count"].as_integer(), Some(1));
        assert_eq!(config["workers"]["engine"].as_str(), Some("epoll"));
        assert_eq!(config["tunnel"]["listen"].as_str(), Some("127.0.0.1:4001"));
        let mapping = place.directory.join("mappings/loadtest.yaml");
        assert!(fs::read_to_string(mapping).unwrap().contains("127.0.0.1:4002"));
    }

    #[test]
    fn the_connector_leads_to_the_proxy_in_the_mode_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let place = place(directory.path());
        let program = Path::new("/causeway");
        for (multiplexed, mode) in [(false, "direct"), (true, "multiplexed")] {
            let launch = configure_connector(program, "epoll", multiplexed, &place, 4).unwrap();
            assert_eq!(launch.arguments[0], "connector");
            let text = fs::read_to_string(&launch.arguments[2]).unwrap();
            let config: toml::Table = text.parse().unwrap();
            let channel = &config["channel"][0];
            assert_eq!(channel["endpoint"].as_str(), Some("tcp://localhost:4002/loadtest"));
            assert_eq!(channel["local_port"].as_integer(), Some(4001));
            assert_eq!(channel["connections"].as_integer(), Some(4));
            assert_eq!(channel["mode"].as_str(), Some(mode));
            assert_eq!(config["workers"]["count"].as_integer(), Some(1));
        }
    }
}
