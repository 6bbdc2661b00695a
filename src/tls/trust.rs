//! CA certificates and revocation lists, each checked before any is trusted.

use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::tls::certificate::{date_text, parse, system_time};
use crate::tls::pem::PemFile;
use crate::tls::{MaterialError, MaterialProblem};

/// The CAs of one file.
pub(super) struct Authorities {
    certificates: Vec<CertificateDer<'static>>,
    /// When the first of them ends.
    pub(super) first_end: Option<SystemTime>,
}

impl Authorities {
    /// Reads all CAs; one that cannot be read spoils the file, since leaving it out would refuse
    /// its peers without a word.
    pub(super) fn read(
        file: &PemFile,
        now: SystemTime,
        warnings: &mut Vec<String>,
    ) -> Result<(Self, RootCertStore), MaterialError> {
        let certificates = file.certificates()?;
        let mut roots = RootCertStore::empty();
        let mut first_end = None;
        for (index, der) in certificates.iter().enumerate() {
            let position = index + 1;
            let bad = |why: String| file.error(MaterialProblem::BadCertificate { position, why });
            let certificate = parse(der).map_err(bad)?;
            roots.add(der.clone()).map_err(|error| bad(error.to_string()))?;
            let subject = certificate.subject();
            if !certificate.is_ca() {
                warnings.push(format!("{subject}, given as a CA, is not a CA's certificate"));
            }
            let end = system_time(certificate.validity().not_after);
            first_end = Some(first_end.map_or(end, |first: SystemTime| first.min(end)));
            if end < now {
                warnings.push(format!("the CA {subject} expired on {}", date_text(end)));
            }
        }
        Ok((Self { certificates, first_end }, roots))
    }

    /// Reads revocation lists that these CAs signed.
    pub(super) fn read_revocation_lists(
        &self,
        file: &PemFile,
        client_ca: &PemFile,
        now: SystemTime,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<CertificateRevocationListDer<'static>>, MaterialError> {
        let lists = file.revocation_lists()?;
        let mut covered = vec![false; self.certificates.len()];
        for (index, der) in lists.iter().enumerate() {
            let position = index + 1;
            let bad =
                |why: String| file.error(MaterialProblem::BadRevocationList { position, why });
            let list = match CertificateRevocationList::from_der(der) {
                Ok(([], list)) => list,
                Ok(_) => return Err(bad("bytes follow it".into())),
                Err(error) => return Err(bad(error.to_string())),
            };
            let Some(signer) = self.signer(&list) else {
                return Err(file.error(MaterialProblem::ForeignRevocationList {
                    position,
                    issuer: list.issuer().to_string(),
                    client_ca: client_ca.path().to_owned(),
                }));
            };
            covered[signer] = true;
            if let Some(next) = list.next_update().map(system_time)
                && next < now
            {
                warnings.push(format!(
                    "the revocation list of {} was due to be replaced on {}; it keeps revoking \
                     what it lists, but certificates revoked since then are let in",
                    list.issuer(),
                    date_text(next)
                ));
            }
        }
        for (der, _) in self.certificates.iter().zip(&covered).filter(|(_, covered)| !**covered) {
            if let Ok(certificate) = parse(der) {
                let subject = certificate.subject();
                warnings.push(format!(
                    "the CA {subject} has no revocation list: none of its certificates can be \
                     revoked"
                ));
            }
        }
        Ok(lists)
    }

    fn signer(&self, list: &CertificateRevocationList<'_>) -> Option<usize> {
        self.certificates.iter().position(|der| {
            parse(der).is_ok_and(|ca| {
                ca.subject().as_raw() == list.issuer().as_raw()
                    && list.verify_signature(ca.public_key()).is_ok()
            })
        })
    }
}
