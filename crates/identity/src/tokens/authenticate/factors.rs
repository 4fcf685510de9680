//! Users who need several methods to log in, one request after the other if they like:
//! what has been shown already is kept by the client, in a receipt.

use std::collections::BTreeSet;

use isospin_store_kit::{Session, StoreError, values};
use serde_json::{Value, json};

use super::super::methods::Method;
use super::super::payload::ReceiptPayload;
use super::super::scope::{Member, ScopeId, standing};
use super::super::{MAX_TOKEN, now, view};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::stored_object;

/// Part of a login.
pub struct Receipt {
    /// What the client sends along next time, as `Openstack-Auth-Receipt`.
    pub text: String,
    /// The body of the answer.
    pub body: Value,
}

/// What a receipt says, when it is good.
pub struct Received {
    pub user_id: String,
    pub methods: Vec<Method>,
    /// Seconds since 1970.
    pub issued_at: i64,
}

/// Reads the receipt a client sends.
///
/// # Errors
/// 401 when it is not one of ours, or too old.
pub async fn receive(app: &IdentityApp, text: &str) -> Result<Received, Fault> {
    if text.len() > MAX_TOKEN {
        return Err(Fault::unauthorized());
    }
    let opened = app.tokens.open_sealed(text).await?.ok_or_else(Fault::unauthorized)?;
    let payload = ReceiptPayload::unpack(&opened.content).ok_or_else(Fault::unauthorized)?;
    if payload.expires_at <= now() {
        return Err(Fault::unauthorized());
    }
    let issued_at = i64::try_from(opened.time).map_err(|_| Fault::unauthorized())?;
    Ok(Received { user_id: payload.user_id, methods: payload.methods, issued_at })
}

/// What is missing for a login with these methods: `None` when nothing is, else the
/// user's sets of methods that have some of these in them.
pub async fn missing(
    session: &mut Session,
    user_id: &str,
    used: &[Method],
) -> Result<Option<Vec<BTreeSet<String>>>, StoreError> {
    let row = session.row("SELECT options FROM users WHERE id = $1", values![user_id]).await?;
    let Some(row) = row else { return Ok(Some(Vec::new())) };
    let mut options = stored_object(&row.columns().text()?);
    if options.get("multi_factor_auth_enabled") == Some(&Value::Bool(false)) {
        return Ok(None);
    }
    let rules = options.remove("multi_factor_auth_rules").unwrap_or_default();
    let rules: Vec<BTreeSet<String>> = serde_json::from_value(rules).unwrap_or_default();
    let used: BTreeSet<String> = used.iter().map(|method| method.name().to_owned()).collect();
    if rules.is_empty() || rules.iter().any(|rule| rule.is_subset(&used)) {
        return Ok(None);
    }
    Ok(Some(rules.into_iter().filter(|rule| !rule.is_disjoint(&used)).collect()))
}

/// The receipt for a login that is not complete; 401 for who could not log in anyway.
pub async fn receipt(
    app: &IdentityApp,
    user_id: &str,
    methods: &[Method],
    missing: &[BTreeSet<String>],
) -> Result<Receipt, Fault> {
    let standing = standing(&mut *app.store.reader().await?, user_id, &ScopeId::Unscoped).await?;
    let user = standing.ok_or_else(Fault::unauthorized)?.user;
    let issued_at = now();
    let lifetime = i64::try_from(app.config.tokens.receipt_lifetime.as_secs()).unwrap_or(i64::MAX);
    let payload = ReceiptPayload {
        user_id: user_id.to_owned(),
        methods: methods.to_vec(),
        expires_at: issued_at.saturating_add(lifetime),
    };
    let text = app.tokens.seal(issued_at, &payload.pack()).await?;
    Ok(Receipt { text, body: body(&payload, issued_at, &user, missing) })
}

fn body(payload: &ReceiptPayload, issued_at: i64, user: &Member, missing: &[BTreeSet<String>]) -> Value {
    let methods: Vec<&str> = payload.methods.iter().map(|method| method.name()).collect();
    json!({
        "receipt": {
            "methods": methods,
            "user": {
                "id": user.id,
                "name": user.name,
                "domain": {"id": user.domain.id, "name": user.domain.name},
            },
            "expires_at": view::time(payload.expires_at),
            "issued_at": view::time(issued_at),
        },
        "required_auth_methods": missing,
    })
}
