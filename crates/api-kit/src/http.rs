//! Around every handler: request ids, the caller, canonical paths, answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body as HttpBody;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HOST, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::auth::{AuthError, Authenticator};
use crate::{Caller, Fault, FaultType, Measured, permits};

const JSON: &str = "application/json";

/// Bodies above this are refused with 413. Bulk requests of a few thousand objects fit.
pub const MAX_BODY: usize = 16 << 20;
/// URLs above this are refused with 414 (reference/clients.md §7).
pub const MAX_URL: usize = 8 << 10;

/// What a handler knows of its request beside path and body.
#[derive(Debug, Clone)]
pub struct Context {
    pub caller: Arc<Caller>,
    /// `req-<uuid4>`: in the answer, in change rows, in logs.
    pub request_id: String,
    /// Scheme and authority the client used: `http://host:9696`.
    pub base_url: String,
    /// Path the client used, canonical, without query.
    pub path: String,
    /// The query text, undecoded.
    pub query: String,
    /// Revision named by `If-Match`, if any.
    pub if_match: Option<i64>,
}

impl Context {
    /// The absolute URL of this request, without query.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{}", self.base_url, self.path)
    }

    /// Refuses when `If-Match` names another revision than the one stored.
    ///
    /// # Errors
    /// 412.
    pub fn check_revision(&self, current: i64) -> Result<(), Fault> {
        match self.if_match {
            Some(expected) if expected != current => Err(Fault::revision(expected, current)),
            _ => Ok(()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Context {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            Fault::new(FaultType::HTTPInternalServerError, "Request Failed: no request context.")
        })
    }
}

/// The request id, present on every request, also before authentication.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Middleware: gives the request an id, refuses long URLs, puts the id on the answer,
/// measures.
pub async fn identify(mut request: Request, next: Next) -> Response {
    let measured = Measured::begin(SERVICE, &request);
    let id = format!("req-{}", Uuid::new_v4());
    request.extensions_mut().insert(RequestId(id.clone()));
    let long = request.uri().to_string().len() > MAX_URL;
    let mut response = if long {
        Fault::new(FaultType::HTTPRequestURITooLong, "The URI is longer than 8192 characters.")
            .into_response()
    } else {
        as_fault(next.run(request).await).await
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-openstack-request-id", value);
    }
    measured.end(response.status());
    response
}

/// What never reaches a handler (a path that is no UTF-8, a body that is too long or
/// broken off) is refused by the framework, in plain text; clients get a fault all the same.
async fn as_fault(response: Response) -> Response {
    let status = response.status();
    let refused = status.is_client_error() || status.is_server_error();
    if !refused || response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == JSON) {
        return response;
    }
    let said = axum::body::to_bytes(response.into_body(), 1 << 10).await.unwrap_or_default();
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Fault::new(
            FaultType::HTTPRequestEntityTooLarge,
            format!("The body is longer than {MAX_BODY} bytes."),
        ),
        _ if status.is_server_error() => {
            Fault::new(FaultType::HTTPInternalServerError, "Request Failed: internal server error.")
        }
        _ => Fault::bad_request(String::from_utf8_lossy(&said).into_owned()),
    }
    .into_response()
}

/// Middleware of the Network API: authenticates and builds the [`Context`].
/// Identity headers sent by a client are never looked at (K16).
pub async fn authenticate(
    State(authenticator): State<Arc<dyn Authenticator>>,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = (request.method(), request.uri().path());
    let caller = match caller(authenticator.as_ref(), request.headers(), asked).await {
        Ok(caller) => caller,
        Err(AuthError::Invalid) => return unauthorized(authenticator.identity_url()),
        Err(AuthError::Unavailable(reason)) => {
            tracing::warn!(reason, "cannot check tokens");
            return Fault::new(FaultType::ServiceUnavailable, "The identity service is not available.")
                .into_response();
        }
    };
    let if_match = match if_match(request.headers()) {
        Ok(revision) => revision,
        Err(fault) => return fault.into_response(),
    };
    let context = Context {
        caller,
        request_id: request.extensions().get::<RequestId>().map_or_else(String::new, |id| id.0.clone()),
        base_url: base_url(&request),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or("").to_owned(),
        if_match,
    };
    request.extensions_mut().insert(context);
    next.run(request).await
}

