//! Tokens: Fernet envelopes, what they say, and whether it still holds.

pub mod authenticate;
mod delegated;
pub mod fernet;
pub mod handlers;
pub mod keys;
pub mod methods;
pub mod payload;
pub mod request;
pub mod scope;
pub mod view;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use isospin_api_kit::Caller;
use isospin_api_kit::auth::{AuthError, Authenticator};
use isospin_store_kit::{Store, StoreError, values};
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use crate::config::IdentityConfig;
use crate::delegation::Delegation;
use crate::fault::Fault;
use crate::generation::Generation;
use delegated::standing_by;
use fernet::Opened;
use keys::{KeyError, KeyRepository};
use methods::Method;
use payload::{AuditId, DelegationId, Payload, audit_text};
use scope::{Member, Named, Scope, ScopeId, Standing, standing};

/// Tokens longer than this are refused unread (K06); ours have about 200 characters.
pub const MAX_TOKEN: usize = 1024;

/// A token that was checked: what it says, and who speaks with it.
#[derive(Debug)]
pub struct ValidToken {
    pub caller: Arc<Caller>,
    /// Who has it: the user, or the trustee of a trust.
    pub subject_id: String,
    pub methods: Vec<Method>,
    pub user: Member,
    /// When the user's password expires, in seconds since 1970.
    pub password_expires_at: Option<i64>,
    pub scope: Scope,
    pub roles: Vec<Named>,
    /// What its user handed on, when it was not the user in person.
    pub delegation: Option<Delegation>,
    pub audit_ids: Vec<AuditId>,
    /// Seconds since 1970.
    pub issued_at: i64,
    pub expires_at: i64,
    /// When what was handed on ends.
    ends_at: Option<i64>,
    /// Answers that show it, without and with catalog, once they were asked for.
    pub shown: [OnceLock<Bytes>; 2],
}

/// A token to be issued.
pub struct Issue {
    pub user_id: String,
    pub scope: ScopeId,
    pub delegation: Option<DelegationId>,
    pub methods: Vec<Method>,
    /// The token the new one comes from, if any: it cannot outlive that one (K01), and
    /// carries on its chain of audit ids.
    pub parent: Option<Arc<ValidToken>>,
    /// Taken before the rows behind the token were read: should a change that ends the
    /// user's tokens come between, it ends this one too.
    pub now: i64,
    /// Taken at the same time.
    pub generation: u64,
}

/// Why a token gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the token is not valid")]
    Invalid,
    #[error("the keys of tokens cannot be read")]
    Keys(#[from] KeyError),
    #[error("the store cannot say whether the token holds")]
    Store(#[from] StoreError),
}

impl From<TokenError> for Fault {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid => Self::unauthorized(),
            TokenError::Keys(error) => Self::internal(error),
            TokenError::Store(error) => error.into(),
        }
    }
}

/// A checked token and the state of identity it was checked against.
struct Remembered {
    generation: u64,
    token: Arc<ValidToken>,
}

/// Issues and checks tokens.
pub struct Tokens {
    store: Store,
    keys: KeyRepository,
    generation: Arc<Generation>,
    config: Arc<IdentityConfig>,
    remembered: Cache<[u8; 32], Arc<Remembered>>,
}

impl Tokens {
    pub async fn open(
        store: Store,
        generation: Arc<Generation>,
        config: Arc<IdentityConfig>,
    ) -> Result<Self, KeyError> {
        let remembered = Cache::builder()
            .max_capacity(config.tokens.cache_entries)
            .time_to_live(config.tokens.lifetime)
            .build();
        let keys = KeyRepository::open(&config.tokens, &store, &generation).await?;
        Ok(Self { store, keys, generation, config, remembered })
    }

    /// Checks a token: its seal, its time, and that user, scope and roles still stand.
    pub async fn check(&self, token: &str) -> Result<Arc<ValidToken>, TokenError> {
        match self.recall(token)? {
            Some(known) => Ok(known),
            None => self.check_in_full(token, 0).await,
        }
    }

    /// As [`Tokens::check`], for a service that began its work while the token held.
    pub async fn check_allowing_expired(&self, token: &str) -> Result<Arc<ValidToken>, TokenError> {
        if let Ok(Some(known)) = self.recall(token) {
            return Ok(known);
        }
        let window = i64::try_from(self.config.tokens.expired_window.as_secs()).unwrap_or(i64::MAX);
        self.check_in_full(token, window).await
    }

    /// The token, if it was checked before and nothing has changed since.
    fn recall(&self, token: &str) -> Result<Option<Arc<ValidToken>>, TokenError> {
        if token.is_empty() || token.len() > MAX_TOKEN {
            return Err(TokenError::Invalid);
        }
        let Some(known) = self.remembered.get(&digest(token)) else { return Ok(None) };
        if !self.generation.holds(known.generation) {
            return Ok(None);
        }
        let end = known.token.ends_at.map_or(known.token.expires_at, |end| end.min(known.token.expires_at));
        if end <= now() {
            return Err(TokenError::Invalid);
        }
        Ok(Some(Arc::clone(&known.token)))
    }

