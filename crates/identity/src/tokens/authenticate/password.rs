//! Proof by a password.
//!
//! Names nobody has are treated as users are in all of it: the same answer, the same
//! work, the same rows written (K12).

use isospin_store_kit::{StoreError, values};

use super::super::now;
use super::super::request::MemberHandle;
use super::account::{Account, digest, with_stand_in};
use super::failures::count;
use crate::IdentityApp;
use crate::fault::Fault;
use crate::passwords::day;
use crate::resources::user;

/// The user whose password this is, whether or not it has to be changed.
pub async fn by_password(app: &IdentityApp, user: &MemberHandle, password: &str) -> Result<Account, Fault> {
    let name = digest("user", user);
    app.failures.check(&name)?;
    let (account, stand_in) = with_stand_in(&mut *app.store.reader().await?, user, &name).await?;
    let own = account.as_ref().and_then(|account| account.password_hash.as_deref());
    let right = app.passwords.check(password, own.or(stand_in.as_deref())).await? && own.is_some();
    // Counted while the hash was computed: logins side by side are counted together.
    count(app, &app.failures, &name, account.as_ref(), right).await?;
    let Some(account) = account.filter(|_| right) else {
        tracing::info!(?user, "login with a wrong name or password");
        return Err(Fault::unauthorized());
    };
    check_idle(app, &account).await?;
    if let Some(hash) = account.password_hash.as_ref().filter(|hash| app.passwords.is_outdated(hash)) {
        tokio::spawn(upgrade(app.clone(), account.user_id.clone(), password.to_owned(), hash.clone()));
    }
    Ok(account)
}

/// Disables and refuses a user who has not been here for too long.
pub async fn check_idle(app: &IdentityApp, account: &Account) -> Result<(), Fault> {
    if !user::is_idle(&app.passwords.rules, account.last_active_day, &account.options) {
        return Ok(());
    }
    user::disable(app, vec![account.user_id.clone()]).await?;
    Err(Fault::unauthorized())
}

/// Puts a login down: failures are forgotten, the user was here today. Only now: one right
/// proof of two is no reason to stop counting wrong ones.
pub async fn note_login(app: &IdentityApp, user_id: &str) -> Result<(), StoreError> {
    let user_id = user_id.to_owned();
    let sql = "UPDATE users SET failures = 0, last_active_day = $1 WHERE id = $2";
    app.store
        .write("", move |tx| {
            Box::pin(async move { tx.execute(sql, values![day(now()), user_id]).await.map(|_| ()) })
        })
        .await
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