/// Type of the service in the catalog, in access rules and in metrics.
const SERVICE: &str = "network";
/// Who may send the token of a user along after its end.
const SERVICE_ROLE: &str = "service";

/// Who asks: the user of `X-Auth-Token`, with the roles of `X-Service-Token` when one is
/// sent. A service may pass on a token that has ended meanwhile, and is not held to the
/// access rules of the user's application credential (reference/identity-api.md §16).
async fn caller(
    authenticator: &dyn Authenticator,
    headers: &HeaderMap,
    (method, path): (&Method, &str),
) -> Result<Arc<Caller>, AuthError> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let token = header("x-auth-token").unwrap_or("");
    let service = match header("x-service-token") {
        Some(service) => Some(authenticator.authenticate(service).await?),
        None => None,
    };
    let by_service = service.as_ref().is_some_and(|service| service.has_role(SERVICE_ROLE));
    let caller = if by_service {
        authenticator.authenticate_expired(token).await?
    } else {
        authenticator.authenticate(token).await?
    };
    let rules = &caller.access_rules;
    if !by_service && !rules.is_empty() && !permits(rules, SERVICE, method.as_str(), path) {
        tracing::info!(user = caller.user_id, %method, path, "no access rule of the credential allows this");
        return Err(AuthError::Invalid);
    }
    let Some(service) = service else { return Ok(caller) };
    let mut caller = Arc::unwrap_or_clone(caller);
    caller.service_roles.clone_from(&service.roles);
    Ok(Arc::new(caller))
}

/// 401 as the token middleware of OpenStack services answers.
#[must_use]
pub fn unauthorized(identity_url: &str) -> Response {
    let body = json!({"error": {"code": 401, "title": "Unauthorized",
        "message": "The request you have made requires authentication."}});
    let mut response = answer(StatusCode::UNAUTHORIZED, &body);
    if let Ok(value) = HeaderValue::from_str(&format!("Keystone uri=\"{identity_url}\"")) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response
}

/// Scheme and authority a client used, for links.
#[must_use]
pub fn base_url<B>(request: &http::Request<B>) -> String {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let scheme = match header("x-forwarded-proto") {
        Some(proto) if proto.eq_ignore_ascii_case("https") => "https",
        _ => "http",
    };
    let authority = header("x-forwarded-host")
        .or_else(|| header(HOST.as_str()))
        .or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    match authority {
        Some(authority) => format!("{scheme}://{authority}"),
        None => match request.extensions().get::<ConnectInfo<SocketAddr>>() {
            Some(ConnectInfo(address)) => format!("{scheme}://{address}"),
            None => format!("{scheme}://localhost"),
        },
    }
}

/// The revision of `If-Match: revision_number=N`.
fn if_match(headers: &HeaderMap) -> Result<Option<i64>, Fault> {
    let mut revisions = Vec::new();
    for value in headers.get_all("if-match") {
        let text = value.to_str().map_err(|_| Fault::bad_request("Invalid value for If-Match header"))?;
        for tag in text.split(',').map(|tag| tag.trim().trim_matches('"')) {
            let Some(number) = tag.strip_prefix("revision_number=") else { continue };
            let number = number.parse::<i64>().map_err(|_| {
                Fault::bad_request(format!(
                    "Invalid value for If-Match: revision_number '{number}' is not an integer"
                ))
            })?;
            revisions.push(number);
        }
    }
    match revisions.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        _ => Err(Fault::bad_request("More than one revision_number in If-Match")),
    }
}

/// A router that also understands `.json` suffixes, and hyphens and underscores
/// used for each other (reference §1.7). Collections are registered with hyphens
/// (`/v2.0/security-groups`), member actions with underscores
/// (`…/add_router_interface`, `…/dhcp_networks`).
pub fn lenient(router: Router) -> Router {
    let rewritten = router.map_request(|mut request: Request<HttpBody>| {
        if let Some(uri) = canonical(request.uri()) {
            *request.uri_mut() = uri;
        }
        request
    });
    Router::new().fallback_service(rewritten)
}

