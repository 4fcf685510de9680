//! `/v3/auth/…`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Method, StatusCode};
use isospin_api_kit::http::{answer, no_content};
use isospin_api_kit::policy::{Rule, Target};
use isospin_store_kit::values;
use serde_json::{Value, json};

use super::authenticate::{Outcome, authenticate, by_signature};
use super::payload::audit_text;
use super::request::AuthRequest;
use super::{TokenError, ValidToken, now, view};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::listing::collection;
use crate::request::{Context, Origin, RawBody, header};
use crate::resources::{domain, held, project};
use crate::routes::{Routes, Verb};

/// Part of a login, sent back with the rest of it.
const RECEIPT: &str = "openstack-auth-receipt";
/// With it a service says that it enforces the access rules of application credentials.
const ACCESS_RULES: &str = "openstack-identity-access-rules";

/// Rules of the token resource.
pub const RULES: &[Rule] = &[
    Rule::new("token_subject", "user_id:%(target.token.user_id)s"),
    Rule::new("identity:check_token", "rule:reads_all or rule:token_subject"),
    Rule::new("identity:validate_token", "rule:reads_all or rule:service_role or rule:token_subject"),
    Rule::new("identity:revoke_token", "rule:admin_required or rule:token_subject"),
    Rule::new("identity:revocation_list", "rule:service_or_admin"),
    // Everybody, about themselves.
    Rule::new("identity:get_auth_catalog", ""),
    Rule::new("identity:get_auth_projects", ""),
    Rule::new("identity:get_auth_domains", ""),
    Rule::new("identity:get_auth_system", ""),
];

pub fn routes() -> Routes {
    Routes::new()
        .open(Verb::Post, "/v3/auth/tokens", create)
        .get("/v3/auth/tokens", "validate_token check_token", show)
        .delete("/v3/auth/tokens", "revoke_token", delete)
        .get("/v3/auth/tokens/OS-PKI/revoked", "revocation_list", gone)
        .get("/v3/auth/catalog", "get_auth_catalog", catalog)
        .get("/v3/auth/projects", "get_auth_projects", projects)
        .get("/v3/auth/domains", "get_auth_domains", domains)
        .get("/v3/auth/system", "get_auth_system", system)
}

async fn create(
    State(app): State<IdentityApp>,
    _: Origin,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    let request = AuthRequest::parse(&body)?;
    let receipt = headers.get(RECEIPT).and_then(|value| value.to_str().ok());
    let (text, token) = match authenticate(&app, &request, receipt).await? {
        Outcome::Issued(text, token) => (text, token),
        Outcome::Unfinished(receipt) => {
            let header = [(RECEIPT, receipt.text)];
            return Ok((header, answer(StatusCode::UNAUTHORIZED, &receipt.body)).into_response());
        }
    };
    let nocatalog = query
        .is_some_and(|query| form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == "nocatalog"));
    shown(&app, StatusCode::CREATED, &text, &token, !nocatalog).await
}

/// The answer to a service that showed a request signed by a user.
pub async fn issue_to_signer(
    app: &IdentityApp,
    user_id: String,
    project_id: String,
) -> Result<Response, Fault> {
    let (text, token) = by_signature(app, user_id, project_id).await?;
    shown(app, StatusCode::OK, &text, &token, true).await
}

async fn show(
    State(app): State<IdentityApp>,
    context: Context,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let text = header(&headers, "x-subject-token")?;
    let expired = context.query("allow_expired").is_some_and(crate::request::is_true);
    let checked =
        if expired { app.tokens.check_allowing_expired(&text).await } else { app.tokens.check(&text).await };
    let token = subject(checked)?;
    let target = Target::new().with("target.token.user_id", &token.user.id);
    let head = method == Method::HEAD;
    let action = if head { "identity:check_token" } else { "identity:validate_token" };
    context.enforce(&app, action, &target)?;
    check_service(&headers, &token)?;
    let nocatalog = context.query("nocatalog").is_some();
    shown(&app, StatusCode::OK, &text, &token, !nocatalog).await
}

/// A service that would not hold a token to its access rules is not shown the token.
fn check_service(headers: &HeaderMap, token: &ValidToken) -> Result<(), Fault> {
    let version = headers.get(ACCESS_RULES).and_then(|value| value.to_str().ok()?.parse::<f64>().ok());
    if token.caller.access_rules.is_empty() || version.is_some_and(|version| version >= 1.0) {
        return Ok(());
    }
    tracing::warn!(user = token.user.id, "a token with access rules was shown by a service that knows none");
    Err(Fault::no_token())
}

