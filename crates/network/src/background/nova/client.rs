//! Requests to Nova.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use isospin_api_kit::outgoing::{Answer, Outgoing, OutgoingError};
use serde_json::{Value, json};

use super::NovaConfig;
use super::outbox::Waiting;

/// Longest time an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why Nova was not told.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum NovaError {
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
    #[error("the login as {user} was answered with {status}")]
    Login { user: String, status: StatusCode },
    #[error("the catalog has no {interface} endpoint of type compute in region '{region}'")]
    NoEndpoint { interface: String, region: String },
    #[error("events were answered with {status}: {said}")]
    Refused { status: StatusCode, said: String },
    #[error("'{0}' is not the URL of an API")]
    Url(String),
}

/// What Nova made of events.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It took them; those it could do nothing with, each with the code it gave.
    Taken(Vec<(Value, i64)>),
    /// It knows none of the instances.
    Unknown,
}

/// Nova, as the service user.
pub(super) struct Nova {
    http: Outgoing,
    config: NovaConfig,
    session: Option<Session>,
}

/// A token, and where it leads.
struct Session {
    token: String,
    endpoint: String,
}

impl Nova {
    pub fn new(config: NovaConfig) -> Result<Self, NovaError> {
        let http = Outgoing::new(&config.user.auth_url, &config.user.cafile, TIMEOUT)?;
        Ok(Self { http, config, session: None })
    }

    /// Tells Nova; logs in first when there is no token, or it is over.
    pub async fn tell(&mut self, events: &[Waiting]) -> Result<Told, NovaError> {
        let body = json!({"events": events.iter().map(event).collect::<Vec<Value>>()}).to_string();
        for fresh in [self.session.is_none(), true] {
            let session = match self.session.take() {
                Some(session) => session,
                None => self.log_in().await?,
            };
            let answer = self.http.send(post(&session, &body)?).await?;
            if answer.status == StatusCode::UNAUTHORIZED && !fresh {
                continue;
            }
            self.session = (answer.status != StatusCode::UNAUTHORIZED).then_some(session);
            return read(&answer);
        }
        Err(NovaError::Login { user: self.config.user.username.clone(), status: StatusCode::UNAUTHORIZED })
    }

    async fn log_in(&self) -> Result<Session, NovaError> {
        let answer = self.http.send(self.config.user.login(true)?).await?;
        let token = answer.headers.get("x-subject-token").and_then(|value| value.to_str().ok());
        let refused = || NovaError::Login { user: self.config.user.username.clone(), status: answer.status };
        let token = token.filter(|_| answer.status == StatusCode::CREATED).ok_or_else(refused)?.to_owned();
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        Ok(Session { token, endpoint: self.endpoint(&said["token"]["catalog"])? })
    }

    fn endpoint(&self, catalog: &Value) -> Result<String, NovaError> {
        let NovaConfig { region_name: region, endpoint_type: interface, endpoint_override, .. } =
            &self.config;
        if !endpoint_override.is_empty() {
            return Ok(endpoint_override.trim_end_matches('/').to_owned());
        }
        let services = catalog.as_array().into_iter().flatten().filter(|it| it["type"] == "compute");
        let mut endpoints = services.filter_map(|service| service["endpoints"].as_array()).flatten();
        let fits = |endpoint: &&Value| {
            let here =
                region.is_empty() || endpoint["region_id"] == **region || endpoint["region"] == **region;
            here && endpoint["interface"] == **interface
        };
        let url = endpoints.find(fits).and_then(|endpoint| endpoint["url"].as_str());
        let none = || NovaError::NoEndpoint { interface: interface.clone(), region: region.clone() };
        Ok(url.ok_or_else(none)?.trim_end_matches('/').to_owned())
    }
}

fn event(event: &Waiting) -> Value {
    let Waiting { server_uuid, name, tag, status, .. } = event;
    if status.is_empty() {
        json!({"name": name, "server_uuid": server_uuid, "tag": tag})
    } else {
        json!({"server_uuid": server_uuid, "name": name, "status": status, "tag": tag})
    }
}

fn post(session: &Session, body: &str) -> Result<Request<Full<Bytes>>, NovaError> {
    Request::builder()
        .method(Method::POST)
        .uri(format!("{}/os-server-external-events", session.endpoint))
        .header("x-auth-token", session.token.as_str())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .header("openstack-api-version", "compute 2.1")
        .header("x-openstack-nova-api-version", "2.1")
        .body(Full::new(Bytes::from(body.to_owned())))
        .map_err(|_| NovaError::Url(session.endpoint.clone()))
}

fn read(answer: &Answer) -> Result<Told, NovaError> {
    match answer.status {
        StatusCode::OK | StatusCode::MULTI_STATUS => {
            let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let events = said["events"].as_array().cloned().unwrap_or_default();
            let coded = events.into_iter().map(|event| {
                let code = event["code"].as_i64().unwrap_or(0);
                (event, code)
            });
            Ok(Told::Taken(coded.filter(|(_, code)| *code != 200).collect()))
        }
        StatusCode::NOT_FOUND => Ok(Told::Unknown),
        status => {
            let said = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
            Err(NovaError::Refused { status, said })
        }
    }
}
