//! What a host holds: its key, its certificate and the authority it trusts.

use std::fmt;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::{Fingerprint, PkiError, SERVER_NAME, check_host_name, files, peer};

const FILE: &str = "identity.pem";

/// A new key with the request to have it certified.
pub struct KeyRequest {
    key: KeyPair,
    csr_der: Vec<u8>,
}

impl KeyRequest {
    /// A fresh key pair (ECDSA P-256) and its request for `host`.
    ///
    /// # Errors
    /// [`PkiError::HostName`], or no randomness from the system.
    pub fn generate(host: &str) -> Result<Self, PkiError> {
        check_host_name(host)?;
        let make = |source| PkiError::Make { what: "certificate request", source };
        let key = KeyPair::generate().map_err(make)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, host);
        let csr_der = params.serialize_request(&key).map_err(make)?.der().to_vec();
        Ok(Self { key, csr_der })
    }

    /// The request: PKCS#10, DER.
    #[must_use]
    pub fn csr_der(&self) -> &[u8] {
        &self.csr_der
    }

    /// Puts the signed certificate and the key together.
    ///
    /// # Errors
    /// [`PkiError::Damaged`] when the certificate is not for this key.
    pub fn complete(self, certificate_pem: &str, authority_pem: &str) -> Result<HostIdentity, PkiError> {
        let bundle = format!("{}{certificate_pem}{authority_pem}", self.key.serialize_pem());
        HostIdentity::from_pem(&bundle)
    }
}

/// A host's key, certificate and authority. The key is not shown by `Debug`.
#[derive(Clone)]
pub struct HostIdentity {
    host: String,
    key_pem: String,
    certificate_pem: String,
    authority_pem: String,
    authority: Fingerprint,
}

impl HostIdentity {
    /// The identity kept in `folder` (`identity.pem`, mode 0600); `None` when this
    /// host has not joined.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged.
    pub fn load(folder: &Path) -> Result<Option<Self>, PkiError> {
        files::read(&folder.join(FILE))?.map(|text| Self::from_pem(&text)).transpose()
    }

    /// Keeps the identity in `folder`, replacing an older one in one step.
    ///
    /// # Errors
    /// [`PkiError::Write`].
    pub fn save(&self, folder: &Path) -> Result<(), PkiError> {
        let text = format!("{}{}{}", self.key_pem, self.certificate_pem, self.authority_pem);
        files::replace(&folder.join(FILE), &text)
    }

    /// Reads private key, own certificate and authority, in this order.
    ///
    /// # Errors
    /// [`PkiError::Damaged`] when a part is missing or they do not belong together.
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        let damaged = |why: String| PkiError::Damaged { what: "host's identity", why };
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes())
            .map_err(|error| damaged(format!("no private key: {error}")))?;
        let key = KeyPair::try_from(&key).map_err(|error| damaged(format!("private key: {error}")))?;
        let certificates = CertificateDer::pem_slice_iter(text.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| damaged(format!("certificate: {error}")))?;
        let [own, authority] = certificates.as_slice() else {
            return Err(damaged(format!("expected 2 certificates, found {}", certificates.len())));
        };
        let parsed = x509_parser::parse_x509_certificate(own)
            .map_err(|error| damaged(format!("certificate: {error}")))?
            .1;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(damaged("the certificate is not of this key".to_owned()));
        }
        let host = peer::certificate_host(own).map_err(|error| damaged(error.to_string()))?;
        Ok(Self {
            host,
            key_pem: key.serialize_pem(),
            certificate_pem: certificate_pem(own),
            authority_pem: certificate_pem(authority),
            authority: Fingerprint::of(authority),
        })
    }

    /// The host the certificate is for.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The authority this host trusts.
    #[must_use]
    pub const fn authority(&self) -> Fingerprint {
        self.authority
    }

    /// TLS of the agent's end: shows this host's certificate and takes only servers
    /// of the same authority.
    #[must_use]
    pub fn client_tls(&self) -> ClientTlsConfig {
        ClientTlsConfig::new()
            .domain_name(SERVER_NAME)
            .ca_certificate(Certificate::from_pem(&self.authority_pem))
            .identity(Identity::from_pem(&self.certificate_pem, &self.key_pem))
    }
}

impl fmt::Debug for HostIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostIdentity").field("host", &self.host).finish_non_exhaustive()
    }
}

/// A certificate in text form.
pub(super) fn certificate_pem(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(certificate);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in body.as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}
