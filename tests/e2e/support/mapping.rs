//! Mapping documents, and files that appear whole.

use std::{fs, net::SocketAddr, path::Path};

/// One ServiceMapping document.
#[derive(Debug, Clone)]
pub struct ServiceMapping<'a> {
    pub name: &'a str,
    pub service_type: &'a str,
    pub subaccount: Option<&'a str>,
    pub service: &'a str,
    pub address: String,
    pub locations: Option<&'a [&'a str]>,
}

impl<'a> ServiceMapping<'a> {
    /// A TCP service of subaccount `a` for the default location, named like the service.
    pub fn new(service: &'a str, address: SocketAddr) -> Self {
        Self {
            name: service,
            service_type: "TCP",
            subaccount: Some("a"),
            service,
            address: address.to_string(),
            locations: None,
        }
    }

    pub fn text(&self) -> String {
        let mut text = format!(
            "apiVersion: connectivityproxy.sap.com/v1\nkind: ServiceMapping\nmetadata:\n  \
             name: {}\nspec:\n  type: {}\n  serviceId: {}\n  internalAddress: \"{}\"\n",
            self.name, self.service_type, self.service, self.address
        );
        if let Some(subaccount) = self.subaccount {
            text.push_str(&format!("  subaccountId: {subaccount}\n"));
        }
        if let Some(locations) = self.locations {
            text.push_str(&format!("  locationIds: {locations:?}\n"));
        }
        text
    }
}

/// Writes a file beside its place and moves it there, as an editor or a secret mount does.
pub fn put(path: &Path, text: &str) {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap());
    let hidden = path.with_file_name(name);
    fs::write(&hidden, text).unwrap();
    fs::rename(&hidden, path).unwrap();
}
