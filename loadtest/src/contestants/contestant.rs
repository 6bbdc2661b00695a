//! The list of contestants, and what each looks like to the comparison.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use tokio::net::TcpSocket;

use super::{causeway, haproxy, nginx, plain_rust, stunnel};
use crate::{
    failure::{Failure, While as _},
    generator::Target,
    pki::Pki,
};

/// The service's name in CONNECT.
pub(super) const SERVICE: &str = "loadtest";

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
}

/// What a start needs to know.
#[derive(Debug)]
pub(crate) struct Place {
    /// An empty directory of its own.
    pub(crate) directory: PathBuf,
    /// Where it shall listen.
    pub(crate) listen: SocketAddr,
    /// Where streams go.
    pub(crate) service: SocketAddr,
    pub(crate) pki: Pki,
    /// Keeps the port from becoming the near end of a connection before the contestant listens on
    /// it. Servers set SO_REUSEADDR, so they can while this socket has it and does not listen.
    _held: Option<TcpSocket>,
}

/// A command that runs in the foreground.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
}

impl Place {
    /// A directory below `parent` and a free port.
    pub(crate) fn make(
        parent: &Path,
        name: &str,
        service: SocketAddr,
        pki: &Pki,
    ) -> Result<Self, Failure> {
        let directory = parent.join(name);
        if directory.exists() {
            fs::remove_dir_all(&directory).during(directory.display())?;
        }
        fs::create_dir_all(&directory).during(directory.display())?;
        let held = TcpSocket::new_v4()?;
        held.set_reuseaddr(true)?;
        held.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listen = held.local_addr()?;
        Ok(Self { directory, listen, service, pki: pki.clone(), _held: Some(held) })
    }

    /// Writes a file into the directory.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.directory.join(name);
        fs::write(&path, text).during(path.display())?;
        Ok(path)
    }
}

impl Contestant {
    /// Writes its configuration; answers what to start.
    pub(crate) fn configure(&self, place: &Place) -> Result<Launch, Failure> {
        match &self.kind {
            Kind::Causeway { program, engine, .. } => causeway::configure(program, engine, place),
            Kind::HaProxy { program } => haproxy::configure(program, place),
            Kind::Nginx { program, module } => nginx::configure(program, module.as_deref(), place),
            Kind::Stunnel { program } => stunnel::configure(program, place),
            Kind::PlainRust { program, h2 } => Ok(plain_rust::launch(program, *h2, place)),
        }
    }

    /// How the generator speaks to it.
    pub(crate) fn target(&self, place: &Place) -> Target {
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
pub(super) mod tests {
    use super::*;

    /// A place whose values can be looked for in a configuration.
    pub(crate) fn place(directory: &Path) -> Place {
        Place {
            directory: directory.to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4001)),
            service: SocketAddr::from((Ipv4Addr::LOCALHOST, 4002)),
            pki: Pki::make(directory).unwrap(),
            _held: None,
        }
    }

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
            let launch = launch.unwrap();
            let file = launch.arguments.iter().find(|argument| argument.contains("peer-")).unwrap();
            let text = fs::read_to_string(file).unwrap();
            for needed in [asks, "TLS_AES_128_GCM_SHA256", "TLSv1.3", "4001", "127.0.0.1:4002"] {
                assert!(text.contains(needed), "{needed} is missing in:\n{text}");
            }
        }
    }

    #[test]
    fn who_multiplexes_is_asked_over_http2_and_who_knows_no_http_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let place = place(directory.path());
        let all = lineup(Path::new("/nowhere/causeway")).unwrap();
        assert_eq!(all.len(), 9);
        for contestant in all {
            let target = contestant.target(&place);
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
}
