//! Where a contestant's process finds its files and its port.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use tokio::net::TcpSocket;

use crate::{
    failure::{Failure, While as _},
    pki::Pki,
};

/// What a start needs to know.
#[derive(Debug)]
pub(crate) struct Place {
    /// An empty directory of its own.
    pub(crate) directory: PathBuf,
    /// Where it shall listen.
    pub(crate) listen: SocketAddr,
    /// Where streams go: the service, or from a client's side the other side.
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

/// One process of a contestant, before it starts.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) launch: Launch,
    pub(crate) place: Place,
}

impl Place {
    /// A directory below `parent` and a free port.
    pub(super) fn make(
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
}
