//! A small client of the public API, for the commands of the binary.
//!
//! It logs in with a password, keeps the token, and speaks JSON over one
//! kept-alive HTTP/1.1 connection pool. Nothing here knows of a private door.

mod session;

pub use session::{Credentials, Session};

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("'{url}' is not a URL")]
    Url { url: String },
    #[error("cannot reach {url}: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("{method} {path}: {status} {message}")]
    Refused {
        method: String,
        path: String,
        status: u16,
        /// `NeutronError.type`, or the title of a Keystone error.
        kind: String,
        message: String,
    },
    #[error("{method} {path}: the answer is not what the API promises: {reason}")]
    Unexpected { method: String, path: String, reason: String },
}

impl ClientError {
    /// The HTTP status of a refusal.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}
