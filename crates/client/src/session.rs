//! A logged-in session.

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::ClientError;

/// Who logs in, and where.
#[derive(Clone)]
pub struct Credentials {
    /// Root of the Identity API: `http://127.0.0.1:5000`.
    pub identity_url: String,
    pub user: String,
    pub password: String,
    pub project: String,
}

/// A token and the network endpoint it was given.
pub struct Session {
    http: Client<HttpConnector, Full<Bytes>>,
    token: String,
    network_url: String,
    project_id: String,
}

impl Session {
    /// Logs in with a password, scoped to a project of the default domain.
    ///
    /// # Errors
    /// Identity cannot be reached or refuses; the catalog has no network service.
    pub async fn log_in(credentials: &Credentials) -> Result<Self, ClientError> {
        let http = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let domain = json!({"id": "default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": credentials.user, "password": credentials.password, "domain": domain}}},
            "scope": {"project": {"name": credentials.project, "domain": domain}}}});
        let url = format!("{}/v3/auth/tokens", credentials.identity_url.trim_end_matches('/'));
        let request = request(Method::POST, &url, None, Some(&body))?;
        let (headers, answer) = send(&http, "POST", "/v3/auth/tokens", &url, request).await?;
        let unexpected = |reason: &str| ClientError::Unexpected {
            method: "POST".to_owned(),
            path: "/v3/auth/tokens".to_owned(),
            reason: reason.to_owned(),
        };
        let token = headers
            .get("x-subject-token")
            .and_then(|value| value.to_str().ok())
            .ok_or_else(|| unexpected("no X-Subject-Token"))?
            .to_owned();
        let network_url =
            network_endpoint(&answer).ok_or_else(|| unexpected("no network service in the catalog"))?;
        let project_id = answer["token"]["project"]["id"].as_str().unwrap_or_default().to_owned();
        Ok(Self { http, token, network_url, project_id })
    }

    /// The same session with another server's Network API.
    #[must_use]
    pub fn with_network_url(mut self, url: &str) -> Self {
        url.clone_into(&mut self.network_url);
        self
    }

    /// The project the session is scoped to.
    #[must_use]
    pub fn project_id(&self) -> &str {
        &self.project_id
    }

    /// The token, for callers that speak to the API in their own way.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// GET below `/v2.0`; `path` starts with a slash.
    pub async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.call(Method::GET, path, None).await
    }

    /// POST below `/v2.0`.
    pub async fn post(&self, path: &str, body: Value) -> Result<Value, ClientError> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// PUT below `/v2.0`.
    pub async fn put(&self, path: &str, body: Value) -> Result<Value, ClientError> {
        self.call(Method::PUT, path, Some(body)).await
    }

    /// DELETE below `/v2.0`; what is already gone is fine.
    pub async fn delete(&self, path: &str) -> Result<(), ClientError> {
        match self.call(Method::DELETE, path, None).await {
            Ok(_) => Ok(()),
            Err(error) if error.status() == Some(404) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, ClientError> {
        let url = format!("{}/v2.0{path}", self.network_url.trim_end_matches('/'));
        let name = method.as_str().to_owned();
        let request = request(method, &url, Some(&self.token), body.as_ref())?;
        Ok(send(&self.http, &name, path, &url, request).await?.1)
    }
}

fn network_endpoint(answer: &Value) -> Option<String> {
    let services = answer["token"]["catalog"].as_array()?;
    let network = services.iter().find(|service| service["type"] == "network")?;
    let public =
        network["endpoints"].as_array()?.iter().find(|endpoint| endpoint["interface"] == "public")?;
    public["url"].as_str().map(str::to_owned)
}

fn request(
    method: Method,
    url: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Result<Request<Full<Bytes>>, ClientError> {
    let mut builder = Request::builder().method(method).uri(url).header(header::ACCEPT, "application/json");
    if let Some(token) = token {
        builder = builder.header("x-auth-token", token);
    }
    let bytes = match body {
        Some(body) => {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
            Bytes::from(body.to_string())
        }
        None => Bytes::new(),
    };
    builder.body(Full::new(bytes)).map_err(|_| ClientError::Url { url: url.to_owned() })
}

async fn send(
    http: &Client<HttpConnector, Full<Bytes>>,
    method: &str,
    path: &str,
    url: &str,
    request: Request<Full<Bytes>>,
) -> Result<(http::HeaderMap, Value), ClientError> {
    let unreachable = |reason: String| ClientError::Unreachable { url: url.to_owned(), reason };
    let response = http.request(request).await.map_err(|error| unreachable(error.to_string()))?;
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.map_err(|error| unreachable(error.to_string()))?.to_bytes();
    let answer = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&bytes).map_err(|error| ClientError::Unexpected {
            method: method.to_owned(),
            path: path.to_owned(),
            reason: error.to_string(),
        })?
    };
    if parts.status.is_success() {
        return Ok((parts.headers, answer));
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, message) = match answer.get("NeutronError") {
        Some(fault) => (text(&fault["type"]), text(&fault["message"])),
        None => (text(&answer["error"]["title"]), text(&answer["error"]["message"])),
    };
    Err(ClientError::Refused {
        method: method.to_owned(),
        path: path.to_owned(),
        status: parts.status.as_u16(),
        kind,
        message,
    })
}
