//! What people make by REST or on the page, and what is remembered of them.

use std::time::Duration;

/// Subaccounts of one connector: each has its own tunnels and certificate.
pub const SUBACCOUNTS_MANAGED_MAX: usize = 256;
/// Service channels of one connector: each has a port.
pub const CHANNELS_MANAGED_MAX: usize = 4096;
/// The store's ids of channels stay below: one a second for 34 000 years. Those of the
/// configuration file's channels are above.
pub const CHANNEL_ID_MANAGED_MAX: i64 = 1 << 40;
/// Certificates that are asked for and have not come; the oldest is forgotten beyond.
pub const CERTIFICATE_REQUESTS_MAX: usize = 64;
/// Accounts; people, and programs that act for them.
pub const ACCOUNTS_MAX: usize = 256;
/// Changes that are remembered: some 200 bytes each.
pub const CHANGES_KEPT: usize = 10_000;
/// Changes on one page of their log.
pub const CHANGES_PER_PAGE: usize = 100;
/// How often what channels carry is written down: what a crash loses of the chart at most.
pub const USAGE_RECORD_INTERVAL: Duration = Duration::from_secs(5);
/// Hours of use that are remembered, for a chart of a day.
pub const USAGE_HOURS_KEPT: i64 = 24;

/// Fewest characters of a password (NIST SP 800-63B §3.1.1.2: 15 where nothing else is asked for;
/// here a lock-out is, too).
pub const PASSWORD_CHARACTERS_MIN: usize = 12;
/// Most bytes of a password: hashing is no gift to whoever sends a megabyte.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Memory of one hash in KiB, passes and lanes: argon2id as OWASP recommends it.
pub const PASSWORD_HASH: (u32, u32, u32) = (19_456, 2, 1);
/// A session nobody uses ends.
pub const SESSION_IDLE_MAX: Duration = Duration::from_secs(30 * 60);
/// So does one that has been used for a working day.
pub const SESSION_AGE_MAX: Duration = Duration::from_secs(12 * 3600);
/// Sessions at a time; beyond it the one that was used longest ago ends.
pub const SESSIONS_MAX: usize = 1024;
/// Wrong passwords for one account, or from one address, before it has to wait.
pub const WRONG_PASSWORDS_FREE: u32 = 5;
/// The first wait; each wrong one more doubles it.
pub const LOCKOUT_FIRST: Duration = Duration::from_secs(1);
/// The longest wait: who guesses gets four tries an hour.
pub const LOCKOUT_MAX: Duration = Duration::from_secs(15 * 60);
/// Names and addresses whose wrong passwords are counted; beyond it the longest quiet is forgotten.
pub const LOCKOUTS_MAX: usize = 4096;
/// The certificate that is made for the page: two years; a start in its last month makes another.
pub const UI_CERTIFICATE_AGE_MAX: Duration = Duration::from_secs(2 * 365 * 24 * 3600);
/// The link for setting up the first account is good for so long.
pub const SETUP_LINK_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Body of a request to the management: a certificate with its chain, a key and some authorities.
pub const MANAGEMENT_BODY_BYTES_MAX: usize = 256 * 1024;
/// Body of an import: as many channels as there may be, most with short comments and few sources.
pub const IMPORT_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A backup: the largest store people make by hand, with 256 subaccounts, 4096 channels and a full
/// log, has some 8 MiB. Held in memory twice while it is sealed or restored.
pub const BACKUP_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Body of a restore: a backup, its password, and what parts them.
pub const RESTORE_BODY_BYTES_MAX: usize = BACKUP_BYTES_MAX + 16 * 1024;
/// Backups that are made or restored at a time; who comes meanwhile is told so.
pub const BACKUPS_AT_ONCE: usize = 1;
/// Certificates of a PKCS #12 file: a chain has a few, and some authorities stand beside it.
pub const PKCS12_CERTIFICATES_MAX: usize = 64;
/// PKCS #12 files that are opened at a time: one may ask for as many rounds as take seconds.
pub const PKCS12_AT_ONCE: usize = 1;
/// Memory in KiB, passes and lanes of argon2id for the key of a backup of form 1; what is sealed
/// with it could not be opened with others.
pub const BACKUP_KEY_HASH: (u32, u32, u32) = (19_456, 2, 1);
/// Comments, names and descriptions: people write a few lines.
pub const MANAGED_TEXT_BYTES_MAX: usize = 1024;
/// Name of an account.
pub const ACCOUNT_NAME_BYTES_MAX: usize = 64;
/// Passwords that are hashed at a time, 19 MiB each: who guesses takes one core and no memory.
pub const PASSWORDS_HASHED_AT_ONCE: usize = 2;
/// How long enabling a channel waits for its first tunnel, or for the reason that there is none.
pub const ENABLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it looks meanwhile.
pub const ENABLE_LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Free space of the disk with the store below which an alert says so: the log of the process is
/// likely to be there, too.
pub const DISK_FREE_BYTES_MIN: u64 = 256 * 1024 * 1024;
/// Ticks of the machine's processors, 100 a second each, over which their use is told at least.
pub const CPU_TICKS_MIN: u64 = 100;
