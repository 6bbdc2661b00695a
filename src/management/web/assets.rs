//! The files, under the names they are served by.

use std::{io::Write as _, sync::OnceLock};

use aws_lc_rs::digest::{SHA256, digest};
use flate2::{Compression, write::GzEncoder};

/// A file.
pub(super) struct Asset {
    /// Behind `/assets/`.
    pub(super) name: &'static str,
    /// As it is written.
    pub(super) plain: &'static [u8],
    gzipped: OnceLock<Vec<u8>>,
    tag: OnceLock<String>,
}

impl Asset {
    const fn new(name: &'static str, plain: &'static [u8]) -> Self {
        Self { name, plain, gzipped: OnceLock::new(), tag: OnceLock::new() }
    }

    /// For browsers that take it; made when the first one asks, and kept.
    pub(super) fn gzipped(&self) -> &[u8] {
        self.gzipped.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            let written = encoder.write_all(self.plain).and_then(|()| encoder.finish());
            written.expect("a vector takes everything")
        })
    }

    /// What only these bytes have, in hexadecimal.
    pub(super) fn tag(&self) -> &str {
        self.tag.get_or_init(|| {
            let hashed = digest(&SHA256, self.plain);
            hashed.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
        })
    }

    /// By the end of its name.
    pub(super) fn content_type(&self) -> &'static str {
        match self.name.rsplit_once('.').map(|(_, end)| end) {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "application/octet-stream",
        }
    }
}

macro_rules! assets {
    ($($name:literal)*) => {
        [$(Asset::new($name, include_bytes!(concat!("assets/", $name)))),*]
    };
}

static ASSETS: [Asset; 21] = assets! {
    "accounts.js" "api.js" "app.js" "backup.js" "certificates.js" "channel.js" "channels.js"
    "chart.js" "checks.js" "dialog.js" "dom.js" "enter.js" "icon.svg" "index.html" "log.js"
    "material.js" "monitoring.js" "parts.js" "requests.js" "style.css" "subaccounts.js"
};

/// The file of that name.
pub(super) fn named(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}
