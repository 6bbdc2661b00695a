//! What was made by REST or on the page, in one SQLite file: subaccounts with their certificates,
//! channels, accounts, use by hour, and who changed what.
//!
//! A call returns when what it did is on the disk: each is one transaction, in a write-ahead log
//! that is synced at each commit. What people change is in one with its line in the log of
//! changes. A process that is killed at any moment loses nothing that it acknowledged, and the next
//! one finds the file as of the last commit.

mod account;
mod aside;
mod change;
mod channel;
mod edit;
mod error;
mod file;
mod request;
mod subaccount;
mod usage;
mod whole;

pub use account::Account;
pub use change::Change;
pub use channel::{Channel, ChannelMode, Made};
pub use edit::{By, Edit};
pub use error::StoreError;
pub use file::Store;
pub use subaccount::{Owner, Subaccount};
pub use usage::{Hour, Total, Totals};
pub use whole::Contents;
