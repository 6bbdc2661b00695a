//! What a service mapping is once it is known to be good, and how a bad one is reported.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Address, Network};

/// The protocol a service speaks; part of a mapping's key. Both are carried as plain bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServiceType {
    /// Any TCP service.
    Tcp,
    /// SAP's remote function calls.
    Rfc,
}

impl fmt::Display for ServiceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Rfc => "RFC",
        })
    }
}

/// Whom a proxy serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenancy {
    /// One subaccount, which mappings need not name.
    Dedicated {
        /// Its id.
        subaccount: String,
    },
    /// Many subaccounts, which every mapping names.
    Shared,
}

/// One validated service mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// `metadata.name`.
    pub name: String,
    /// `spec.type`.
    pub service_type: ServiceType,
    /// `spec.subaccountId`, or the dedicated tenant where that is left out.
    pub subaccount: String,
    /// `spec.serviceId`, compared byte by byte: the field is a free string to those who write
    /// mappings, and two spellings may be two services.
    pub service: String,
    /// `spec.tenantId`: the tenant's id in the service's own model.
    pub tenant: Option<String>,
    /// `spec.internalAddress`.
    pub address: Address,
    /// `spec.locationIds`; only the default location, `""`, where that is left out.
    pub locations: Vec<String>,
    /// Annotation `causeway.io/allowed-sources`: where a connector's tunnel may come from; anywhere
    /// when there is none.
    pub sources: Vec<Network>,
    /// Annotation `causeway.io/proxy-protocol`: the service is told who is there before anything
    /// else, by a header of the PROXY protocol, version 2.
    pub proxy_header: bool,
    /// Where it was read.
    pub source: Source,
}

impl Mapping {
    /// Whether a connector with this location id may use the mapping (case-sensitive).
    #[must_use]
    pub fn allows(&self, location: &str) -> bool {
        self.locations.iter().any(|allowed| allowed == location)
    }

    /// Whether a tunnel that comes from this address may use the mapping.
    #[must_use]
    pub fn allows_source(&self, source: IpAddr) -> bool {
        self.sources.is_empty() || self.sources.iter().any(|network| network.contains(source))
    }
}

/// The line of what was not read from a file.
pub(super) const NO_LINE: usize = 0;

/// The place a mapping was read from; displays as `file:line`, or for an object of a cluster as
/// `servicemapping/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file, or the object as `kubectl` names it.
    pub file: Arc<Path>,
    /// The 1-based line its document starts at; 0 for an object of a cluster.
    pub line: usize,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_place(f, &self.file, self.line)
    }
}

fn write_place(f: &mut fmt::Formatter<'_>, file: &Path, line: usize) -> fmt::Result {
    write!(f, "{}", file.display())?;
    if line == NO_LINE { Ok(()) } else { write!(f, ":{line}") }
}

impl From<&str> for Source {
    /// Reads `file:line`; text without a line number is a file, line 1.
    fn from(text: &str) -> Self {
        let split = text.rsplit_once(':');
        let (file, line) =
            split.and_then(|(file, line)| Some((file, line.parse().ok()?))).unwrap_or((text, 1));
        Self { file: Path::new(file).into(), line }
    }
}

/// Why a document, or a part of a file, is not in force. Displays as `file:line: field: message`,
/// for an object of a cluster without the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the object as `kubectl` names it.
    pub file: PathBuf,
    /// The 1-based line in the file; 0 for an object of a cluster.
    pub line: usize,
    /// The field's path within its document (`spec.internalAddress`), where one is to blame.
    pub field: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_place(f, &self.file, self.line)?;
        f.write_str(": ")?;
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// All mappings there are at one moment, as whoever watches a cluster tells them.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The good ones; of two for one service the first wins.
    pub mappings: Vec<Arc<Mapping>>,
    /// What is wrong with others, in words for an operator.
    pub problems: Vec<String>,
}
