//! Who is at the other end of a request.

use rustls::pki_types::CertificateDer;
use tonic::{Request, Status};

/// Why a caller is not known as a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PeerError {
    #[error("no client certificate was shown")]
    Missing,
    #[error("the client certificate cannot be read: {0}")]
    Unreadable(String),
    #[error("the client certificate names no single host")]
    NoName,
}

impl From<PeerError> for Status {
    fn from(error: PeerError) -> Self {
        Self::unauthenticated(error.to_string())
    }
}

/// The host whose certificate this request came with. TLS has verified the
/// certificate against the authority before any request is seen; a server compares
/// the name with the one in `Hello`.
///
/// # Errors
/// [`PeerError`], which turns into UNAUTHENTICATED.
pub fn peer_host<T>(request: &Request<T>) -> Result<String, PeerError> {
    let certificates = request.peer_certs().ok_or(PeerError::Missing)?;
    certificate_host(certificates.first().ok_or(PeerError::Missing)?)
}

/// The one common name of a certificate.
pub(super) fn certificate_host(certificate: &CertificateDer<'_>) -> Result<String, PeerError> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|error| PeerError::Unreadable(error.to_string()))?;
    let mut names = parsed.subject().iter_common_name();
    match (names.next().map(|name| name.as_str()), names.next()) {
        (Some(Ok(name)), None) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(PeerError::NoName),
    }
}