/// Words in front of collections: `/v2.0/metering/metering-labels`.
const PREFIXES: [&str; 3] = ["log", "metering", "qos"];

/// The canonical form of a path under `/v2.0`, when it differs.
fn canonical(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let rest = path.strip_prefix("/v2.0/")?;
    let rest = rest.strip_suffix(".json").unwrap_or(rest);
    // Some collections lie under a word of their own.
    let first = usize::from(PREFIXES.iter().any(|prefix| rest.split('/').next() == Some(prefix)));
    let parts: Vec<String> = rest
        .split('/')
        .enumerate()
        .map(|(index, part)| match index.checked_sub(first) {
            Some(0) => part.replace('_', "-"),
            Some(2) => part.replace('-', "_"),
            _ => part.to_owned(),
        })
        .collect();
    let canonical = format!("/v2.0/{}", parts.join("/"));
    if canonical == path {
        return None;
    }
    let text = match uri.query() {
        Some(query) => format!("{canonical}?{query}"),
        None => canonical,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(text.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// An answer with a JSON body.
pub fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => (status, [(CONTENT_TYPE, JSON)], bytes).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// `{"<key>": value}` with the given status.
pub fn keyed(status: StatusCode, key: &str, value: impl Serialize) -> Response {
    answer(status, &BTreeMap::from([(key, value)]))
}

/// `{"<collection>": [item, …]}`, with the links of a page where there are any.
pub fn listed(collection: &str, items: &[impl Serialize], links: Option<Value>) -> Response {
    answer(StatusCode::OK, &Listed { collection, items, links })
}

struct Listed<'a, T> {
    collection: &'a str,
    items: &'a [T],
    links: Option<Value>,
}

impl<T: Serialize> Serialize for Listed<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(self.collection, self.items)?;
        if let Some(links) = &self.links {
            map.serialize_entry(&format!("{}_links", self.collection), links)?;
        }
        map.end()
    }
}

/// 204 without a body.
#[must_use]
pub fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        if let Some(cause) = &self.cause {
            tracing::error!(fault = self.kind.name(), cause = ?cause, "a request failed inside");
        }
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        answer(
            status,
            &json!({"NeutronError": {
                "type": self.kind.name(), "message": self.message, "detail": self.detail,
            }}),
        )
    }
}

/// For unknown URLs.
pub async fn not_found() -> Fault {
    Fault::not_found()
}

/// For known URLs with another verb.
pub async fn method_not_allowed() -> Fault {
    Fault::new(
        FaultType::HTTPMethodNotAllowed,
        "The server could not comply with the request since it is either malformed or otherwise incorrect.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_canonical_form() {
        let of = |path: &str| {
            let uri: Uri = path.parse().expect("a path");
            canonical(&uri).unwrap_or(uri).to_string()
        };
        assert_eq!(of("/v2.0/security_groups.json?a=b"), "/v2.0/security-groups?a=b");
        assert_eq!(of("/v2.0/routers/x/add-router-interface"), "/v2.0/routers/x/add_router_interface");
        assert_eq!(of("/v2.0/agents/x/dhcp-networks"), "/v2.0/agents/x/dhcp_networks");
        assert_eq!(of("/v2.0/networks/x/tags/a_b"), "/v2.0/networks/x/tags/a_b");
        assert_eq!(of("/v2.0/metering/metering_labels/a-b"), "/v2.0/metering/metering-labels/a-b");
        assert_eq!(of("/v2.0/qos/rule_types/a_b"), "/v2.0/qos/rule-types/a_b");
        assert_eq!(of("/v2.0/qos/policies/a-b/x-rules/c-d"), "/v2.0/qos/policies/a-b/x_rules/c-d");
        assert_eq!(of("/"), "/");
    }

    #[test]
    fn if_match_takes_one_revision() {
        let headers = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("if-match", HeaderValue::from_static(value));
            }
            headers
        };
        assert_eq!(if_match(&headers(&[])).expect("none"), None);
        assert_eq!(if_match(&headers(&["revision_number=7"])).expect("one"), Some(7));
        assert!(if_match(&headers(&["revision_number=x"])).is_err());
        assert!(if_match(&headers(&["revision_number=1", "revision_number=2"])).is_err());
    }
}
