//! The list of contestants, and what each looks like to the comparison.

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    causeway, haproxy, nginx,
    place::{Launch, Place, Post},
    plain_rust, stunnel,
};
use crate::{
    failure::{Failure, While as _},
    generator::Target,
    pki::Pki,
};

/// The service's name in CONNECT.
pub(super) const SERVICE: &str = "loadtest";

/// How much of the way from client to service is the contestant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Setup {
    /// The side of the service; the generator speaks TLS itself, and CONNECT where that is needed.
    Proxy,
    /// Both sides: plain TCP goes in and comes out, and TLS is between the contestant's processes.
    Chain,
}

/// One of those that are compared.
#[derive(Debug, Clone)]
pub(crate) struct Contestant {
    /// Its name in reports.
    pub(crate) name: String,
    /// Program and version, or what else it is.
    pub(crate) about: String,
    /// Whether it is Causeway: its errors fail the comparison, others' are reported.
    pub(crate) ours: bool,
    /// Why it cannot take part.
    pub(crate) missing: Option<String>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Causeway { program: PathBuf, engine: &'static str, multiplexed: bool },
    HaProxy { program: PathBuf },
    Nginx { program: PathBuf, module: Option<PathBuf> },
    Stunnel { program: PathBuf },
    PlainRust { program: PathBuf, h2: bool },
    Nobody,
}

impl Contestant {
    /// Nothing at all: the generator's clients speak to the service. What a latency is without
    /// anybody between them.
    pub(crate) fn nobody() -> Self {
        Self {
            name: "no proxy".into(),
            about: "the generator's clients on the service itself".into(),
            ours: false,
            missing: None,
            kind: Kind::Nobody,
        }
    }

    /// Whether it is nothing but the harness.
    pub(crate) fn is_nobody(&self) -> bool {
        matches!(self.kind, Kind::Nobody)
    }

    /// Whether goals are told relative to it.
    pub(crate) fn is_haproxy(&self) -> bool {
        matches!(self.kind, Kind::HaProxy { .. })
    }

    /// Engine and mode of Causeway's.
    pub(crate) fn engine_and_mode(&self) -> Option<(&'static str, &'static str)> {
        match &self.kind {
            Kind::Causeway { engine, multiplexed: true, .. } => Some((engine, "multiplexed")),
            Kind::Causeway { engine, multiplexed: false, .. } => Some((engine, "direct")),
            _ => None,
        }
    }

    /// Writes configurations below `directory`; answers what to start, the service's side first.
    pub(crate) fn prepare(
        &self,
        setup: Setup,
        tunnels: usize,
        directory: &Path,
        service: SocketAddr,
        pki: &Pki,
    ) -> Result<Vec<Post>, Failure> {
        if self.is_nobody() {
            return Ok(Vec::new());
        }
        let name = self.name.replace(' ', "-");
        let place = Place::make(directory, &name, service, pki)?;
        let proxy = place.listen;
        let mut posts = vec![Post { launch: self.configure(&place)?, place }];
        if setup == Setup::Chain {
            let place = Place::make(directory, &format!("{name}-connector"), proxy, pki)?;
            posts.push(Post { launch: self.configure_connector(&place, tunnels)?, place });
        }
        Ok(posts)
    }

    fn configure(&self, place: &Place) -> Result<Launch, Failure> {
        match &self.kind {
            Kind::Causeway { program, engine, .. } => causeway::configure(program, engine, place),
            Kind::HaProxy { program } => haproxy::configure(program, place),
            Kind::Nginx { program, module } => nginx::configure(program, module.as_deref(), place),
            Kind::Stunnel { program } => stunnel::configure(program, place),
            Kind::PlainRust { program, h2 } => Ok(plain_rust::launch(program, *h2, place)),
            Kind::Nobody => Err(Failure("nobody has no configuration".into())),
        }
    }

    fn configure_connector(&self, place: &Place, tunnels: usize) -> Result<Launch, Failure> {
        match &self.kind {
            Kind::Causeway { program, engine, multiplexed } => {
                causeway::configure_connector(program, engine, *multiplexed, place, tunnels)
            }
            Kind::HaProxy { program } => haproxy::configure_connector(program, place),
            Kind::Nginx { program, module } => {
                nginx::configure_connector(program, module.as_deref(), place)
            }
            Kind::Stunnel { program } => stunnel::configure_connector(program, place),
            Kind::PlainRust { program, h2 } => {
                Ok(plain_rust::launch_connector(program, *h2, place, tunnels))
            }
            Kind::Nobody => Err(Failure("nobody has no configuration".into())),
        }
    }

