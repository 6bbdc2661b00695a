//! Roles and what each may do.

/// What an account is for. The incumbent's four that concern service channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Everything.
    Administrator,
    /// Subaccounts that are not managed by administrators, and channels.
    SubaccountAdministrator,
    /// Looks at the configuration.
    Display,
    /// Looks at what runs.
    Monitoring,
}

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// To look at subaccounts.
    SeeConfiguration,
    /// To look at channels, which those who monitor may as well.
    SeeChannels,
    /// To look at what runs: connections, use, certificates, alerts.
    SeeMonitoring,
    /// To look at figures of it: use by the hour, latency.
    SeeFigures,
    /// To change channels and subaccounts; of managed ones only administrators may.
    Configure {
        /// Whether the subaccount is a managed one.
        managed: bool,
    },
    /// To change accounts, the connector itself, and what operators do: backups, the log, drains.
    Administer,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] =
        [Self::Administrator, Self::SubaccountAdministrator, Self::Display, Self::Monitoring];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Administrator => "Administrator",
            Self::SubaccountAdministrator => "Subaccount Administrator",
            Self::Display => "Display",
            Self::Monitoring => "Monitoring",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether it may.
    #[must_use]
    pub fn may(self, what: Permission) -> bool {
        match (self, what) {
            (Self::Administrator, _) => true,
            (_, Permission::Administer | Permission::Configure { managed: true }) => false,
            (Self::SubaccountAdministrator, Permission::SeeMonitoring | Permission::SeeFigures) => {
                false
            }
            (Self::SubaccountAdministrator, _) => true,
            (Self::Display, what) => {
                matches!(
                    what,
                    Permission::SeeConfiguration | Permission::SeeChannels | Permission::SeeFigures
                )
            }
            (Self::Monitoring, what) => {
                matches!(
                    what,
                    Permission::SeeMonitoring | Permission::SeeChannels | Permission::SeeFigures
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_may_what_it_is_for() {
        use Permission::*;
        let asked = [
            SeeConfiguration,
            SeeChannels,
            SeeMonitoring,
            SeeFigures,
            Configure { managed: false },
            Configure { managed: true },
            Administer,
        ];
        let may = |role: Role| asked.map(|what| role.may(what));
        assert_eq!(may(Role::Administrator), [true; 7]);
        let of_subaccounts = [true, true, false, false, true, false, false];
        assert_eq!(may(Role::SubaccountAdministrator), of_subaccounts);
        assert_eq!(may(Role::Display), [true, true, false, true, false, false, false]);
        assert_eq!(may(Role::Monitoring), [false, true, true, true, false, false, false]);
    }

    #[test]
    fn a_role_is_found_by_its_name() {
        for role in Role::ALL {
            assert_eq!(Role::of(role.name()), Some(role));
        }
        assert_eq!(Role::of("administrator"), None);
    }
}
