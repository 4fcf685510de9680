//! Another Keystone in front: tokens are checked by asking it.
//!
//! What it said is good for [`KeystoneConfig::cache_time`]; a token revoked there is
//! refused here after that at the latest. While it cannot be reached, what it said last
//! goes on for [`KeystoneConfig::outage_time`], and tokens not known here get 503.
//! Nothing a client says of itself beside the token is ever read (K16).

mod cache;
mod client;
mod token;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use isospin_api_kit::Caller;
use isospin_api_kit::auth::{AuthError, Authenticator};
use isospin_api_kit::service_user::ServiceUser;
use parking_lot::Mutex;
use tokio::time::Instant;

use cache::{Answers, Said};
use client::Client;

pub use client::ClientError;

/// How to reach a Keystone, and as whom.
#[derive(Clone)]
pub struct KeystoneConfig {
    /// Who asks: a user that may have tokens checked, as one with the role `service`.
    pub user: ServiceUser,
    pub cache_time: Duration,
    pub outage_time: Duration,
    /// Tokens remembered.
    pub cache_entries: u64,
    /// Longest time an answer may take.
    pub timeout: Duration,
}

/// Tokens longer than this are refused unread (K06).
const MAX_TOKEN: usize = 4096;
/// Nobody asks again for so long after Keystone could not be reached.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks a Keystone who tokens speak for.
pub struct Keystone {
    client: Client,
    answers: Answers,
    config: KeystoneConfig,
    /// Since when it cannot be reached; the last try.
    failed_at: Mutex<Option<Instant>>,
}

impl Keystone {
    /// # Errors
    /// The URL is none, or the authorities cannot be read.
    pub fn new(config: KeystoneConfig) -> Result<Self, ClientError> {
        let client = Client::new(&config)?;
        let answers = Answers::new(config.cache_entries, config.cache_time);
        Ok(Self { client, answers, config, failed_at: Mutex::new(None) })
    }

    async fn check(&self, token: &str, allow_expired: bool) -> Result<Arc<Caller>, AuthError> {
        if token.is_empty() || token.len() > MAX_TOKEN {
            return Err(AuthError::Invalid);
        }
        let key = cache::key(token, allow_expired);
        if let Some(known) = self.answers.fresh(&key) {
            return known.caller(allow_expired);
        }
        // Those who ask for the same token at a time wait for one answer.
        let _turn = self.answers.turn(&key).await;
        if let Some(known) = self.answers.fresh(&key) {
            return known.caller(allow_expired);
        }
        match self.ask(token, allow_expired).await {
            Ok(said) => {
                let result = said.caller(allow_expired);
                self.answers.keep(key, said);
                result
            }
            Err(error) => match self.answers.last(&key, self.config.outage_time) {
                Some(known) => known.caller(allow_expired),
                None => Err(AuthError::Unavailable(error)),
            },
        }
    }

    /// One question, unless the last one was in vain a moment ago.
    async fn ask(&self, token: &str, allow_expired: bool) -> Result<Said, String> {
        let failed_at = *self.failed_at.lock();
        if failed_at.is_some_and(|failed_at| failed_at.elapsed() < PAUSE) {
            return Err("Keystone could not be reached a moment ago".to_owned());
        }
        match self.client.validate(token, allow_expired).await {
            Ok(said) => {
                if self.failed_at.lock().take().is_some() {
                    tracing::info!(keystone = self.config.user.auth_url, "Keystone answers again");
                }
                Ok(said)
            }
            Err(error) => {
                let mut failed_at = self.failed_at.lock();
                if failed_at.is_none() {
                    tracing::error!(
                        keystone = self.config.user.auth_url, %error,
                        "Keystone cannot check tokens; those known here go on for a while"
                    );
                }
                *failed_at = Some(Instant::now());
                Err(error.to_string())
            }
        }
    }
}

impl Authenticator for Keystone {
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Arc<Caller>, AuthError>> {
        self.check(token, false).boxed()
    }

    fn authenticate_expired<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Arc<Caller>, AuthError>> {
        self.check(token, true).boxed()
    }

    fn identity_url(&self) -> &str {
        &self.config.user.auth_url
    }
}

#[cfg(test)]
mod tests;