fn subject(checked: Result<Arc<ValidToken>, TokenError>) -> Result<Arc<ValidToken>, Fault> {
    checked.map_err(|error| match error {
        TokenError::Invalid => Fault::no_token(),
        other => other.into(),
    })
}

async fn shown(
    app: &IdentityApp,
    status: StatusCode,
    text: &str,
    token: &ValidToken,
    with_catalog: bool,
) -> Result<Response, Fault> {
    let bytes = body(app, token, with_catalog).await?;
    let headers = [(HeaderName::from_static("x-subject-token"), text), (CONTENT_TYPE, "application/json")];
    Ok((status, headers, bytes).into_response())
}

/// The answer that shows a token. Written once for a token that is remembered: it holds
/// as long as that does.
async fn body(app: &IdentityApp, token: &ValidToken, with_catalog: bool) -> Result<Bytes, Fault> {
    let place = &token.shown[usize::from(with_catalog)];
    if let Some(bytes) = place.get() {
        return Ok(bytes.clone());
    }
    let mut view = view::token(token);
    if with_catalog && view::is_scoped(&token.caller) {
        view.insert("catalog".to_owned(), app.catalog.of(&app.store, &token.caller).await?);
    }
    let bytes = serde_json::to_vec(&json!({"token": view})).map_err(Fault::internal)?;
    Ok(place.get_or_init(|| bytes.into()).clone())
}

async fn delete(
    State(app): State<IdentityApp>,
    context: Context,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let text = header(&headers, "x-subject-token")?;
    let token = subject(app.tokens.check(&text).await)?;
    let target = Target::new().with("target.token.user_id", &token.user.id);
    context.enforce(&app, "identity:revoke_token", &target)?;
    let audit_id = token.audit_ids.first().map(audit_text).unwrap_or_default();
    let window = i64::try_from(app.config.tokens.expired_window.as_secs()).unwrap_or(i64::MAX);
    let (expires_at, over) = (token.expires_at, now().saturating_sub(window));
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            // What nobody can show any more need not be remembered.
            tx.execute("DELETE FROM revoked_tokens WHERE expires_at < $1", values![over]).await?;
            let sql =
                "INSERT INTO revoked_tokens (audit_id, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            tx.execute(sql, values![audit_id, expires_at]).await?;
            Ok(())
        })
    })
    .await?;
    Ok(no_content())
}

/// Lists of revoked PKI tokens are a thing of the past.
async fn gone(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    context.enforce(&app, "identity:revocation_list", &Target::new())?;
    Err(Fault::new(StatusCode::GONE, "Revocation lists are not supported."))
}

async fn catalog(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    context.enforce(&app, "identity:get_auth_catalog", &Target::new())?;
    if !view::is_scoped(context.caller()) {
        return Err(Fault::forbidden("identity:get_auth_catalog"));
    }
    let catalog = app.catalog.of(&app.store, context.caller()).await?;
    let links = json!({"self": context.link("auth/catalog")});
    Ok(answer(StatusCode::OK, &json!({"catalog": catalog, "links": links})))
}

async fn projects(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    context.enforce(&app, "identity:get_auth_projects", &Target::new())?;
    let mut reader = app.store.reader().await?;
    let ids = held::scopes(&mut reader, &context.caller().user_id, "project").await?;
    let found = project::by_ids(&mut reader, ids).await?;
    let items =
        found.iter().filter(|project| project.enabled).map(|project| project.view(&context)).collect();
    Ok(collection(&context, "projects", items))
}

async fn domains(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    context.enforce(&app, "identity:get_auth_domains", &Target::new())?;
    let mut reader = app.store.reader().await?;
    let ids = held::scopes(&mut reader, &context.caller().user_id, "domain").await?;
    let found = project::by_ids(&mut reader, ids).await?;
    let items =
        found.iter().filter(|domain| domain.enabled).map(|found| domain::view(found, &context)).collect();
    Ok(collection(&context, "domains", items))
}

async fn system(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    context.enforce(&app, "identity:get_auth_system", &Target::new())?;
    let mut reader = app.store.reader().await?;
    let ids = held::scopes(&mut reader, &context.caller().user_id, "system").await?;
    let items: Vec<Value> = ids.iter().map(|_| json!({"all": true})).collect();
    Ok(collection(&context, "system", items))
}
