//! Bodies as the routes want them.

use isospin_identity::routes::{Route, Verb};
use serde_json::{Value, json};

use super::source::Source;

/// A body for this route, about some of these ids.
pub fn of(route: &Route, mut source: Source, ids: &[String]) -> Value {
    let name = format!("n{}", source.below(100_000));
    let mut id = || source.one_of(ids).clone();
    match route.path.trim_start_matches("/v3/").split("/{").next().unwrap_or_default() {
        "auth/tokens" => json!({"auth": login(&mut source, ids)}),
        "ec2tokens" | "s3tokens" => json!({"credentials": {
            "access": id(), "signature": "AAAA", "token": "AAAA", "host": "h", "verb": "GET", "path": "/",
            "params": {"SignatureVersion": "2", "Timestamp": "2030-01-01T00:00:00Z"}, "headers": {}, "body_hash": ""}}),
        "domains" => {
            json!({"domain": {"name": name, "enabled": false, "description": "d", "tags": ["a"], "options": {}}})
        }
        "projects" if route.path.ends_with("/tags") => json!({"tags": [name, "b"]}),
        "projects" => {
            json!({"project": {"name": name, "domain_id": "default", "parent_id": null, "enabled": true,
            "is_domain": false, "tags": ["a"], "options": {"immutable": null}}})
        }
        "users" if route.path.ends_with("/password") => {
            json!({"user": {"original_password": "demo-secret", "password": name}})
        }
        "users" if route.path.ends_with("/application_credentials") => json!({"application_credential": {
            "name": name, "secret": "s", "roles": [{"name": "member"}], "unrestricted": false, "expires_at": "2030-01-01T00:00:00Z",
            "access_rules": [{"path": "/v2.0/*", "method": "GET", "service": "network"}]}}),
        "users" if route.path.ends_with("/OS-EC2") => json!({"tenant_id": id()}),
        "users" => {
            json!({"user": {"name": name, "password": "p", "default_project_id": id(), "enabled": true,
            "options": {"lock_password": false, "multi_factor_auth_rules": [["password", "totp"]]}, "email": "e", "federated": []}})
        }
        "groups" => json!({"group": {"name": name, "description": "d", "domain_id": "default"}}),
        "roles" => json!({"role": {"name": name, "domain_id": null, "description": "d", "options": {}}}),
        "services" => json!({"service": {"type": "t", "name": name, "enabled": true, "description": "d"}}),
        "endpoints" => {
            json!({"endpoint": {"interface": "public", "service_id": id(), "region": "R", "url": "http://h/$(project_id)s"}})
        }
        "regions" => json!({"region": {"id": name, "description": "d", "parent_region_id": id()}}),
        "credentials" => json!({"credential": {"type": "ec2", "project_id": id(), "user_id": id(),
            "blob": format!("{{\"access\": \"{name}\", \"secret\": \"s\"}}")}}),
        "OS-TRUST/trusts" => {
            json!({"trust": {"trustor_user_id": id(), "trustee_user_id": id(), "impersonation": true,
            "project_id": id(), "roles": [{"name": "member"}], "expires_at": "2030-01-01T00:00:00Z", "remaining_uses": 2,
            "allow_redelegation": false, "redelegation_count": 0}})
        }
        "policies" => json!({"policy": {"type": "application/json", "blob": "{}"}}),
        "registered_limits" if route.verb == Verb::Post => json!({"registered_limits": [{"service_id": id(),
            "region_id": null, "resource_name": name, "default_limit": 5}]}),
        "registered_limits" => json!({"registered_limit": {"default_limit": 7, "resource_name": name}}),
        "limits" if route.verb == Verb::Post => json!({"limits": [{"service_id": id(), "resource_name": name,
            "resource_limit": 3, "project_id": id()}]}),
        "limits" => json!({"limit": {"resource_limit": 4}}),
        "OS-EP-FILTER/endpoint_groups" => json!({"endpoint_group": {"name": name, "description": "d",
            "filters": {"interface": "public", "service_id": id()}}}),
        _ => json!({}),
    }
}

fn login(source: &mut Source, ids: &[String]) -> Value {
    let user = json!({"name": *source.one_of(&["admin", "demo", "nobody"]), "domain": {"id": "default"},
        "password": "demo-secret", "passcode": "000000"});
    let method =
        *source.one_of(&["password", "totp", "token", "application_credential", "external", "mapped"]);
    let id = source.one_of(ids).clone();
    let identity = json!({"methods": [method], "password": {"user": user}, "totp": {"user": user},
        "token": {"id": id}, "application_credential": {"id": id, "secret": "s"}});
    let scope = match source.below(6) {
        0 => json!({"project": {"name": "demo", "domain": {"name": "Default"}}}),
        1 => json!({"project": {"id": id}}),
        2 => json!({"domain": {"id": id}}),
        3 => json!({"system": {"all": true}}),
        4 => json!({"OS-TRUST:trust": {"id": id}}),
        _ => json!("unscoped"),
    };
    json!({"identity": identity, "scope": scope})
}
