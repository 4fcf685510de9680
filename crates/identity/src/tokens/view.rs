//! Tokens as the wire shows them.

use isospin_api_kit::Caller;
use serde_json::{Map, Value, json};

use super::ValidToken;
use super::payload::audit_text;
use super::scope::{Member, Named, Scope};
use crate::delegation::Delegation;
use crate::resources::application_credential::AccessRule;
use crate::resources::user;

/// The object under `token`, without a catalog.
pub fn token(token: &ValidToken) -> Map<String, Value> {
    let mut view = Map::new();
    let methods: Vec<&str> = token.methods.iter().map(|method| method.name()).collect();
    view.insert("methods".to_owned(), json!(methods));
    view.insert(
        "user".to_owned(),
        json!({
            "domain": named(&token.user.domain),
            "id": token.user.id,
            "name": token.user.name,
            "password_expires_at": token.password_expires_at.map(user::expiry),
        }),
    );
    let audit_ids: Vec<String> = token.audit_ids.iter().map(audit_text).collect();
    view.insert("audit_ids".to_owned(), json!(audit_ids));
    view.insert("expires_at".to_owned(), Value::String(time(token.expires_at)));
    view.insert("issued_at".to_owned(), Value::String(time(token.issued_at)));
    match &token.scope {
        Scope::Unscoped => {
            delegation(&mut view, token);
            return view;
        }
        Scope::Project(project) => {
            view.insert("project".to_owned(), member(project));
            if !matches!(token.delegation, Some(Delegation::Trust { .. })) {
                view.insert("is_domain".to_owned(), Value::Bool(false));
            }
        }
        Scope::Domain(domain) => {
            view.insert("domain".to_owned(), named(domain));
        }
        Scope::System => {
            view.insert("system".to_owned(), json!({"all": true}));
        }
    }
    view.insert("roles".to_owned(), token.roles.iter().map(named).collect());
    delegation(&mut view, token);
    view
}

/// By whose leave the user is there.
fn delegation(view: &mut Map<String, Value>, token: &ValidToken) {
    match &token.delegation {
        None => {}
        Some(Delegation::Trust { id, trustor_user_id, trustee_user_id, impersonation }) => {
            let trust = json!({
                "id": id,
                "trustor_user": {"id": trustor_user_id},
                "trustee_user": {"id": trustee_user_id},
                "impersonation": impersonation,
            });
            view.insert("OS-TRUST:trust".to_owned(), trust);
        }
        Some(Delegation::ApplicationCredential { id, name, restricted, access_rules }) => {
            let mut credential = json!({"id": id, "name": name, "restricted": restricted});
            if !access_rules.is_empty() {
                credential["access_rules"] = access_rules.iter().map(AccessRule::brief).collect();
            }
            view.insert("application_credential".to_owned(), credential);
        }
    }
}

/// Whether a token of this caller has a catalog.
pub fn is_scoped(caller: &Caller) -> bool {
    !caller.project_id.is_empty() || !caller.domain_id.is_empty() || caller.system_scope
}

fn named(named: &Named) -> Value {
    json!({"id": named.id, "name": named.name})
}

fn member(member: &Member) -> Value {
    json!({"domain": named(&member.domain), "id": member.id, "name": member.name})
}

/// `2026-11-20T09:04:00.000000Z`.
pub fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string())
        .unwrap_or_default()
}
