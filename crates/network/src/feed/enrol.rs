//! How a new host gets its certificate: a one-time token, once.
//!
//! A token that may still be used is a file in a folder beside the authority's key,
//! named by the digest of its secret: whoever can make tokens can read that key
//! anyway, and removing a file succeeds exactly once.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use isospin_feed::pki::{Authority, JoinToken, secret_digest};
use isospin_feed::proto::enrol_server::Enrol;
use isospin_feed::proto::{JoinAnswer, JoinRequest};
use tonic::{Request, Response, Status};

/// Seconds a token is good for.
const TOKEN_LIFE: i64 = 3600;

/// A new one-time token with which `host` may join within an hour; `folder` holds
/// the tokens that may still be used.
///
/// # Errors
/// The folder cannot be written.
pub fn create_join_token(folder: &Path, authority: &Authority, host: &str) -> io::Result<JoinToken> {
    let token = JoinToken::generate(authority.fingerprint());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join(secret_digest(token.secret()));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let expires = jiff::Timestamp::now().as_second() + TOKEN_LIFE;
    writeln!(file, "{expires} {host}")?;
    Ok(token)
}

/// Uses a token up; whether it was good for this host.
fn take(folder: &Path, secret: &str, host: &str) -> bool {
    let path = folder.join(secret_digest(secret));
    let Ok(text) = fs::read_to_string(&path) else { return false };
    let good = text.trim_end().split_once(' ').is_some_and(|(expires, named)| {
        named == host
            && expires.parse().is_ok_and(|expires: i64| jiff::Timestamp::now().as_second() < expires)
    });
    // A token shown for another host stays with its owner; an expired one goes.
    let named = text.trim_end().split_once(' ').is_some_and(|(_, named)| named == host);
    named && fs::remove_file(&path).is_ok() && good
}

/// The service new hosts call without a certificate.
pub(super) struct EnrolService {
    pub authority: Arc<Authority>,
    pub tokens: PathBuf,
}

#[tonic::async_trait]
impl Enrol for EnrolService {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinAnswer>, Status> {
        let JoinRequest { token, host, csr } = request.into_inner();
        // Signed first: a request that cannot be signed must not use the token up.
        let certificate_pem = self
            .authority
            .sign_request(&csr, &host)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        if !take(&self.tokens, &token, &host) {
            return Err(Status::unauthenticated("the token is unknown, used, expired or for another host"));
        }
        tracing::info!(host, "a host has joined");
        Ok(Response::new(JoinAnswer {
            certificate_pem,
            authority_pem: self.authority.certificate_pem().to_owned(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_once_and_for_its_host_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let tokens = folder.path().join("tokens");
        let authority = Authority::generate().expect("an authority");
        let token = create_join_token(&tokens, &authority, "host-1").expect("a token");
        assert!(!take(&tokens, token.secret(), "host-2"));
        assert!(!take(&tokens, "another", "host-1"));
        assert!(take(&tokens, token.secret(), "host-1"));
        assert!(!take(&tokens, token.secret(), "host-1"));
    }

    #[test]
    fn an_expired_token_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(secret_digest("secret"));
        fs::write(&path, "1000 host-1\n").expect("a token file");
        assert!(!take(folder.path(), "secret", "host-1"));
        assert!(!path.exists());
    }
}
