//! The authority behind the feed's mutual TLS.
//!
//! One private [`Authority`] signs both ends. Servers prove themselves with a
//! certificate for the fixed name [`SERVER_NAME`] (so any address leads to them),
//! hosts with one whose common name is the host. A host gets its certificate once,
//! by trading a [`JoinToken`] (which also pins the authority) for it.
//!
//! The keys of the two ends are told apart by extended key usage: a server's
//! certificate never passes as a host's, nor the other way.

mod authority;
mod files;
mod identity;
mod peer;
mod pinned;
mod token;

pub use authority::{Authority, SERVER_NAME};
pub use identity::{HostIdentity, KeyRequest};
pub use peer::{PeerError, peer_host};
pub(crate) use pinned::PinnedAuthority;
pub use token::{Fingerprint, JoinToken, TokenError, secret_digest};

use std::path::PathBuf;

/// What can go wrong with keys and certificates.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PkiError {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} does not hold {expected}", path.display())]
    NotOurs { path: PathBuf, expected: &'static str },
    #[error("the {what} is damaged: {why}")]
    Damaged { what: &'static str, why: String },
    #[error("cannot make the {what}")]
    Make {
        what: &'static str,
        #[source]
        source: rcgen::Error,
    },
    #[error("the certificate request is refused")]
    Request {
        #[source]
        source: rcgen::Error,
    },
    #[error("'{0}' is not a host name: 1 to 253 letters, digits, '-', '_' and '.'")]
    HostName(String),
}

/// Refuses names that could not stand in a certificate, a log line or a path.
pub(crate) fn check_host_name(host: &str) -> Result<(), PkiError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let dots_only = host.chars().all(|c| c == '.');
    if host.is_empty() || host.len() > 253 || dots_only || !host.chars().all(allowed) {
        return Err(PkiError::HostName(host.to_owned()));
    }
    Ok(())
}

/// Makes ring the process's provider where none was chosen yet: the server side of
/// tonic asks for the default one.
pub(crate) fn choose_provider() {
    // An error only says that somebody chose before us.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests;
