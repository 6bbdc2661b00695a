//! A client's certificate, key and authorities as texts that somebody sent, judged like files.

use std::time::SystemTime;

use crate::tls::certificate::Purpose;
use crate::tls::pem::PemFile;
use crate::tls::trust::Authorities;
use crate::tls::{
    CertificateEntry, CertificateUse, Facts, MaterialError, inventory, material::own_key,
};

/// PEM texts. The key is secret: no `Debug`.
#[derive(Clone, Copy)]
pub struct ClientTexts<'t> {
    /// The certificate chain, leaf first.
    pub certificate: &'t str,
    /// Its private key.
    pub private_key: &'t str,
    /// The CAs of the servers it is shown to.
    pub authorities: &'t str,
}

impl ClientTexts<'_> {
    /// Checks that they belong together and can be used. `names` is what whoever sent them calls
    /// them, in the order of the fields; `now` decides which warnings are due.
    ///
    /// # Errors
    /// Names the text, what is wrong with it and what to do.
    pub fn check(&self, names: [&str; 3], now: SystemTime) -> Result<Facts, MaterialError> {
        let [certificate, private_key, authorities] = names;
        let certificate = PemFile::of(certificate, self.certificate);
        let private_key = PemFile::of(private_key, self.private_key);
        let authorities = PemFile::of(authorities, self.authorities);
        let (_, mut facts) = own_key(&certificate, &private_key, Purpose::Client, now)?;
        let (authorities, _) = Authorities::read(&authorities, now, &mut facts.warnings)?;
        facts.authority_not_after = authorities.first_end;
        Ok(facts)
    }
}

/// What the first certificate of a PEM text says, if there is one.
#[must_use]
pub fn leaf_of(certificate: &str) -> Option<CertificateEntry> {
    let file = PemFile::of("certificate", certificate);
    inventory::certificates(&file, CertificateUse::Own).into_iter().next()
}
