//! What there is: what the store has, and behind it what the configuration file names, which is
//! changed in the file alone.

use std::collections::BTreeMap;

use super::desk::Desk;
use crate::{
    limits::CHANNEL_ID_MANAGED_MAX,
    management::{
        Failure,
        accounts::{Caller, Permission},
        store::{Channel, Owner, StoreError, Subaccount},
    },
};

/// A subaccount that there is.
pub(super) struct Known {
    pub(super) subaccount: Subaccount,
    /// Whether the store has it, and not the file alone.
    pub(super) stored: bool,
    /// Newest first, the file's behind.
    pub(super) channels: Vec<Channel>,
}

/// Where something is changed, by the name entities show.
pub(super) fn managed_by(stored: bool) -> &'static str {
    if stored { "rest" } else { "file" }
}

/// Whether a channel is the store's.
pub(super) fn is_stored(id: i64) -> bool {
    id <= CHANNEL_ID_MANAGED_MAX
}

impl Desk {
    /// All of it, newest first, the file's behind.
    pub(super) fn all(&self) -> Result<Vec<Known>, Failure> {
        let mut all = self.stored()?;
        // Of those made in the same millisecond in the order of names.
        all.sort_by_key(|one| std::cmp::Reverse(one.subaccount.created_at));
        for (subaccount, channels) in self.carrier.of_file().subaccounts {
            match all.iter_mut().find(|one| one.subaccount.owner == subaccount.owner) {
                // The file named it later; each of its channels still is where it was made.
                Some(one) => one.channels.extend(channels),
                None => all.push(Known { subaccount, stored: false, channels }),
            }
        }
        Ok(all)
    }

    /// What the store has, in the order of names.
    pub(super) fn stored(&self) -> Result<Vec<Known>, StoreError> {
        // In this order: a channel that is added meanwhile may have a subaccount that is not seen,
        // and whoever adds it looks again.
        let subaccounts = self.store.subaccounts()?;
        let mut channels: BTreeMap<Owner, Vec<Channel>> = BTreeMap::new();
        for channel in self.store.channels()? {
            channels.entry(channel.owner.clone()).or_default().push(channel);
        }
        let known = |subaccount: Subaccount| {
            let channels = channels.remove(&subaccount.owner).unwrap_or_default();
            Known { subaccount, stored: true, channels }
        };
        Ok(subaccounts.into_iter().map(known).collect())
    }

    /// One of them.
    pub(super) fn known(&self, owner: &Owner) -> Result<Known, Failure> {
        let of_file = self.of_file(owner);
        match (self.store.subaccount(owner)?, of_file) {
            (Some(subaccount), of_file) => {
                let mut channels = self.store.channels_of(owner)?;
                channels.extend(of_file.into_iter().flat_map(|(_, channels)| channels));
                Ok(Known { subaccount, stored: true, channels })
            }
            (None, Some((subaccount, channels))) => {
                Ok(Known { subaccount, stored: false, channels })
            }
            (None, None) => Err(unknown(owner)),
        }
    }

    /// The channels of one.
    pub(super) fn channels_of(&self, owner: &Owner) -> Result<Vec<Channel>, Failure> {
        self.known(owner).map(|known| known.channels)
    }

    /// One of them.
    pub(super) fn channel(&self, owner: &Owner, id: i64) -> Result<Channel, Failure> {
        if !is_stored(id) {
            let (_, channels) = self.of_file(owner).unzip();
            let found = channels.into_iter().flatten().find(|channel| channel.id == id);
            if let Some(channel) = found {
                return Ok(channel);
            }
        }
        Ok(self.store.channel(owner, id)?)
    }

    /// The store's subaccount of that name.
    pub(super) fn subaccount(&self, owner: &Owner) -> Result<Subaccount, Failure> {
        if let Some(found) = self.store.subaccount(owner)? {
            return Ok(found);
        }
        self.is_not_of_file(owner)?;
        Err(unknown(owner))
    }

    /// Goes on if whoever asks may change a subaccount and its channels, and it is the store's.
    pub(super) fn may_change(&self, caller: &Caller, owner: &Owner) -> Result<(), Failure> {
        let managed = self.subaccount(owner)?.managed;
        caller.must(Permission::Configure { managed })
    }

    /// The same of one of its channels, if there is such a one.
    pub(super) fn may_change_channel(
        &self,
        caller: &Caller,
        owner: &Owner,
        id: i64,
    ) -> Result<(), Failure> {
        self.may_change(caller, owner)?;
        if !is_stored(id) && self.channel(owner, id).is_ok() {
            return Err(self.is_the_files(&format!("service channel {id}")));
        }
        Ok(())
    }

    /// Goes on if the configuration file does not name a subaccount.
    pub(super) fn is_not_of_file(&self, owner: &Owner) -> Result<(), Failure> {
        match self.of_file(owner) {
            None => Ok(()),
            Some(_) => Err(self.is_the_files(&format!("subaccount {owner}"))),
        }
    }

    fn is_the_files(&self, what: &str) -> Failure {
        let path = self.carrier.of_file().path;
        Failure::illegal_state(format!("{what} is managed by {path}; edit that file"))
    }

    fn of_file(&self, owner: &Owner) -> Option<(Subaccount, Vec<Channel>)> {
        self.carrier.of_file().subaccounts.into_iter().find(|(one, _)| one.owner == *owner)
    }
}

fn unknown(owner: &Owner) -> Failure {
    Failure::unknown(format!("Subaccount with value {owner} does not exist"))
}
