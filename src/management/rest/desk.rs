//! What all routes share: the store, the running connector, who is logged in and who guesses.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{
    limits::PASSWORDS_HASHED_AT_ONCE,
    management::{
        Carrier, Failure,
        accounts::{Caller, Lockout, Sessions, verify_nobody},
        store::{Channel, Owner, Store, StoreError, Subaccount},
    },
};

/// Where requests are dealt with.
pub struct Desk {
    pub(super) store: Arc<Store>,
    pub(super) carrier: Arc<dyn Carrier>,
    pub(super) hashing: Semaphore,
    sessions: Mutex<Sessions>,
    lockout: Mutex<Lockout>,
    /// Held while ports are compared and the outcome is written.
    ports: Mutex<()>,
    /// Counts what was written; the lock holds how much of that is in force.
    written: AtomicU64,
    in_force: Mutex<u64>,
}

impl Desk {
    /// Opens it over a store, and puts in force what that holds.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(store: Arc<Store>, carrier: Arc<dyn Carrier>) -> Result<Arc<Self>, StoreError> {
        // The first time takes longer, and would tell.
        verify_nobody("");
        let desk = Self {
            store,
            carrier,
            hashing: Semaphore::new(PASSWORDS_HASHED_AT_ONCE),
            sessions: Mutex::default(),
            lockout: Mutex::default(),
            ports: Mutex::default(),
            written: AtomicU64::new(0),
            in_force: Mutex::default(),
        };
        desk.put_in_force()?;
        Ok(Arc::new(desk))
    }

    pub(super) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lockout(&self) -> MutexGuard<'_, Lockout> {
        self.lockout.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ports(&self) -> MutexGuard<'_, ()> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the connector carry what the store holds now. Many who wait for that at a time are all
    /// served by one turn that began behind their writing.
    pub(super) fn put_in_force(&self) -> Result<(), StoreError> {
        let mine = self.written.fetch_add(1, SeqCst) + 1;
        let mut in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        if *in_force >= mine {
            return Ok(());
        }
        let written = self.written.load(SeqCst);
        let mut wanted: Vec<(Subaccount, Vec<Channel>)> =
            self.store.subaccounts()?.into_iter().map(|one| (one, Vec::new())).collect();
        // Subaccounts come sorted. One that was added since has its turn.
        for channel in self.store.channels()? {
            let place = wanted.binary_search_by(|(one, _)| one.owner.cmp(&channel.owner));
            if let Ok(place) = place {
                wanted[place].1.push(channel);
            }
        }
        self.carrier.carry(&wanted);
        *in_force = written;
        Ok(())
    }

    /// Has a change in force and written down before it is acknowledged. Whether it can be
    /// written down or not, it is in force: the store has it already.
    pub(super) fn changed(&self, caller: &Caller, what: &str) -> Result<(), Failure> {
        let noted = self.note(caller, what);
        self.put_in_force()?;
        noted
    }

    /// Writes down who changed what.
    pub(super) fn note(&self, caller: &Caller, what: &str) -> Result<(), Failure> {
        let Caller { account, from, .. } = caller;
        tracing::info!(target: "causeway::management", account, %from, "{what}");
        self.store.note_change(now_ms(), account, &from.to_string(), what).map_err(|error| {
            Failure::failed(format!("it was done, and not written to the log of changes: {error}"))
        })
    }

    /// The subaccount of that name.
    pub(super) fn subaccount(&self, owner: &Owner) -> Result<Subaccount, Failure> {
        let found = self.store.subaccount(owner)?;
        found.ok_or_else(|| {
            Failure::unknown(format!("Subaccount with value {owner} does not exist"))
        })
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Does something that waits for the disk, or computes for long, where others need not wait for it.
/// It is done to its end even if nobody waits for the answer any more.
pub(super) async fn apart<T: Send + 'static>(
    desk: &Arc<Desk>,
    work: impl FnOnce(&Desk) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let desk = desk.clone();
    match spawn_blocking(move || work(&desk)).await {
        Ok(done) => done,
        // A panic, which has been printed; or the server ends.
        Err(_) => Err(Failure::failed("this ended unexpectedly; the log says where")),
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    ms(SystemTime::now())
}

/// A time in milliseconds since 1970.
pub(super) fn ms(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
