//! One-time join tokens.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};

/// SHA-256 of an authority's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What was given is not a join token (or fingerprint).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a join token: expected '<64 hex digits>.<secret>'")]
pub struct TokenError;

impl FromStr for Fingerprint {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(TokenError);
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).map_err(|_| TokenError)?;
        }
        Ok(Self(bytes))
    }
}

/// A one-time right to join, as an operator carries it from server to host:
/// `<fingerprint of the authority>.<secret>`. The fingerprint lets the host know
/// the server before it hands over the secret. `Debug` hides the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    authority: Fingerprint,
    secret: String,
}

impl JoinToken {
    /// A new random token (256 bits) for the authority.
    #[must_use]
    pub fn generate(authority: Fingerprint) -> Self {
        let secret = rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { authority, secret }
    }

    /// The authority the server must prove to be of.
    #[must_use]
    pub const fn authority(&self) -> Fingerprint {
        self.authority
    }

    /// What is sent in `JoinRequest.token`. A server stores only its [`secret_digest`].
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

/// Hex SHA-256 of a token's secret: what a server stores and looks tokens up by.
#[must_use]
pub fn secret_digest(secret: &str) -> String {
    Fingerprint(Sha256::digest(secret.as_bytes()).into()).to_string()
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.authority, self.secret)
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl FromStr for JoinToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let (authority, secret) = text.trim().split_once('.').ok_or(TokenError)?;
        if secret.is_empty() || !secret.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(TokenError);
        }
        Ok(Self { authority: authority.parse()?, secret: secret.to_owned() })
    }
}
