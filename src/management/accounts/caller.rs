//! Whoever sends a request, once that is known.

use std::net::IpAddr;

use super::{Permission, Role};
use crate::management::Failure;

/// An account that sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its name.
    pub account: String,
    /// What it may.
    pub role: Role,
    /// Where the request comes from.
    pub from: IpAddr,
}

impl Caller {
    /// Goes on if it may.
    ///
    /// # Errors
    /// 403, with what it would need.
    pub fn must(&self, permission: Permission) -> Result<(), Failure> {
        if self.role.may(permission) {
            return Ok(());
        }
        let may = Role::ALL.into_iter().filter(|role| role.may(permission)).map(Role::name);
        let may = may.collect::<Vec<_>>().join(", ");
        let (account, role) = (&self.account, self.role.name());
        Err(Failure::forbidden(format!("{account} is {role}; this is for the roles {may}")))
    }
}
