//! Around every handler: request ids, the caller, the form of refusals.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, VARY, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use isospin_api_kit::http::{MAX_URL, base_url};
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Caller, Measured, permits};
use uuid::Uuid;

use crate::IdentityApp;
use crate::fault::Fault;
use crate::tokens::{TokenError, ValidToken};

const NOT_FOUND: &str = "The resource could not be found.";

/// What every handler knows of its request, before anybody is known.
#[derive(Debug, Clone)]
pub struct Origin {
    /// `req-<uuid4>`.
    pub request_id: String,
    /// Scheme and authority the client used: `http://host:5000`.
    pub root: String,
}

/// What a handler knows of its request and its caller.
#[derive(Clone)]
pub struct Context {
    pub origin: Origin,
    pub token: Arc<ValidToken>,
    /// Path the client used, without query.
    pub path: String,
    /// The query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// Objects in a list, when the query does not say how many.
    pub list_limit: Option<u64>,
}

impl Context {
    pub fn caller(&self) -> &Caller {
        &self.token.caller
    }

    pub fn request_id(&self) -> &str {
        &self.origin.request_id
    }

    /// The absolute URL of a path below `/v3`.
    pub fn link(&self, path: impl std::fmt::Display) -> String {
        format!("{}/v3/{path}", self.origin.root)
    }

    /// The first value given for a query key.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a query key is given and not false; a key without value is true.
    pub fn query_flag(&self, name: &str) -> bool {
        self.query(name).is_some_and(is_true)
    }

    /// What was read of a body. What is wrong with it is told only to those who may do
    /// `action` at least to what is their own.
    pub fn read<T>(&self, app: &IdentityApp, action: &str, read: Result<T, Fault>) -> Result<T, Fault> {
        let (user, domain) = (&self.caller().user_id, &self.caller().domain_id);
        let own = Target::new()
            .with("target.credential.user_id", user)
            .with("target.trust.trustor_user_id", user)
            .with("target.user.domain_id", domain)
            .with("target.group.domain_id", domain)
            .with("target.project.domain_id", domain);
        read.or_else(|fault| {
            self.enforce(app, action, &own)?;
            Err(fault)
        })
    }

    /// Refuses what the rule does not allow.
    pub fn enforce(&self, app: &IdentityApp, action: &str, target: &Target<'_>) -> Result<(), Fault> {
        if app.policy.allows(action, self.caller(), target) {
            return Ok(());
        }
        Err(Fault::forbidden(action))
    }
}

/// The value of a flag in a query.
pub fn is_true(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "0" | "false" | "no" | "off" | "f" | "n")
}

impl<S: Send + Sync> FromRequestParts<S> for Context {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Fault::unauthorized)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Fault::internal("a request without an id"))
    }
}

/// The bytes of a body within the limit, without a NUL character in its texts: databases
/// keep none.
pub struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let body = Bytes::from_request(request, state).await.map_err(|rejection: BytesRejection| {
            Fault::new(rejection.status(), "Request is too large or was cut off.")
        })?;
        if has_nul(&body) {
            return Err(Fault::bad_request(
                "A text in the request body has a NUL character (\\u0000) in it.",
            ));
        }
        Ok(Self(body))
    }
}

/// Whether a JSON text has the escape of the NUL character in it; the character itself may not
/// stand in one.
fn has_nul(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let escape = &rest[at + 1..];
        if escape.starts_with(b"u0000") {
            return true;
        }
        // Whatever is escaped is no escape itself.
        rest = escape.get(1..).unwrap_or_default();
    }
    false
}

/// Refuses URLs that are too long, or with a NUL character: nothing is called that.
fn check_url(uri: &http::Uri) -> Result<(), Fault> {
    if uri.to_string().len() > MAX_URL {
        return Err(Fault::new(StatusCode::URI_TOO_LONG, "The URI is longer than 8192 characters."));
    }
    if uri.path().contains("%00") {
        return Err(Fault::new(StatusCode::NOT_FOUND, NOT_FOUND));
    }
    if uri.query().is_some_and(|query| query.contains("%00")) {
        return Err(Fault::bad_request("The query has a NUL character (%00) in it."));
    }
    Ok(())
}

