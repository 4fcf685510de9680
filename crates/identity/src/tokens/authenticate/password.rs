//! Proof by a password: the hash, the lock after failures, and the limit of failures.
//!
//! Names nobody has are treated as users are in all of it: the same answer, the same
//! work, the same rows written (K12).

use std::time::Duration;

use isospin_store_kit::{Session, StoreError, Tx, values};
use moka::sync::Cache;
use parking_lot::Mutex;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;

use super::super::now;
use super::super::request::{Handle, MemberHandle};
use super::Proven;
use crate::IdentityApp;
use crate::config::Lockout;
use crate::fault::Fault;

/// Names whose failures are counted at a time.
const COUNTED: u64 = 100_000;
const MINUTE: Duration = Duration::from_secs(60);

/// What a login needs of a user.
pub struct Account {
    pub user_id: String,
    password_hash: Option<String>,
    pub tokens_after: i64,
    failures: u32,
    failed_at: i64,
    ignores_lockout: bool,
}

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

/// A digest of what a client calls a user.
pub fn digest(kind: &str, user: &MemberHandle) -> [u8; 32] {
    Sha256::digest(format!("{kind} {user:?}")).into()
}

pub async fn by_password(app: &IdentityApp, user: &MemberHandle, password: &str) -> Result<Proven, Fault> {
    let name = digest("user", user);
    app.failures.check(&name)?;
    let account = account(&mut *app.store.reader().await?, user).await?;
    let hash = account.as_ref().and_then(|account| account.password_hash.as_deref());
    let right = app.passwords.check(password, hash).await?;
    // Counted while the hash was computed: logins side by side are counted together.
    count(app, &name, account.as_ref(), right).await?;
    let Some(account) = account.filter(|_| right) else {
        tracing::info!(?user, "login with a wrong name or password");
        return Err(Fault::unauthorized());
    };
    if let Some(hash) = account.password_hash.filter(|hash| app.passwords.is_outdated(hash)) {
        tokio::spawn(upgrade(app.clone(), account.user_id.clone(), password.to_owned(), hash));
    }
    Ok(Proven::in_person(account.user_id, account.tokens_after))
}

/// Counts a login: failures under a name of the last minute, and those in a row that
/// lock an account.
///
/// # Errors
/// 401: the account is locked.
pub async fn count(
    app: &IdentityApp,
    name: &[u8; 32],
    account: Option<&Account>,
    right: bool,
) -> Result<(), Fault> {
    if !right {
        app.failures.count(*name);
    }
    let Some(lockout) = app.config.passwords.lockout else { return Ok(()) };
    match account {
        Some(account) if account.ignores_lockout => Ok(()),
        Some(account) => keep_count(app, lockout, account, right).await,
        None => count_stranger(app, lockout, name).await,
    }
}

/// Stores the password under a hash as they are made now, when nothing has changed since.
async fn upgrade(app: IdentityApp, user_id: String, password: String, outdated: String) {
    let user = user_id.clone();
    let upgraded = async {
        let hash = app.passwords.hash(&password).await?;
        let sql = "UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3";
        app.store
            .write("", move |tx| {
                Box::pin(async move { tx.execute(sql, values![hash, user_id, outdated]).await })
            })
            .await?;
        Ok::<(), Fault>(())
    };
    match upgraded.await {
        Ok(()) => tracing::info!(user, "stored a password under a newer kind of hash"),
        // The next login tries again.
        Err(fault) => tracing::warn!(user, reason = fault.message, "an old hash of a password stays"),
    }
}

/// Counts a failed login, refuses a locked user, forgets failures after a success.
async fn keep_count(
    app: &IdentityApp,
    lockout: Lockout,
    account: &Account,
    right: bool,
) -> Result<(), Fault> {
    if right && account.failures == 0 {
        // Nothing to forget, unless others are failing at this moment.
        let handle = MemberHandle::Id(account.user_id.clone());
        let latest = self::account(&mut *app.store.reader().await?, &handle).await?;
        if latest.is_some_and(|latest| latest.failures == 0) {
            return Ok(());
        }
    }
    let user_id = account.user_id.clone();
    let locked = app
        .store
        .write("", move |tx| Box::pin(async move { keep_count_in(tx, lockout, user_id, right).await }))
        .await?;
    if locked {
        tracing::info!(user = account.user_id, "login of a locked user");
        return Err(Fault::unauthorized());
    }
    Ok(())
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
    let Some(latest) = account(tx, &MemberHandle::Id(user_id.clone())).await? else { return Ok(true) };
    let locked = is_locked(lockout, &latest, now);
    let (failures, failed_at) = match (locked, right) {
        (true, _) => (i64::from(latest.failures), latest.failed_at),
        (false, true) => (0, now),
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
    let stranger: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
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

pub async fn account(session: &mut Session, user: &MemberHandle) -> Result<Option<Account>, StoreError> {
    let columns =
        "SELECT u.id, u.password_hash, u.tokens_after, u.failures, u.failed_at, u.options FROM users u";
    let (condition, values) = match user {
        MemberHandle::Id(id) => ("WHERE u.id = $1", values![id]),
        MemberHandle::Name { name, domain: Handle::Id(domain) } => {
            ("WHERE u.name = $1 AND u.domain_id = $2", values![name, domain])
        }
        MemberHandle::Name { name, domain: Handle::Name(domain) } => (
            "JOIN projects d ON d.id = u.domain_id WHERE u.name = $1 AND d.name = $2 AND d.is_domain = true",
            values![name, domain],
        ),
    };
    let Some(row) = session.row(&format!("{columns} {condition}"), values).await? else { return Ok(None) };
    let mut columns = row.columns();
    Ok(Some(Account {
        user_id: columns.text()?,
        password_hash: columns.opt_text()?,
        tokens_after: columns.int()?,
        failures: columns.number()?,
        failed_at: columns.int()?,
        ignores_lockout: option(&columns.text()?, "ignore_lockout_failure_attempts") == Value::Bool(true),
    }))
}

/// One value of a user's stored options.
pub fn option(options: &str, name: &str) -> Value {
    serde_json::from_str::<serde_json::Map<_, _>>(options)
        .ok()
        .and_then(|mut options| options.remove(name))
        .unwrap_or_default()
}
