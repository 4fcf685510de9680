//! `POST /v3/ec2tokens` and `/v3/s3tokens`: a service shows a signed request and gets a
//! token of the user who signed it.
//!
//! K11: only services and administrators may ask; a signature holds for 15 minutes and
//! is taken once. K03: who is disabled is refused here as everywhere.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::policy::Target;
use isospin_store_kit::values;
use serde_json::{Map, Value};

use super::signature::{Signed, same};
use super::{ec2, s3, store};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::request::{Context, RawBody};
use crate::tokens::now;

/// How far the time of a signature may be off, in seconds.
const LIFETIME: i64 = 15 * 60;

/// Who signed, for which project, and the signature itself.
struct Signer {
    user_id: String,
    project_id: String,
}

pub async fn ec2(
    State(app): State<IdentityApp>,
    context: Context,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:ec2tokens_validate", &Target::new())?;
    let request = credentials(&body)?;
    let (signer, secret) = signer(&app, &request).await?;
    check_ec2(&request, &secret)?;
    issue(&app, &request, signer).await
}

pub async fn s3(
    State(app): State<IdentityApp>,
    context: Context,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:s3tokens_validate", &Target::new())?;
    let request = credentials(&body)?;
    let (signer, secret) = signer(&app, &request).await?;
    let signed = s3::signed_text(text(&request, "token")).ok_or_else(mismatch)?;
    let (signature, time) = s3::signature(&secret, &signed).ok_or_else(mismatch)?;
    if !same(&signature, text(&request, "signature")) {
        return Err(mismatch());
    }
    check_time(Some(time))?;
    issue(&app, &request, signer).await
}

fn mismatch() -> Fault {
    Fault::new(StatusCode::UNAUTHORIZED, "Credential signature mismatch")
}

fn text<'r>(request: &'r Map<String, Value>, key: &str) -> &'r str {
    request.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn credentials(body: &[u8]) -> Result<Map<String, Value>, Fault> {
    let document: Value = serde_json::from_slice(body)
        .map_err(|_| Fault::bad_request("request must include a request body"))?;
    let found = ["credentials", "credential", "ec2Credentials"].iter().find_map(|key| document.get(*key));
    let request = found.and_then(Value::as_object).cloned().unwrap_or_default();
    if text(&request, "access").is_empty() || text(&request, "signature").is_empty() {
        return Err(Fault::new(StatusCode::UNAUTHORIZED, "EC2 signature not supplied."));
    }
    Ok(request)
}

/// Whose key it is, and its secret.
async fn signer(app: &IdentityApp, request: &Map<String, Value>) -> Result<(Signer, String), Fault> {
    let id = ec2::id_of(text(request, "access"));
    let found = store::find(&mut *app.store.reader().await?, &app.credential_keys, &id).await?;
    let missing = || Fault::new(StatusCode::NOT_FOUND, "EC2 access key not found.");
    let credential = found.filter(|found| found.kind == ec2::TYPE).ok_or_else(missing)?;
    let blob: Map<String, Value> = serde_json::from_str(&credential.blob).unwrap_or_default();
    // Keys made from a trust or an application credential elsewhere carry less than the
    // user's roles, which is not known here.
    let delegated =
        ["trust_id", "app_cred_id", "access_token_id"].iter().any(|key| !text(&blob, key).is_empty());
    let (Some(project_id), false) = (credential.project_id, delegated) else { return Err(missing()) };
    Ok((Signer { user_id: credential.user_id, project_id }, text(&blob, "secret").to_owned()))
}

fn check_ec2(request: &Map<String, Value>, secret: &str) -> Result<(), Fault> {
    let nothing = Map::new();
    let part = |key: &str| request.get(key).and_then(Value::as_object).unwrap_or(&nothing);
    let host = text(request, "host");
    let signed = |host| Signed {
        verb: text(request, "verb"),
        host,
        path: text(request, "path"),
        params: part("params"),
        headers: part("headers"),
        body_hash: text(request, "body_hash"),
    };
    let given = text(request, "signature");
    // Some clients leave the port out of what they sign.
    let bare = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let right = [host, bare].into_iter().any(|host| {
        signed(host).signature(secret).is_some_and(|signature| !secret.is_empty() && same(&signature, given))
    });
    if !right {
        return Err(Fault::new(StatusCode::UNAUTHORIZED, "Invalid EC2 signature."));
    }
    check_time(signed(host).time())
}

/// `2026-01-02T03:04:05Z` or `20260102T030405Z`, not long ago and not long ahead.
fn check_time(time: Option<&str>) -> Result<(), Fault> {
    let invalid = || Fault::new(StatusCode::UNAUTHORIZED, "Credential timestamp is invalid");
    let text = time.ok_or_else(invalid)?;
    let plain = text.strip_suffix('Z').unwrap_or(text);
    let plain = plain.split_once('.').map_or(plain, |(whole, _)| whole);
    let civil: jiff::civil::DateTime = plain.parse().map_err(|_| invalid())?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| invalid())?;
    if (now() - zoned.timestamp().as_second()).abs() > LIFETIME {
        return Err(Fault::new(StatusCode::UNAUTHORIZED, "Credential is expired"));
    }
    Ok(())
}

/// A token for the signer, unless the signature was taken before.
async fn issue(app: &IdentityApp, request: &Map<String, Value>, signer: Signer) -> Result<Response, Fault> {
    let (seen, time) = (ec2::id_of(text(request, "signature")), now());
    let first = app
        .store
        .write("", move |tx| {
            Box::pin(async move {
                tx.execute("DELETE FROM seen_signatures WHERE expires_at < $1", values![time]).await?;
                // The time in it may be ahead as far as behind.
                let sql = "INSERT INTO seen_signatures (signature, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
                let new = tx.execute(sql, values![seen, time + 2 * LIFETIME]).await?;
                Ok::<bool, Fault>(new > 0)
            })
        })
        .await?;
    if !first {
        return Err(Fault::new(StatusCode::UNAUTHORIZED, "The signature was used before."));
    }
    crate::tokens::handlers::issue_to_signer(app, signer.user_id, signer.project_id).await
}
