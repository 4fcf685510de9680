//! From proofs to a token.
//!
//! Whatever is wrong with a login, the client is told the same after the same time
//! (K12). Disabled users, projects and domains are refused in one place, after the
//! proofs, whichever method gave them (K03).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use isospin_store_kit::{Session, StoreError, Value, values};

use super::payload::Method;
use super::request::{AuthRequest, Handle, MemberHandle, Proof, WantedScope};
use super::scope::{Scope, ScopeId, Standing, standing};
use super::{TokenError, ValidToken, now};
use crate::IdentityApp;
use crate::config::Lockout;
use crate::fault::Fault;

/// A user some proof speaks for.
struct Proven {
    user_id: String,
    /// What the user's row said when the password was read, to notice a change since.
    tokens_after: Option<i64>,
    /// The token that was the proof.
    parent: Option<Arc<ValidToken>>,
}

/// What a login needs of a user.
struct Account {
    user_id: String,
    password_hash: Option<String>,
    tokens_after: i64,
    failures: u32,
    failed_at: i64,
    ignores_lockout: bool,
}

/// Checks the proofs and issues a token for the scope asked for.
pub async fn authenticate(
    app: &IdentityApp,
    request: &AuthRequest,
) -> Result<(String, Arc<ValidToken>), Fault> {
    let proven = prove(app, &request.proofs).await?;
    let methods = methods(&request.proofs, proven.parent.as_deref());
    check_factors(&mut *app.store.reader().await?, &proven.user_id, &methods).await?;
    let mut looks = 0;
    loop {
        // Taken before the rows are read: see `Tokens::issue`.
        let now = now();
        let mut reader = app.store.reader().await?;
        let found = scoped(&mut reader, &proven, &request.scope).await?;
        drop(reader);
        let (scope, standing) = found.ok_or_else(Fault::unauthorized)?;
        if proven.tokens_after.is_some_and(|known| known != standing.user_tokens_after) {
            return Err(Fault::unauthorized());
        }
        looks += 1;
        if standing.tokens_after < now || looks > MOST_LOOKS {
            return Ok(app.tokens.issue(standing, scope, methods, proven.parent.as_deref(), now)?);
        }
        next_second().await;
    }
}

/// Tokens know the second they were issued in, no more. Where all tokens of this
/// second were ended, by a new password say, the next one has to wait for the next
/// second. Clocks of servers that differ by more than this many are not waited for.
const MOST_LOOKS: u32 = 3;

async fn next_second() {
    let fraction = jiff::Timestamp::now().subsec_nanosecond().unsigned_abs();
    tokio::time::sleep(Duration::from_nanos(u64::from(1_000_000_000 - fraction.min(999_999_999)))).await;
}

/// All proofs must hold and speak for the same user.
async fn prove(app: &IdentityApp, proofs: &[Proof]) -> Result<Proven, Fault> {
    let mut all: Option<Proven> = None;
    for proof in proofs {
        let one = match proof {
            Proof::Password { user, password } => by_password(app, user, password).await?,
            Proof::Token(token) => by_token(app, token).await?,
        };
        all = Some(match all {
            None => one,
            Some(first) if first.user_id == one.user_id => Proven {
                user_id: first.user_id,
                tokens_after: first.tokens_after.or(one.tokens_after),
                parent: first.parent.or(one.parent),
            },
            Some(_) => return Err(Fault::unauthorized()),
        });
    }
    all.ok_or_else(Fault::unauthorized)
}

async fn by_token(app: &IdentityApp, token: &str) -> Result<Proven, Fault> {
    let parent = match app.tokens.check(token).await {
        Ok(parent) => parent,
        Err(TokenError::Invalid) => return Err(Fault::unauthorized()),
        Err(error) => return Err(error.into()),
    };
    if !app.config.tokens.allow_rescope && parent.scope != Scope::Unscoped {
        return Err(Fault::forbidden("rescope a scoped token"));
    }
    Ok(Proven { user_id: parent.user.id.clone(), tokens_after: None, parent: Some(parent) })
}