/// Middleware: request id, URL length, the headers and form every answer has, and what it took.
pub async fn identify(mut request: Request, next: Next) -> Response {
    let measured = Measured::begin("identity", &request);
    let request_id = format!("req-{}", Uuid::new_v4());
    let root = base_url(&request);
    let checked = check_url(request.uri());
    request.extensions_mut().insert(Origin { request_id: request_id.clone(), root: root.clone() });
    let response = match checked {
        Ok(()) => next.run(request).await,
        Err(fault) => fault.into_response(),
    };
    let mut response = in_form(response);
    let unauthorized = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("X-Auth-Token"));
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert("x-openstack-request-id", value);
    }
    if unauthorized && let Ok(value) = HeaderValue::from_str(&format!("Keystone uri=\"{root}/v3\"")) {
        headers.insert(WWW_AUTHENTICATE, value);
    }
    measured.end(response.status());
    response
}

/// Refusals of the framework (405, a path that is not UTF-8) in the form of all others.
fn in_form(response: Response<Body>) -> Response<Body> {
    let status = response.status();
    let ours = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let message = match status {
        StatusCode::METHOD_NOT_ALLOWED => "The method is not allowed for the requested URL.",
        StatusCode::BAD_REQUEST => "The request is malformed.",
        _ => "The request could not be served.",
    };
    let mut answer = Fault::new(status, message).into_response();
    if let Some(allow) = response.headers().get("allow") {
        answer.headers_mut().insert("allow", allow.clone());
    }
    answer
}

/// Middleware: nobody passes without a valid token. Of the headers only the token
/// says who the caller is (K16).
pub async fn authenticate(State(app): State<IdentityApp>, mut request: Request, next: Next) -> Response {
    let Ok(token) = header(request.headers(), "x-auth-token") else {
        return Fault::unauthorized().into_response();
    };
    let token = match app.tokens.check(&token).await {
        Ok(token) => token,
        Err(TokenError::Invalid) => return Fault::unauthorized().into_response(),
        Err(error) => return Fault::from(error).into_response(),
    };
    let Some(origin) = request.extensions().get::<Origin>().cloned() else {
        return Fault::internal("a request without an id").into_response();
    };
    let query = request.uri().query().unwrap_or("");
    if let Some(refusal) = refused_by_access_rules(&token, &request) {
        return refusal.into_response();
    }
    let context = Context {
        origin,
        token,
        path: request.uri().path().to_owned(),
        query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        list_limit: app.config.list_limit,
    };
    request.extensions_mut().insert(context);
    next.run(request).await
}

/// A token of an application credential is for the requests it names, if it names any.
/// Whoever has one may have it checked.
fn refused_by_access_rules(token: &ValidToken, request: &Request) -> Option<Fault> {
    let rules = &token.caller.access_rules;
    let (method, path) = (request.method(), request.uri().path());
    let check = *method == Method::GET && path == "/v3/auth/tokens";
    let allowed = rules.is_empty() || check || permits(rules, "identity", method.as_str(), path);
    (!allowed).then(Fault::unauthorized)
}

/// A header's text.
pub fn header(headers: &HeaderMap, name: &str) -> Result<String, Fault> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
        .ok_or_else(|| Fault::missing(name, "request headers"))
}

/// For unknown URLs.
pub async fn not_found() -> Fault {
    Fault::new(StatusCode::NOT_FOUND, NOT_FOUND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nul_character_is_found_and_nothing_else() {
        for (json, expected) in [
            (r#"{"a": "\u0000"}"#, true),
            (r#"{"\u0000": 1}"#, true),
            (r#""\\\u0000""#, true),
            (r#""\"\u0000""#, true),
            (r#""\\u0000""#, false),
            (r#""\u00001""#, true),
            (r#""\u0001""#, false),
            (r#""u0000""#, false),
            ("\\", false),
            ("", false),
        ] {
            assert_eq!(has_nul(json.as_bytes()), expected, "{json}");
        }
    }
}
