//! Tokens: Fernet envelopes, what they say, and whether it still holds.

pub mod authenticate;
pub mod fernet;
pub mod handlers;
pub mod keys;
pub mod payload;
pub mod request;
pub mod scope;
mod view;

use std::sync::Arc;

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
use keys::{KeyError, KeyRepository};
use payload::{AuditId, Method, Payload, audit_text};
use scope::{Member, Named, Scope, ScopeId, Standing, standing};

/// Tokens longer than this are refused unread (K06); ours have about 200 characters.
pub const MAX_TOKEN: usize = 1024;

/// A token that was checked: what it says, and who speaks with it.
#[derive(Debug)]
pub struct ValidToken {
    pub caller: Arc<Caller>,
    pub methods: Vec<Method>,
    pub user: Member,
    pub scope: Scope,
    pub roles: Vec<Named>,
    /// What its user handed on, when it was not the user in person.
    pub delegation: Option<Delegation>,
    pub audit_ids: Vec<AuditId>,
    /// Seconds since 1970.
    pub issued_at: i64,
    pub expires_at: i64,
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
    pub fn open(
        store: Store,
        generation: Arc<Generation>,
        config: Arc<IdentityConfig>,
    ) -> Result<Self, KeyError> {
        let remembered = Cache::builder()
            .max_capacity(config.tokens.cache_entries)
            .time_to_live(config.tokens.lifetime)
            .build();
        let keys = KeyRepository::open(&config.tokens.key_folder)?;
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
        if known.token.expires_at <= now() {
            return Err(TokenError::Invalid);
        }
        Ok(Some(Arc::clone(&known.token)))
    }

    async fn check_in_full(&self, token: &str, window: i64) -> Result<Arc<ValidToken>, TokenError> {
        if token.is_empty() || token.len() > MAX_TOKEN {
            return Err(TokenError::Invalid);
        }
        let generation = self.generation.current();
        let opened = self.keys.open_token(token)?.ok_or(TokenError::Invalid)?;
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
        let standing = standing(&mut reader, &payload.user_id, &payload.scope).await?;
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

    /// Makes a token for a user who has proven who they are. `parent` is the token
    /// the new one comes from, if any: it cannot outlive that one (K01), and carries
    /// on its chain of audit ids.
    ///
    /// `now` was taken before `standing` was read: should a change that ends the
    /// user's tokens come between, it ends this one too.
    fn issue(
        &self,
        standing: Standing,
        scope: ScopeId,
        methods: Vec<Method>,
        parent: Option<&ValidToken>,
        now: i64,
    ) -> Result<(String, Arc<ValidToken>), TokenError> {
        let issued_at = now.max(standing.tokens_after + 1);
        let lifetime = i64::try_from(self.config.tokens.lifetime.as_secs()).unwrap_or(i64::MAX);
        let mut expires_at = now.saturating_add(lifetime);
        let mut audit_ids = vec![rand::random()];
        if let Some(parent) = parent {
            expires_at = expires_at.min(parent.expires_at);
            audit_ids.extend(parent.audit_ids.last());
        }
        let payload = Payload { user_id: standing.user.id.clone(), methods, scope, expires_at, audit_ids };
        let token = self.keys.seal(issued_at.cast_unsigned(), &payload.pack())?;
        Ok((token, Arc::new(ValidToken::new(standing, payload, issued_at))))
    }
}

impl ValidToken {
    fn new(standing: Standing, payload: Payload, issued_at: i64) -> Self {
        let Standing { user, scope, roles, .. } = standing;
        let caller = caller(&user, &scope, &roles);
        Self {
            caller: Arc::new(caller),
            methods: payload.methods,
            user,
            scope,
            roles,
            delegation: None,
            audit_ids: payload.audit_ids,
            issued_at,
            expires_at: payload.expires_at,
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
            Ok(None) => async move {
                match self.check_in_full(token, 0).await {
                    Ok(valid) => Ok(Arc::clone(&valid.caller)),
                    Err(TokenError::Invalid) => Err(AuthError::Invalid),
                    Err(error) => Err(AuthError::Unavailable(format!("{error}: {error:?}"))),
                }
            }
            .boxed(),
        }
    }

    fn identity_url(&self) -> &str {
        &self.config.public_url
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Seconds since 1970.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