/// The user with this id has this password, and may log in. For changing a password,
/// which needs no token.
pub async fn verify_password(app: &IdentityApp, user_id: &str, password: &str) -> Result<ProvenUser, Fault> {
    let proven = by_password(app, &MemberHandle::Id(user_id.to_owned()), password).await?;
    let proven = ProvenUser { user_id: proven.user_id, tokens_after: proven.tokens_after };
    proven.check_unchanged(&mut *app.store.reader().await?).await?;
    Ok(proven)
}

/// A user who has just shown their password.
pub struct ProvenUser {
    user_id: String,
    tokens_after: Option<i64>,
}

impl ProvenUser {
    /// Refuses when the user was disabled, or got another password, since.
    pub async fn check_unchanged(&self, session: &mut Session) -> Result<(), Fault> {
        let standing = standing(session, &self.user_id, &ScopeId::Unscoped).await?;
        match standing {
            Some(standing) if self.tokens_after == Some(standing.user_tokens_after) => Ok(()),
            _ => Err(Fault::unauthorized()),
        }
    }
}

async fn by_password(app: &IdentityApp, user: &MemberHandle, password: &str) -> Result<Proven, Fault> {
    let account = account(&mut *app.store.reader().await?, user).await?;
    let hash = account.as_ref().and_then(|account| account.password_hash.as_deref());
    let right = app.passwords.check(password, hash).await?;
    let Some(account) = account else { return Err(Fault::unauthorized()) };
    if let Some(lockout) = app.config.passwords.lockout
        && !account.ignores_lockout
    {
        // Counted while the hash was computed: logins side by side are counted together.
        keep_count(app, lockout, &account, right).await?;
    }
    if !right {
        tracing::info!(user = account.user_id, "login with a wrong password");
        return Err(Fault::unauthorized());
    }
    Ok(Proven { user_id: account.user_id, tokens_after: Some(account.tokens_after), parent: None })
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
    let now = now();
    let locked = app
        .store
        .write("", move |tx| {
            Box::pin(async move {
                let handle = MemberHandle::Id(user_id.clone());
                let Some(latest) = self::account(tx, &handle).await? else { return Ok(true) };
                let locked = is_locked(lockout, &latest, now);
                if locked {
                    return Ok(true);
                }
                let failures = if right { 0 } else { i64::from(latest.failures) + 1 };
                let sql = "UPDATE users SET failures = $1, failed_at = $2 WHERE id = $3";
                tx.execute(sql, values![failures, now, user_id]).await?;
                Ok::<bool, StoreError>(false)
            })
        })
        .await?;
    if locked {
        tracing::info!(user = account.user_id, "login of a locked user");
        return Err(Fault::unauthorized());
    }
    Ok(())
}

fn is_locked(lockout: Lockout, account: &Account, now: i64) -> bool {
    let until =
        account.failed_at.saturating_add(i64::try_from(lockout.duration.as_secs()).unwrap_or(i64::MAX));
    account.failures >= lockout.attempts && now < until
}

async fn account(session: &mut Session, user: &MemberHandle) -> Result<Option<Account>, StoreError> {
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
        ignores_lockout: option(&columns.text()?, "ignore_lockout_failure_attempts")
            == serde_json::Value::Bool(true),
    }))
}

/// One value of a user's stored options.
fn option(options: &str, name: &str) -> serde_json::Value {
    serde_json::from_str::<serde_json::Map<_, _>>(options)
        .ok()
        .and_then(|mut options| options.remove(name))
        .unwrap_or_default()
}

