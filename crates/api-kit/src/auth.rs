//! From a token to a caller.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::Caller;

/// Why a token gives no caller.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Unknown, expired, revoked or malformed; the caller learns no more.
    #[error("the token is not valid")]
    Invalid,
    /// Whoever could tell cannot be reached.
    #[error("identity cannot be reached: {0}")]
    Unavailable(String),
}

/// Knows which tokens are valid: the built-in identity service, or another
/// Keystone in front.
pub trait Authenticator: Send + Sync {
    /// The caller the token speaks for. Cheap for a token seen before, and
    /// still right when it was revoked a moment ago.
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Arc<Caller>, AuthError>>;

    /// The same for a request that a service passes on for a user whose token was valid
    /// when the work began (`allow_expired`). Whoever knows nothing of ended tokens refuses
    /// them here too.
    fn authenticate_expired<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Arc<Caller>, AuthError>> {
        self.authenticate(token)
    }

    /// Root of the identity service, for `WWW-Authenticate`.
    fn identity_url(&self) -> &str;
}
