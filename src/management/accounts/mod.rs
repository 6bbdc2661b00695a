//! Who may use REST and page: roles, passwords, sessions, and what happens to those who guess.
//! Pure but for the hashing: time is told, and nothing is read or written.

mod caller;
mod lockout;
mod password;
mod role;
mod secret;
mod session;

pub use caller::Caller;
pub use lockout::{Lockout, Wait};
pub use password::{Weak, check_strength, hash, verify, verify_nobody};
pub use role::{Permission, Role};
pub use secret::Secret;
pub use session::{Opened, Session, Sessions, csrf_of};
