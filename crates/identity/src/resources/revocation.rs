//! `/v3/OS-REVOKE/events`: which tokens were ended before their time.
//!
//! Nothing is kept for this list: it is what checks of tokens look at anyway.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::http::answer;
use isospin_api_kit::policy::{Rule, Target};
use isospin_store_kit::{Session, StoreError, values};
use serde_json::{Value, json};

use crate::IdentityApp;
use crate::fault::Fault;
use crate::request::Context;
use crate::routes::Routes;
use crate::tokens::now;
use crate::tokens::view::time;

pub const RULES: &[Rule] = &[Rule::new("identity:list_revoke_events", "rule:service_or_admin")];

pub fn routes() -> Routes {
    Routes::new().get("/v3/OS-REVOKE/events", "list_revoke_events", list)
}

async fn list(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    context.enforce(&app, "identity:list_revoke_events", &Target::new())?;
    let since = since(&context)?;
    let lifetime = app.config.tokens.lifetime + app.config.tokens.expired_window;
    let oldest = now().saturating_sub(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX));
    let events = events(&mut *app.store.reader().await?, since.max(oldest)).await?;
    let links = json!({"self": context.link("OS-REVOKE/events"), "next": null, "previous": null});
    Ok(answer(StatusCode::OK, &json!({"events": events, "links": links})))
}

/// `?since=` as seconds since 1970.
fn since(context: &Context) -> Result<i64, Fault> {
    let Some(text) = context.query("since").filter(|text| !text.is_empty()) else { return Ok(0) };
    match crate::input::microseconds(text) {
        Some(time) => Ok(time / 1_000_000),
        None => Err(Fault::bad_request(format!("invalid date format {text}"))),
    }
}

/// What ended tokens since then: tokens given back by themselves, users and scopes all of
/// whose tokens ended.
async fn events(session: &mut Session, since: i64) -> Result<Vec<Value>, StoreError> {
    let mut events = Vec::new();
    let all = session
        .rows_many(vec![
            ("SELECT id, tokens_after FROM users WHERE tokens_after > $1 ORDER BY id", values![since]),
            (
                "SELECT id, tokens_after FROM projects WHERE tokens_after > $1 AND is_domain = false ORDER BY id",
                values![since],
            ),
            (
                "SELECT id, tokens_after FROM projects WHERE tokens_after > $1 AND is_domain = true ORDER BY id",
                values![since],
            ),
            ("SELECT audit_id, expires_at FROM revoked_tokens WHERE expires_at > $1 ORDER BY audit_id", values![since]),
        ])
        .await?;
    for (key, rows) in ["user_id", "project_id", "domain_id", "audit_id"].iter().zip(all) {
        for row in rows {
            let mut columns = row.columns();
            let (id, at) = (columns.text()?, columns.int()?);
            // A token by itself ended at a time nobody noted, before its own end.
            let at = if *key == "audit_id" { at.min(now()) } else { at };
            events.push(json!({*key: id, "issued_before": time(at), "revoked_at": time(at)}));
        }
    }
    Ok(events)
}
