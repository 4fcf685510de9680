//! How a host becomes known: a one-time token for a certificate.

use std::path::Path;
use std::time::Duration;

use super::{ConnectError, connect};
use crate::pki::{HostIdentity, JoinToken, KeyRequest, PkiError};
use crate::proto::{JoinRequest, enrol_client::EnrolClient};

const ANSWER: Duration = Duration::from_secs(30);

/// Why a host could not join. Nothing was kept then.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum JoinError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the join token is unknown, used or expired")]
    Token,
    #[error("the server refused: {0}")]
    Refused(String),
    #[error("the server did not answer within {} s", ANSWER.as_secs())]
    Late,
    #[error("the server's answer does not fit: {0}")]
    Answer(&'static str),
    #[error("keys and certificates")]
    Pki(#[from] PkiError),
}

/// Joins `host` at the server behind `url` and keeps key, certificate and authority
/// in `folder` (see [`HostIdentity::load`]). The server is trusted only if it proves
/// to be of the authority the token names; the private key never leaves this host.
///
/// # Errors
/// [`JoinError`].
pub async fn join(
    url: &str,
    host: &str,
    token: &JoinToken,
    folder: &Path,
) -> Result<HostIdentity, JoinError> {
    let request = KeyRequest::generate(host)?;
    let channel = connect::pinned(url, token.authority()).await?;
    let message = JoinRequest {
        token: token.secret().to_owned(),
        host: host.to_owned(),
        csr: request.csr_der().to_vec(),
    };
    let answer = tokio::time::timeout(ANSWER, EnrolClient::new(channel).join(message))
        .await
        .map_err(|_| JoinError::Late)?
        .map_err(|status| match status.code() {
            tonic::Code::Unauthenticated => JoinError::Token,
            _ => JoinError::Refused(status.message().to_owned()),
        })?
        .into_inner();
    let identity = request.complete(&answer.certificate_pem, &answer.authority_pem)?;
    if identity.host() != host {
        return Err(JoinError::Answer("the certificate is for another host"));
    }
    if identity.authority() != token.authority() {
        return Err(JoinError::Answer("the authority is not the token's"));
    }
    identity.save(folder)?;
    Ok(identity)
}