/// A user with several factors must have used all of one of the user's sets.
async fn check_factors(session: &mut Session, user_id: &str, methods: &[Method]) -> Result<(), Fault> {
    let row = session.row("SELECT options FROM users WHERE id = $1", values![user_id]).await?;
    let Some(row) = row else { return Err(Fault::unauthorized()) };
    let options = row.columns().text()?;
    if option(&options, "multi_factor_auth_enabled") != serde_json::Value::Bool(true) {
        return Ok(());
    }
    let rules: Vec<BTreeSet<String>> =
        serde_json::from_value(option(&options, "multi_factor_auth_rules")).unwrap_or_default();
    let used: BTreeSet<String> = methods.iter().map(|method| method.name().to_owned()).collect();
    if rules.is_empty() || rules.iter().any(|rule| rule.is_subset(&used)) {
        return Ok(());
    }
    Err(Fault::unauthorized())
}

/// The methods of the proofs and of the token among them, each once.
fn methods(proofs: &[Proof], parent: Option<&ValidToken>) -> Vec<Method> {
    let own = proofs.iter().map(Proof::method);
    let inherited = parent.into_iter().flat_map(|parent| parent.methods.iter().copied());
    own.chain(inherited).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The scope asked for and the user in it; `None` when the user may not be there.
async fn scoped(
    session: &mut Session,
    proven: &Proven,
    wanted: &WantedScope,
) -> Result<Option<(ScopeId, Standing)>, StoreError> {
    let scope = match wanted {
        WantedScope::Unscoped => ScopeId::Unscoped,
        WantedScope::System => ScopeId::System,
        WantedScope::Project(project) => match project_id(session, project).await? {
            Some(id) => ScopeId::Project(id),
            None => return Ok(None),
        },
        WantedScope::Domain(domain) => match domain_id(session, domain).await? {
            Some(id) => ScopeId::Domain(id),
            None => return Ok(None),
        },
        WantedScope::Default => return default_scope(session, &proven.user_id).await,
    };
    Ok(standing(session, &proven.user_id, &scope).await?.map(|standing| (scope, standing)))
}

/// The default project, when the user may be there, else no scope.
async fn default_scope(
    session: &mut Session,
    user_id: &str,
) -> Result<Option<(ScopeId, Standing)>, StoreError> {
    let sql = "SELECT default_project_id FROM users WHERE id = $1";
    let project = match session.row(sql, values![user_id]).await? {
        Some(row) => row.columns().opt_text()?,
        None => None,
    };
    if let Some(id) = project {
        let scope = ScopeId::Project(id);
        if let Some(standing) = standing(session, user_id, &scope).await? {
            return Ok(Some((scope, standing)));
        }
    }
    let scope = ScopeId::Unscoped;
    Ok(standing(session, user_id, &scope).await?.map(|standing| (scope, standing)))
}

async fn project_id(session: &mut Session, project: &MemberHandle) -> Result<Option<String>, StoreError> {
    let (sql, values) = match project {
        MemberHandle::Id(id) => return Ok(Some(id.clone())),
        MemberHandle::Name { name, domain: Handle::Id(domain) } => (
            "SELECT id FROM projects WHERE name = $1 AND domain_id = $2 AND is_domain = false",
            values![name, domain],
        ),
        MemberHandle::Name { name, domain: Handle::Name(domain) } => (
            "SELECT p.id FROM projects p JOIN projects d ON d.id = p.domain_id \
             WHERE p.name = $1 AND d.name = $2 AND d.is_domain = true",
            values![name, domain],
        ),
    };
    first_text(session, sql, values).await
}

async fn domain_id(session: &mut Session, domain: &Handle) -> Result<Option<String>, StoreError> {
    match domain {
        Handle::Id(id) => Ok(Some(id.clone())),
        Handle::Name(name) => {
            let sql = "SELECT id FROM projects WHERE name = $1 AND is_domain = true";
            first_text(session, sql, values![name]).await
        }
    }
}

async fn first_text(
    session: &mut Session,
    sql: &str,
    values: Vec<Value>,
) -> Result<Option<String>, StoreError> {
    session.row(sql, values).await?.map(|row| row.columns().text()).transpose()
}
