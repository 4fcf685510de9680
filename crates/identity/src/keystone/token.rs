//! The body of a checked token as a caller.

use std::sync::Arc;

use isospin_api_kit::{AccessRule, Caller};
use serde_json::Value;

use super::cache::Said;

/// Reads the answer of `GET /v3/auth/tokens`; `None` when it is not one.
pub fn read(body: &Value) -> Option<Said> {
    let token = body.get("token")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let user_id = token["user"]["id"].as_str().filter(|id| !id.is_empty())?.to_owned();
    let expires_at: jiff::Timestamp = token["expires_at"].as_str()?.parse().ok()?;
    let roles = token["roles"].as_array().map_or(&[][..], Vec::as_slice);
    let mut access_rules = Vec::new();
    for rule in token["application_credential"]["access_rules"].as_array().into_iter().flatten() {
        access_rules.push(AccessRule {
            id: text(&rule["id"]),
            // Each must be there: a rule that is misunderstood must not allow more.
            service: rule["service"].as_str()?.to_owned(),
            method: rule["method"].as_str()?.to_owned(),
            path: rule["path"].as_str()?.to_owned(),
        });
    }
    let caller = Caller {
        user_id,
        user_name: text(&token["user"]["name"]),
        user_domain_id: text(&token["user"]["domain"]["id"]),
        project_id: text(&token["project"]["id"]),
        project_name: text(&token["project"]["name"]),
        project_domain_id: text(&token["project"]["domain"]["id"]),
        domain_id: text(&token["domain"]["id"]),
        roles: roles.iter().filter_map(|role| role["name"].as_str()).map(str::to_lowercase).collect(),
        system_scope: token["system"]["all"] == Value::Bool(true),
        access_rules,
        ..Caller::default()
    };
    Some(Said::Valid { caller: Arc::new(caller), expires_at: expires_at.as_second() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn caller(token: Value) -> Option<Caller> {
        match read(&json!({"token": token}))? {
            Said::Valid { caller, expires_at } => {
                assert_eq!(expires_at, 1_795_165_440);
                Some(Arc::unwrap_or_clone(caller))
            }
            Said::Invalid => None,
        }
    }

    fn token(more: Value) -> Value {
        let mut token = json!({"user": {"id": "u", "name": "n", "domain": {"id": "default", "name": "Default"}},
            "expires_at": "2026-11-20T09:04:00.000000Z", "methods": ["password"]});
        for (key, value) in more.as_object().expect("an object") {
            token[key] = value.clone();
        }
        token
    }

    #[test]
    fn scopes_and_roles_are_those_of_the_token() {
        let unscoped = caller(token(json!({}))).expect("a caller");
        assert_eq!((unscoped.user_id.as_str(), unscoped.roles.len()), ("u", 0));
        let roles = json!([{"id": "1", "name": "Member"}, {"id": "2", "name": "reader"}]);
        let project = json!({"id": "p", "name": "pn", "domain": {"id": "d"}});
        let scoped = caller(token(json!({"project": project, "roles": roles}))).expect("a caller");
        assert_eq!((scoped.project_id.as_str(), scoped.project_domain_id.as_str()), ("p", "d"));
        assert!(scoped.has_role("member") && scoped.has_role("reader") && !scoped.system_scope);
        let system = caller(token(json!({"system": {"all": true}, "roles": []}))).expect("a caller");
        assert!(system.system_scope && system.project_id.is_empty());
        assert_eq!(caller(token(json!({"domain": {"id": "d"}}))).expect("a caller").domain_id, "d");
    }

    #[test]
    fn what_is_not_a_token_is_none_and_rules_are_whole_or_the_token_is_none() {
        for body in [json!({}), json!({"token": {}}), json!({"token": {"user": {"id": ""}}}), json!([])] {
            assert!(read(&body).is_none(), "{body}");
        }
        let rule = json!({"id": "r", "service": "network", "method": "GET", "path": "/v2.0/**"});
        let credential = |rule: Value| token(json!({"application_credential": {"access_rules": [rule]}}));
        assert_eq!(caller(credential(rule)).expect("a caller").access_rules[0].path, "/v2.0/**");
        assert!(caller(credential(json!({"service": "network", "path": "/"}))).is_none());
    }
}
