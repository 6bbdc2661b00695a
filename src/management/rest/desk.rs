//! What all routes share: the store, the running connector, who is logged in and who guesses.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{alerts::Since, usage::Counted};
use crate::{
    limits::{BACKUPS_AT_ONCE, PASSWORDS_HASHED_AT_ONCE, PKCS12_AT_ONCE},
    management::{
        Carrier, Failure,
        accounts::{Caller, Lockout, Sessions, verify_nobody},
        machine::{Meter, Ticks},
        store::{By, Channel, Edit, Store, StoreError, Subaccount},
    },
    tls::CertificateEntry,
};

/// Where requests are dealt with.
pub struct Desk {
    pub(super) store: Arc<Store>,
    pub(super) carrier: Arc<dyn Carrier>,
    pub(super) hashing: Semaphore,
    /// Whoever makes or restores a backup has one.
    pub(super) backups: Arc<Semaphore>,
    /// Whoever opens a PKCS #12 file has one. Not those of passwords: logging in goes on.
    pub(super) openings: Arc<Semaphore>,
    sessions: Mutex<Sessions>,
    lockout: Mutex<Lockout>,
    /// Held while ports are compared and the outcome is written.
    ports: Mutex<()>,
    /// What was counted of channels when their use was recorded last.
    pub(super) counted: Mutex<Counted>,
    pub(super) meter: Mutex<Meter>,
    /// The certificate that this server itself shows.
    pub(super) page_certificate: Mutex<Option<CertificateEntry>>,
    /// Since when what is wrong now is known to be.
    pub(super) alerts: Mutex<Since>,
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
            backups: Arc::new(Semaphore::new(BACKUPS_AT_ONCE)),
            openings: Arc::new(Semaphore::new(PKCS12_AT_ONCE)),
            sessions: Mutex::default(),
            lockout: Mutex::default(),
            ports: Mutex::default(),
            counted: Mutex::default(),
            meter: Mutex::new(Meter::new(Ticks::read().unwrap_or_default())),
            page_certificate: Mutex::default(),
            alerts: Mutex::default(),
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
        let wanted: Vec<(Subaccount, Vec<Channel>)> =
            self.stored()?.into_iter().map(|one| (one.subaccount, one.channels)).collect();
        // What is closed or opened anew begins to count anew.
        self.record_usage(now_ms())?;
        self.carrier.carry(&wanted);
        self.runs(&wanted);
        *in_force = written;
        Ok(())
    }

    /// Changes something in the store, with its line in the log of changes. `work` looks at nothing
    /// but what it is given: the store is locked meanwhile.
    pub(super) fn write<T>(
        &self,
        caller: &Caller,
        work: impl FnOnce(&Edit<'_>) -> Result<(T, String), Failure>,
    ) -> Result<T, Failure> {
        let Caller { account, from, .. } = caller;
        let by = By { at: now_ms(), account, source: &from.to_string() };
        let (done, what) = self.store.change(&by, work)?;
        tracing::info!(target: "causeway::management", account, %from, "{what}");
        Ok(done)
    }

    /// The same of subaccounts and channels, and it is in force when this returns.
    pub(super) fn change<T>(
        &self,
        caller: &Caller,
        work: impl FnOnce(&Edit<'_>) -> Result<(T, String), Failure>,
    ) -> Result<T, Failure> {
        let done = self.write(caller, work)?;
        self.put_in_force()?;
        Ok(done)
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
#[must_use]
pub fn now_ms() -> i64 {
    ms(SystemTime::now())
}

/// A time in milliseconds since 1970.
pub(in crate::management) fn ms(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
