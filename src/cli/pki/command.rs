//! What each subcommand of `causeway pki` does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::cli::pki::PkiError;
use crate::cli::pki::args::{ConnectorArgs, InitArgs, RevokeArgs, ServerArgs};
use crate::cli::pki::files::{self, Access};
use crate::tls::{Authority, IssueError, Issued, Revoked, Validity, read_revocation_list};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Certificates begin this long before now: the clocks of two machines differ.
const CLOCK_SLACK: Duration = Duration::from_secs(3600);

pub(super) fn init(args: &InitArgs, now: SystemTime) -> Result<Vec<String>, PkiError> {
    let dir = &args.place.dir;
    let (_, issued) = Authority::create(&args.name, validity(args.days, now)?)?;
    files::make_directory(dir)?;
    let mut lines = save(dir, "ca", &issued, args.place.force)?;
    lines.push("Keep ca.key secret: whoever has it can be any subaccount.".into());
    lines.push(format!("Next: causeway pki server --dir {} --host NAME", dir.display()));
    Ok(lines)
}

pub(super) fn server(args: &ServerArgs, now: SystemTime) -> Result<Vec<String>, PkiError> {
    let dir = &args.place.dir;
    check_name(&args.out_name)?;
    let hosts: Vec<&str> = args.hosts.iter().map(String::as_str).collect();
    let issued = load(dir)?.issue_server(&hosts, validity(args.days, now)?)?;
    let mut lines = save(dir, &args.out_name, &issued, args.place.force)?;
    lines.push(format!("Next: causeway pki connector --dir {} --subaccount ID", dir.display()));
    Ok(lines)
}

pub(super) fn connector(args: &ConnectorArgs, now: SystemTime) -> Result<Vec<String>, PkiError> {
    let dir = &args.place.dir;
    check_name(&args.out_name)?;
    let location = args.location.as_deref();
    let issued =
        load(dir)?.issue_connector(&args.subaccount, location, validity(args.days, now)?)?;
    let mut lines = save(dir, &args.out_name, &issued, args.place.force)?;
    lines.push(format!(
        "Next: take {0}.crt, {0}.key and ca.crt to the connector's machine, name them in its \
         connector.toml, and type: causeway connector --config connector.toml",
        args.out_name
    ));
    Ok(lines)
}

pub(super) fn revoke(args: &RevokeArgs, now: SystemTime) -> Result<Vec<String>, PkiError> {
    let authority = load(&args.dir)?;
    let serial = authority.serial_of(&files::read(&args.certificate)?)?;
    let path = args.dir.join("ca.crl");
    let (number, mut revoked) =
        if path.exists() { read_list(&path)? } else { (0, BTreeMap::new()) };
    let known = revoked.contains_key(&serial);
    revoked.entry(serial).or_insert(Revoked { since: now });
    let list =
        authority.revocation_list(&revoked, number.saturating_add(1), validity(args.days, now)?)?;
    files::write_all(&[(path.clone(), &list, Access::Public)], true)?;
    let certificate = args.certificate.display();
    let count = revoked.len();
    Ok(vec![
        if known {
            format!("{certificate} was revoked already")
        } else {
            format!("revoked {certificate}")
        },
        format!("wrote {} ({count} revoked)", path.display()),
        "Next: name ca.crl as crl under [tunnel.tls] in proxy.toml; a proxy that has it already \
         reads it anew by itself."
            .into(),
    ])
}

fn read_list(path: &Path) -> Result<(u64, BTreeMap<Vec<u8>, Revoked>), PkiError> {
    Ok(read_revocation_list(&files::read(path)?)?)
}

fn load(dir: &Path) -> Result<Authority, PkiError> {
    let (certificate, key) = (dir.join("ca.crt"), dir.join("ca.key"));
    if !certificate.exists() && !key.exists() {
        return Err(PkiError::NoAuthority(dir.to_owned()));
    }
    Ok(Authority::load(&files::read(&certificate)?, &files::read(&key)?)?)
}

fn save(dir: &Path, name: &str, issued: &Issued, force: bool) -> Result<Vec<String>, PkiError> {
    let path = |extension: &str| -> PathBuf { dir.join(format!("{name}.{extension}")) };
    let (key, certificate) = (path("key"), path("crt"));
    // The key first: whoever waits for a new certificate then finds its key in place.
    files::write_all(
        &[
            (key.clone(), &issued.private_key_pem, Access::Secret),
            (certificate.clone(), &issued.certificate_pem, Access::Public),
        ],
        force,
    )?;
    Ok(vec![format!("wrote {}", certificate.display()), format!("wrote {}", key.display())])
}

fn validity(days: u32, now: SystemTime) -> Result<Validity, PkiError> {
    let not_before = now.checked_sub(CLOCK_SLACK);
    let not_after = now.checked_add(DAY * days);
    not_before
        .zip(not_after)
        .map(|(not_before, not_after)| Validity { not_before, not_after })
        .ok_or_else(|| IssueError::BadRequest("the validity is beyond all time".into()).into())
}

fn check_name(name: &str) -> Result<(), PkiError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || name.starts_with('.') || name == "ca" || !name.chars().all(plain) {
        return Err(PkiError::BadName(name.to_owned()));
    }
    Ok(())
}
