//! The questions to Keystone, over HTTP or HTTPS.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::Full;
use isospin_api_kit::outgoing::{Answer, Outgoing, OutgoingError};
use isospin_api_kit::service_user::ServiceUser;
use serde_json::Value;
use tokio::sync::Mutex;

use super::cache::Said;
use super::{KeystoneConfig, token};

/// Why Keystone gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("'{0}' is not the http or https URL of a Keystone")]
    Url(String),
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
    #[error("{question} was answered with {status}: {said}")]
    Refused { question: &'static str, status: u16, said: String },
    #[error("the answer to {0} is not one of the Identity API")]
    Unexpected(&'static str),
}

/// Asks as the service user.
pub struct Client {
    http: Outgoing,
    /// `http://host:5000/v3/auth/tokens`.
    tokens_url: String,
    user: ServiceUser,
    /// The service user's token; held while a new one is fetched.
    own: Mutex<Option<Arc<str>>>,
}

impl Client {
    pub fn new(config: &KeystoneConfig) -> Result<Self, ClientError> {
        let KeystoneConfig { user, timeout, .. } = config;
        let http = Outgoing::new(&user.auth_url, &user.cafile, *timeout).map_err(|error| match error {
            OutgoingError::Url(_) => ClientError::Url(user.auth_url.clone()),
            other => other.into(),
        })?;
        Ok(Self { http, tokens_url: user.tokens_url(), user: user.clone(), own: Mutex::new(None) })
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
            Ok(request) => Ok(self.http.send(request).await?),
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
        let answer = self.http.send(self.user.login(false)?).await?;
        if answer.status != StatusCode::CREATED {
            return Err(refused(question, &answer));
        }
        let token = answer.headers.get("x-subject-token").and_then(|value| value.to_str().ok());
        token.map(Arc::from).ok_or(ClientError::Unexpected(question))
    }
}

fn refused(question: &'static str, answer: &Answer) -> ClientError {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = body["error"]["message"].as_str().unwrap_or("no reason was given").to_owned();
    ClientError::Refused { question, status: answer.status.as_u16(), said }
}
