//! What failed logins lead to: a limit in a minute, and a lock after some in a row.

use std::sync::Arc;
use std::time::Duration;

use isospin_store_kit::{StoreError, Tx, values};
use moka::sync::Cache;
use parking_lot::Mutex;

use super::super::now;
use super::super::request::MemberHandle;
use super::account::{self, Account, hex};
use crate::IdentityApp;
use crate::config::Lockout;
use crate::fault::Fault;

/// Names whose failures are counted at a time.
const COUNTED: u64 = 100_000;
const MINUTE: Duration = Duration::from_secs(60);

/// Failed logins of the last minute, by the name they were for.
pub struct Failures {
    most: Option<u32>,
    counts: Cache<[u8; 32], Arc<Mutex<u32>>>,
}

impl Failures {
    pub fn new(most: Option<u32>) -> Self {
        Self { most, counts: Cache::builder().max_capacity(COUNTED).time_to_live(MINUTE).build() }
    }

    /// Refuses names under which too many have failed, before anything is looked up.
    pub fn check(&self, name: &[u8; 32]) -> Result<(), Fault> {
        let Some(most) = self.most else { return Ok(()) };
        match self.counts.get(name) {
            Some(count) if *count.lock() >= most => Err(Fault::too_many_failures(MINUTE)),
            _ => Ok(()),
        }
    }

    pub fn count(&self, name: [u8; 32]) {
        if self.most.is_some() {
            *self.counts.get_with(name, Arc::default).lock() += 1;
        }
    }
}

/// Counts a proof: failures under a name of the last minute, and those in a row that
/// lock an account.
///
/// # Errors
/// 401: the account is locked.
pub async fn count(
    app: &IdentityApp,
    failures: &Failures,
    name: &[u8; 32],
    account: Option<&Account>,
    right: bool,
) -> Result<(), Fault> {
    if !right {
        failures.count(*name);
    }
    let Some(lockout) = app.config.passwords.lockout else { return Ok(()) };
    match account {
        // Counted all the same: who is exempt is not to be heard from the time it takes.
        Some(account) if account.has_option("ignore_lockout_failure_attempts") => {
            keep_count(app, lockout, account, right).await.map(|_| ())
        }
        Some(account) if keep_count(app, lockout, account, right).await? => {
            tracing::info!(user = account.user_id, "login of a locked user");
            Err(Fault::unauthorized())
        }
        Some(_) => Ok(()),
        None => count_stranger(app, lockout, name).await,
    }
}

/// Counts a failed proof; whether the user is locked.
async fn keep_count(
    app: &IdentityApp,
    lockout: Lockout,
    account: &Account,
    right: bool,
) -> Result<bool, Fault> {
    if right && account.failures == 0 {
        // Nobody locked, unless others are failing at this moment.
        let handle = MemberHandle::Id(account.user_id.clone());
        let latest = account::find(&mut *app.store.reader().await?, &handle).await?;
        if latest.is_some_and(|latest| latest.failures == 0) {
            return Ok(false);
        }
    }
    let user_id = account.user_id.clone();
    let counted = app
        .store
        .write("", move |tx| Box::pin(async move { keep_count_in(tx, lockout, user_id, right).await }))
        .await?;
    Ok(counted)
}

/// Whether the user is locked. Writes the row in any case: a lock is not to be heard
/// from the time an answer takes.
async fn keep_count_in(
    tx: &mut Tx,
    lockout: Lockout,
    user_id: String,
    right: bool,
) -> Result<bool, StoreError> {
    let now = now();
    let Some(latest) = account::find(tx, &MemberHandle::Id(user_id.clone())).await? else { return Ok(true) };
    let locked = is_locked(lockout, &latest, now);
    let (failures, failed_at) = match (locked, right) {
        (true, _) | (false, true) => (i64::from(latest.failures), latest.failed_at),
        // A lock that is over is forgotten.
        (false, false) if latest.failures >= lockout.attempts => (1, now),
        (false, false) => (i64::from(latest.failures) + 1, now),
    };
    let sql = "UPDATE users SET failures = $1, failed_at = $2 WHERE id = $3";
    tx.execute(sql, values![failures, failed_at, user_id]).await?;
    Ok(locked)
}

fn is_locked(lockout: Lockout, account: &Account, now: i64) -> bool {
    account.failures >= lockout.attempts && now < account.failed_at.saturating_add(seconds(lockout.duration))
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// The same for a name nobody has. What has been forgotten for users too is deleted.
async fn count_stranger(app: &IdentityApp, lockout: Lockout, name: &[u8; 32]) -> Result<(), Fault> {
    let stranger = hex(name);
    let now = now();
    let over = now.saturating_sub(seconds(lockout.duration));
    app.store
        .write("", move |tx| {
            Box::pin(async move {
                tx.execute("DELETE FROM stranger_logins WHERE failed_at < $1", values![over]).await?;
                let sql = "INSERT INTO stranger_logins (stranger, failures, failed_at) VALUES ($1, 1, $2) \
                           ON CONFLICT (stranger) DO UPDATE SET failures = stranger_logins.failures + 1, \
                           failed_at = EXCLUDED.failed_at";
                tx.execute(sql, values![stranger, now]).await
            })
        })
        .await
        .map_err(|error: StoreError| error.into())
        .map(|_| ())
}