    async fn check_in_full(&self, token: &str, window: i64) -> Result<Arc<ValidToken>, TokenError> {
        if token.is_empty() || token.len() > MAX_TOKEN {
            return Err(TokenError::Invalid);
        }
        let generation = self.generation.current();
        let opened = self.keys.open_token(token).await?.ok_or(TokenError::Invalid)?;
        let payload = Payload::unpack(&opened.content).ok_or(TokenError::Invalid)?;
        let issued_at = i64::try_from(opened.time).map_err(|_| TokenError::Invalid)?;
        let now = now();
        if payload.expires_at.saturating_add(window) <= now {
            return Err(TokenError::Invalid);
        }
        let own = payload.audit_ids.first().map(audit_text).unwrap_or_default();
        let mut reader = self.store.reader().await?;
        let sql = "SELECT audit_id FROM revoked_tokens WHERE audit_id = $1";
        if reader.row(sql, values![own]).await?.is_some() {
            return Err(TokenError::Invalid);
        }
        let standing = match &payload.delegation {
            None => standing(&mut reader, &payload.user_id, &payload.scope).await?,
            Some(by) => standing_by(&mut reader, &payload.user_id, &payload.scope, by).await?,
        };
        let standing =
            standing.filter(|standing| issued_at > standing.tokens_after).ok_or(TokenError::Invalid)?;
        let token_is_live = payload.expires_at > now;
        let valid = Arc::new(ValidToken::new(standing, payload, issued_at));
        if token_is_live {
            self.remember(token, generation, &valid);
        }
        Ok(valid)
    }

    fn remember(&self, token: &str, generation: u64, valid: &Arc<ValidToken>) {
        let remembered = Remembered { generation, token: Arc::clone(valid) };
        self.remembered.insert(digest(token), Arc::new(remembered));
    }

    /// The number what is remembered from now on belongs to.
    pub fn generation(&self) -> u64 {
        self.generation.current()
    }

    /// Seals what is no token, with the same keys.
    pub async fn seal(&self, time: i64, content: &[u8]) -> Result<String, TokenError> {
        Ok(self.keys.seal(time.cast_unsigned(), content).await?)
    }

    /// Opens what [`Tokens::seal`] sealed.
    pub async fn open_sealed(&self, text: &str) -> Result<Option<Opened>, TokenError> {
        Ok(self.keys.open_token(text).await?)
    }

    /// Makes a token for a user who has proven who they are.
    async fn issue(&self, standing: Standing, issue: Issue) -> Result<(String, Arc<ValidToken>), TokenError> {
        let issued_at = issue.now.max(standing.tokens_after + 1);
        let lifetime = i64::try_from(self.config.tokens.lifetime.as_secs()).unwrap_or(i64::MAX);
        let mut expires_at = issue.now.saturating_add(lifetime);
        if let Some(end) = standing.ends_at {
            expires_at = expires_at.min(end);
        }
        let mut audit_ids = vec![rand::random()];
        if let Some(parent) = &issue.parent {
            expires_at = expires_at.min(parent.expires_at);
            audit_ids.extend(parent.audit_ids.last());
        }
        let Issue { user_id, scope, delegation, methods, generation, .. } = issue;
        let payload = Payload { user_id, methods, scope, delegation, expires_at, audit_ids };
        let text = self.keys.seal(issued_at.cast_unsigned(), &payload.pack()).await?;
        let token = Arc::new(ValidToken::new(standing, payload, issued_at));
        // Clients use what they get.
        self.remember(&text, generation, &token);
        Ok((text, token))
    }
}

impl ValidToken {
    fn new(standing: Standing, payload: Payload, issued_at: i64) -> Self {
        let Standing { user, password_expires_at, scope, roles, delegation, access_rules, ends_at, .. } =
            standing;
        let caller = Caller { access_rules, ..caller(&user, &scope, &roles) };
        Self {
            caller: Arc::new(caller),
            subject_id: payload.user_id,
            methods: payload.methods,
            user,
            password_expires_at,
            scope,
            roles,
            delegation,
            audit_ids: payload.audit_ids,
            issued_at,
            expires_at: payload.expires_at,
            ends_at,
            shown: [const { OnceLock::new() }; 2],
        }
    }
}

fn caller(user: &Member, scope: &Scope, roles: &[Named]) -> Caller {
    let mut caller = Caller {
        user_id: user.id.clone(),
        user_name: user.name.clone(),
        user_domain_id: user.domain.id.clone(),
        roles: roles.iter().map(|role| role.name.to_lowercase()).collect(),
        ..Caller::default()
    };
    match scope {
        Scope::Unscoped => {}
        Scope::Project(project) => {
            caller.project_id.clone_from(&project.id);
            caller.project_name.clone_from(&project.name);
            caller.project_domain_id.clone_from(&project.domain.id);
        }
        Scope::Domain(domain) => caller.domain_id.clone_from(&domain.id),
        Scope::System => caller.system_scope = true,
    }
    caller
}

impl Authenticator for Tokens {
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Arc<Caller>, AuthError>> {
        match self.recall(token) {
            Ok(Some(known)) => std::future::ready(Ok(Arc::clone(&known.caller))).boxed(),
            Err(_) => std::future::ready(Err(AuthError::Invalid)).boxed(),
            Ok(None) => async move { told(self.check_in_full(token, 0).await) }.boxed(),
        }
    }

    fn authenticate_expired<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Arc<Caller>, AuthError>> {
        async move { told(self.check_allowing_expired(token).await) }.boxed()
    }

    fn identity_url(&self) -> &str {
        &self.config.public_url
    }
}

/// The answer as services get it.
fn told(checked: Result<Arc<ValidToken>, TokenError>) -> Result<Arc<Caller>, AuthError> {
    match checked {
        Ok(valid) => Ok(Arc::clone(&valid.caller)),
        Err(TokenError::Invalid) => Err(AuthError::Invalid),
        Err(error) => Err(AuthError::Unavailable(format!("{error}: {error:?}"))),
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Seconds since 1970.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