    /// How the generator speaks to it, once `posts` run; without any, to the service.
    pub(crate) fn target(&self, posts: &[Post], service: SocketAddr) -> Target {
        let place = match posts {
            [] => return Target::Plain(service),
            [Post { place, .. }] => place,
            [.., Post { place, .. }] => return Target::Plain(place.listen),
        };
        let (address, files) = (place.listen, place.pki.client());
        match &self.kind {
            Kind::Causeway { multiplexed: false, .. } => {
                Target::ConnectHttp1(address, files, format!("{SERVICE}:443"))
            }
            Kind::Causeway { multiplexed: true, .. } | Kind::PlainRust { h2: true, .. } => {
                Target::ConnectHttp2(address, files, format!("{SERVICE}:443"))
            }
            _ => Target::Tls(address, files),
        }
    }
}

/// Everybody, those included that cannot take part.
pub(crate) fn lineup(causeway: &Path) -> Result<Vec<Contestant>, Failure> {
    let this = env::current_exe().during("finding this program")?;
    let mut all = causeway::contestants(causeway)?;
    all.push(haproxy::contestant());
    all.push(nginx::contestant());
    all.push(stunnel::contestant());
    all.extend(plain_rust::contestants(&this));
    Ok(all)
}

/// A program on the PATH or where Debian keeps servers, which is not on everybody's PATH.
pub(super) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::place::tests::place;
    use super::*;

    #[test]
    fn every_peer_asks_for_the_client_certificate_and_one_cipher() {
        let directory = tempfile::tempdir().unwrap();
        let place = place(directory.path());
        let program = Path::new("/program");
        for (launch, asks) in [
            (haproxy::configure(program, &place), "verify required"),
            (nginx::configure(program, None, &place), "ssl_verify_client on"),
            (stunnel::configure(program, &place), "verifyChain = yes"),
        ] {
            let needed = [asks, "server."];
            contains(&launch.unwrap(), &needed);
        }
    }

    #[test]
    fn every_peer_shows_a_client_certificate_and_checks_the_servers() {
        let directory = tempfile::tempdir().unwrap();
        let place = place(directory.path());
        let program = Path::new("/program");
        for (launch, asks) in [
            (haproxy::configure_connector(program, &place), "verifyhost localhost"),
            (nginx::configure_connector(program, None, &place), "proxy_ssl_verify on"),
            (stunnel::configure_connector(program, &place), "checkHost = localhost"),
        ] {
            contains(&launch.unwrap(), &[asks, "client."]);
        }
    }

    fn contains(launch: &Launch, needed: &[&str]) {
        let file = launch.arguments.iter().find(|argument| argument.contains("peer-")).unwrap();
        let text = fs::read_to_string(file).unwrap();
        for needed in needed {
            assert!(text.contains(needed), "{needed} is missing in:\n{text}");
        }
        for needed in ["TLS_AES_128_GCM_SHA256", "TLSv1.3", "4001", "127.0.0.1:4002", "ca.crt"] {
            assert!(text.contains(needed), "{needed} is missing in:\n{text}");
        }
    }

    fn post(directory: &Path) -> Post {
        let launch = Launch { program: PathBuf::new(), arguments: Vec::new() };
        Post { launch, place: place(directory) }
    }

    #[test]
    fn who_multiplexes_is_asked_over_http2_and_who_knows_no_http_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let posts = [post(directory.path())];
        let service = posts[0].place.service;
        let all = lineup(Path::new("/nowhere/causeway")).unwrap();
        assert_eq!(all.len(), 9);
        for contestant in all {
            let target = contestant.target(&posts, service);
            let expected = match contestant.name.as_str() {
                name if name.contains("multiplexed") || name.ends_with("h2") => {
                    matches!(target, Target::ConnectHttp2(..))
                }
                name if name.starts_with("causeway") => matches!(target, Target::ConnectHttp1(..)),
                _ => matches!(target, Target::Tls(..)),
            };
            assert!(expected, "{}: {target:?}", contestant.name);
        }
    }

    #[test]
    fn a_chain_is_entered_at_its_plain_port_and_nobody_leads_to_the_service() {
        let directory = tempfile::tempdir().unwrap();
        let pki = Pki::make(directory.path()).unwrap();
        let service = place(directory.path()).service;
        for contestant in lineup(Path::new("/nowhere/causeway")).unwrap() {
            let prepared =
                contestant.prepare(Setup::Chain, 4, directory.path(), service, &pki).unwrap();
            let [proxy, connector] = &prepared[..] else { panic!("two processes") };
            assert_eq!(proxy.place.service, service);
            assert_eq!(connector.place.service, proxy.place.listen);
            let target = contestant.target(&prepared, service);
            assert!(matches!(target, Target::Plain(at) if at == connector.place.listen));
        }
        let nobody = Contestant::nobody();
        let none = nobody.prepare(Setup::Chain, 4, directory.path(), service, &pki).unwrap();
        assert!(none.is_empty());
        assert!(matches!(nobody.target(&none, service), Target::Plain(at) if at == service));
    }
}
