//! The private certificate authority of one Isospin.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
    date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use super::identity::certificate_pem;
use super::{Fingerprint, PkiError, check_host_name, choose_provider, files};

/// The name every feed server's certificate carries and every agent asks for.
pub const SERVER_NAME: &str = "feed.isospin.internal";

const FILE: &str = "authority.pem";
const AUTHORITY_YEARS: i32 = 30;
const LEAF_YEARS: i32 = 10;
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Signs the certificates of servers and hosts. Holds the private key: neither
/// shown by `Debug` nor given out except to be stored by [`Authority::to_pem`].
pub struct Authority {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// The authority kept in `folder`, made there at the first start. The file
    /// (`authority.pem`, mode 0600) holds key and certificate together; of several
    /// processes starting at once all end with the same one.
    ///
    /// # Errors
    /// A file that cannot be read or written, or that is damaged: a damaged
    /// authority is never replaced, since every host trusts the old one.
    pub fn open_or_create(folder: &Path) -> Result<Self, PkiError> {
        let path = folder.join(FILE);
        if files::read(&path)?.is_none() {
            files::create(&path, &Self::generate()?.to_pem())?;
        }
        let text = files::read(&path)?.ok_or(PkiError::NotOurs {
            path: path.clone(),
            expected: "an authority's key and certificate",
        })?;
        Self::from_pem(&text)
    }

    /// A new authority, kept nowhere yet.
    ///
    /// # Errors
    /// Key generation fails only when the system gives no randomness.
    pub fn generate() -> Result<Self, PkiError> {
        let make = |source| PkiError::Make { what: "authority", source };
        let key = KeyPair::generate().map_err(make)?;
        let mut params = validity(CertificateParams::default(), AUTHORITY_YEARS);
        params.distinguished_name = common_name("Isospin feed authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key).map_err(make)?;
        Ok(Self {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Reads what [`Authority::to_pem`] wrote.
    ///
    /// # Errors
    /// [`PkiError::Damaged`] when a part is missing or the two do not belong together.
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        let damaged = |why: String| PkiError::Damaged { what: "authority", why };
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes())
            .map_err(|error| damaged(format!("no private key: {error}")))?;
        let key = KeyPair::try_from(&key).map_err(|error| damaged(format!("private key: {error}")))?;
        let certificate = CertificateDer::from_pem_slice(text.as_bytes())
            .map_err(|error| damaged(format!("no certificate: {error}")))?;
        let parsed = x509_parser::parse_x509_certificate(&certificate)
            .map_err(|error| damaged(format!("certificate: {error}")))?
            .1;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(damaged("the certificate is not of this key".to_owned()));
        }
        let certificate_pem = certificate_pem(&certificate);
        let issuer = Issuer::from_ca_cert_der(&certificate, key)
            .map_err(|error| damaged(format!("certificate: {error}")))?;
        Ok(Self { certificate, certificate_pem, issuer })
    }

    /// Private key and certificate, to be stored where only servers read.
    #[must_use]
    pub fn to_pem(&self) -> String {
        format!("{}{}", self.issuer.key().serialize_pem(), self.certificate_pem)
    }

    /// The certificate alone: what both ends trust.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The certificate's SHA-256, which join tokens carry.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    /// Signs a host's request (PKCS#10, DER). The certificate is for `host` and for
    /// client authentication whatever the request itself asks for.
    ///
    /// # Errors
    /// [`PkiError::HostName`], or [`PkiError::Request`] when the request does not
    /// parse or is not signed by its own key.
    pub fn sign_request(&self, csr_der: &[u8], host: &str) -> Result<String, PkiError> {
        check_host_name(host)?;
        let request = |source| PkiError::Request { source };
        let csr = CertificateSigningRequestDer::from(csr_der);
        let csr = CertificateSigningRequestParams::from_der(&csr).map_err(request)?;
        let mut params = leaf(host, ExtendedKeyUsagePurpose::ClientAuth);
        if let Ok(name) = host.try_into() {
            params.subject_alt_names = vec![SanType::DnsName(name)];
        }
        let signed = params.signed_by(&csr.public_key, &self.issuer).map_err(request)?;
        Ok(signed.pem())
    }

    /// TLS of a feed server: a fresh certificate for [`SERVER_NAME`] and `names`
    /// (DNS names or addresses, for people's own tools), with the client's
    /// certificate asked for but optional, because `Enrol` runs without one. A
    /// `Session` must call [`super::peer_host`].
    ///
    /// # Errors
    /// [`PkiError::Make`] when a name cannot stand in a certificate.
    pub fn server_tls(&self, names: &[String]) -> Result<ServerTlsConfig, PkiError> {
        let make = |source| PkiError::Make { what: "server certificate", source };
        choose_provider();
        let key = KeyPair::generate().map_err(make)?;
        let mut params = leaf(SERVER_NAME, ExtendedKeyUsagePurpose::ServerAuth);
        for name in std::iter::once(SERVER_NAME).chain(names.iter().map(String::as_str)) {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.try_into().map_err(make)?),
            });
        }
        let certificate = params.signed_by(&key, &self.issuer).map_err(make)?;
        // The authority is sent along: who joins knows only its fingerprint.
        let chain = format!("{}{}", certificate.pem(), self.certificate_pem);
        Ok(ServerTlsConfig::new()
            .identity(Identity::from_pem(chain, key.serialize_pem()))
            .client_ca_root(Certificate::from_pem(&self.certificate_pem))
            .client_auth_optional(true)
            .timeout(HANDSHAKE))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

fn leaf(name: &str, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = validity(CertificateParams::default(), LEAF_YEARS);
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    // The first bit of a serial number is its sign.
    let mut serial = rand::random::<[u8; 16]>();
    serial[0] &= 0x7f;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// Valid from long ago, since a host's clock may be wrong when it first boots.
fn validity(mut params: CertificateParams, years: i32) -> CertificateParams {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let year = 1970 + i32::try_from(since_epoch.as_secs() / 31_556_952).unwrap_or(0);
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(year + years, 1, 1);
    params
}
