//! Requests of ours to other services, over HTTP or HTTPS.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Longest answer that is read.
const MAX_ANSWER: usize = 1 << 20;

/// Why a service gave no answer.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum OutgoingError {
    #[error("'{0}' is not an http or https URL")]
    Url(String),
    #[error("cannot read authorities from {path}: {reason}")]
    Authorities { path: PathBuf, reason: String },
    #[error("cannot reach {url}: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("{0} took too long to answer")]
    Slow(String),
}

/// What a service said.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A way out, with connections that are kept.
pub struct Outgoing {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
}

impl Outgoing {
    /// For services at `url` and others reached like it: with https, `cafile` (PEM) has the
    /// authorities that are believed, and nothing is sent without TLS.
    ///
    /// # Errors
    /// The URL is none, or the authorities cannot be read.
    pub fn new(url: &str, cafile: &Path, timeout: Duration) -> Result<Self, OutgoingError> {
        let wrong = || OutgoingError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let secure = match (uri.scheme_str(), uri.authority()) {
            (Some("http"), Some(_)) => false,
            (Some("https"), Some(_)) => true,
            _ => return Err(wrong()),
        };
        // Whoever is reached without TLS needs no authorities.
        let authorities = if secure { authorities(cafile)? } else { RootCertStore::empty() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| OutgoingError::Authorities {
                path: cafile.to_owned(),
                reason: error.to_string(),
            })?
            .with_root_certificates(authorities)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls);
        let connector = if secure { connector.https_only() } else { connector.https_or_http() };
        let http = Client::builder(TokioExecutor::new()).build(connector.enable_http1().build());
        Ok(Self { http, timeout })
    }

    /// Asks, and reads the whole answer.
    ///
    /// # Errors
    /// Nobody answers, not in time, or not to the end.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, OutgoingError> {
        let url = request.uri().to_string();
        let unreachable = |reason: String| OutgoingError::Unreachable { url: url.clone(), reason };
        let exchange = async {
            let response =
                self.http.request(request).await.map_err(|error| unreachable(with_causes(&error)))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body = body.map_err(|error| unreachable(error.to_string()))?.to_bytes();
            Ok(Answer { status: parts.status, headers: parts.headers, body })
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(OutgoingError::Slow(url)),
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The authorities of a PEM file.
fn authorities(path: &Path) -> Result<RootCertStore, OutgoingError> {
    let failed = |reason: String| OutgoingError::Authorities { path: path.to_owned(), reason };
    let mut store = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    for certificate in certificates {
        // Bundles of a system hold some that are not understood; they vouch for nobody.
        let _ = store.add(certificate.map_err(|error| failed(error.to_string()))?);
    }
    if store.is_empty() {
        return Err(failed("no certificate of an authority is in it".to_owned()));
    }
    Ok(store)
}
