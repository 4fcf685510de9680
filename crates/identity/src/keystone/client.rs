//! The questions to Keystone, over HTTP or HTTPS.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::cache::Said;
use super::{KeystoneConfig, token};

/// Longest answer that is read; catalogs are not asked for.
const MAX_ANSWER: usize = 1 << 20;

/// Why Keystone gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("'{0}' is not the http or https URL of a Keystone")]
    Url(String),
    #[error("cannot read authorities from {path}: {reason}")]
    Authorities { path: PathBuf, reason: String },
    #[error("cannot reach {url}: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("{0} took too long to answer")]
    Slow(String),
    #[error("{question} was answered with {status}: {said}")]
    Refused { question: &'static str, status: u16, said: String },
    #[error("the answer to {0} is not one of the Identity API")]
    Unexpected(&'static str),
}

type Http = hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Asks as the service user.
pub struct Client {
    http: Http,
    /// `http://host:5000/v3/auth/tokens`.
    tokens_url: String,
    config: KeystoneConfig,
    /// The service user's token; held while a new one is fetched.
    own: Mutex<Option<Arc<str>>>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Client {
    pub fn new(config: &KeystoneConfig) -> Result<Self, ClientError> {
        let root = config.auth_url.trim_end_matches('/');
        let root = root.strip_suffix("/v3").unwrap_or(root);
        let uri: http::Uri = root.parse().map_err(|_| ClientError::Url(config.auth_url.clone()))?;
        let secure = match (uri.scheme_str(), uri.authority()) {
            (Some("http"), Some(_)) => false,
            (Some("https"), Some(_)) => true,
            _ => return Err(ClientError::Url(config.auth_url.clone())),
        };
        // Whoever is reached without TLS needs no authorities.
        let authorities = if secure { authorities(&config.cafile)? } else { RootCertStore::empty() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ClientError::Authorities {
                path: config.cafile.clone(),
                reason: error.to_string(),
            })?
            .with_root_certificates(authorities)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls);
        let connector = if secure { connector.https_only() } else { connector.https_or_http() };
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .build(connector.enable_http1().build());
        let tokens_url = format!("{root}/v3/auth/tokens");
        Ok(Self { http, tokens_url, config: config.clone(), own: Mutex::new(None) })
    }

    /// What Keystone says of the token.
    pub async fn validate(&self, token: &str, allow_expired: bool) -> Result<Said, ClientError> {
        let question = "the check of a token";
        let mut own = self.own_token(None).await?;
        for fresh in [false, true] {
            let answer = self.ask_about(token, allow_expired, &own).await?;
            match answer.status {
                StatusCode::OK => {
                    let body = serde_json::from_slice(&answer.body).ok();
                    return body.as_ref().and_then(token::read).ok_or(ClientError::Unexpected(question));
                }
                StatusCode::NOT_FOUND => return Ok(Said::Invalid),
                // The service user's own token is over, or was revoked.
                StatusCode::UNAUTHORIZED if !fresh => own = self.own_token(Some(&own)).await?,
                _ => return Err(refused(question, &answer)),
            }
        }
        Err(ClientError::Unexpected(question))
    }

    async fn ask_about(&self, token: &str, allow_expired: bool, own: &str) -> Result<Answer, ClientError> {
        let expired = if allow_expired { "&allow_expired=1" } else { "" };
        let request = Request::builder()
            .method(Method::GET)
            .uri(format!("{}?nocatalog{expired}", self.tokens_url))
            .header("x-auth-token", own)
            .header("x-subject-token", token)
            .header("openstack-identity-access-rules", "1.0")
            .header(header::ACCEPT, "application/json")
            .body(Full::default());
        match request {
            Ok(request) => self.send(request).await,
            // A token that is no header value was never issued.
            Err(_) => {
                Ok(Answer { status: StatusCode::NOT_FOUND, headers: HeaderMap::new(), body: Bytes::new() })
            }
        }
    }

    /// The service user's token; a new one when there is none but the one that was refused.
    async fn own_token(&self, refused_one: Option<&Arc<str>>) -> Result<Arc<str>, ClientError> {
        let mut own = self.own.lock().await;
        match (&*own, refused_one) {
            (Some(token), None) => return Ok(Arc::clone(token)),
            // Somebody else has fetched another meanwhile.
            (Some(token), Some(refused)) if token != refused => return Ok(Arc::clone(token)),
            _ => {}
        }
        let token = self.log_in().await?;
        *own = Some(Arc::clone(&token));
        Ok(token)
    }

    async fn log_in(&self) -> Result<Arc<str>, ClientError> {
        let question = "the login of the service user";
        let KeystoneConfig {
            username, password, user_domain_name, project_name, project_domain_name, ..
        } = &self.config;
        let user = json!({"name": username, "password": password, "domain": {"name": user_domain_name}});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": project_name, "domain": {"name": project_domain_name}}},
        }});
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}?nocatalog", self.tokens_url))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .map_err(|_| ClientError::Url(self.tokens_url.clone()))?;
        let answer = self.send(request).await?;
        if answer.status != StatusCode::CREATED {
            return Err(refused(question, &answer));
        }
        let token = answer.headers.get("x-subject-token").and_then(|value| value.to_str().ok());
        token.map(Arc::from).ok_or(ClientError::Unexpected(question))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        let unreachable = |reason: String| ClientError::Unreachable { url: self.tokens_url.clone(), reason };
        let exchange = async {
            let response =
                self.http.request(request).await.map_err(|error| unreachable(with_causes(&error)))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body = body.map_err(|error| unreachable(error.to_string()))?.to_bytes();
            Ok(Answer { status: parts.status, headers: parts.headers, body })
        };
        match tokio::time::timeout(self.config.timeout, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::Slow(self.tokens_url.clone())),
        }
    }
}

fn refused(question: &'static str, answer: &Answer) -> ClientError {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = body["error"]["message"].as_str().unwrap_or("no reason was given").to_owned();
    ClientError::Refused { question, status: answer.status.as_u16(), said }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The authorities of a PEM file.
fn authorities(path: &Path) -> Result<RootCertStore, ClientError> {
    let failed = |reason: String| ClientError::Authorities { path: path.to_owned(), reason };
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
