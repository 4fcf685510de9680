//! Making, reading, changing and deleting entries.

use isospin_store_kit::Engine;
use serde_json::{Value, json};

use super::*;
use crate::testing::{NOWHERE, OTHER_PROJECT, PROJECT};

#[tokio::test]
async fn an_entry_is_shown_as_the_reference_shows_it() {
    TestApi::on_each_engine(|api| async move {
        let network = api.create("member", "/v2.0/networks", "network", json!({})).await;
        let body = json!({"rbac_policy": {
            "object_type": "network", "object_id": network["id"], "action": "access_as_shared",
            "target_tenant": OTHER_PROJECT,
        }});
        let made = api.expect(201, "member", "POST", PATH, body.clone()).await["rbac_policy"].clone();
        let expected = json!({
            "id": made["id"], "project_id": PROJECT, "action": "access_as_shared", "object_id": network["id"],
            "target_tenant": OTHER_PROJECT, "object_type": "network", "tenant_id": PROJECT,
        });
        assert_eq!(made, expected);
        let url = format!("{PATH}/{}", id(&made));
        let shown = api.expect(200, "reader", "GET", &url, Value::Null).await;
        assert_eq!(shown["rbac_policy"], expected);
        assert_eq!(
            api.refused(409, "member", "POST", PATH, body).await,
            ("DuplicateRbacPolicy".to_owned(), "An RBAC policy already exists with those values.".to_owned())
        );
        for query in [
            format!("id={}", id(&made)),
            format!("object_id={}&action=access_as_shared", id(&network)),
            format!("target_tenant={OTHER_PROJECT}&object_type=network&tenant_id={PROJECT}"),
        ] {
            let listed = api.expect(200, "member", "GET", &format!("{PATH}?{query}"), Value::Null).await;
            assert_eq!(listed, json!({"rbac_policies": [expected]}), "{query}");
        }
        let none = api.expect(200, "member", "GET", &format!("{PATH}?target_tenant=*"), Value::Null).await;
        assert_eq!(none, json!({"rbac_policies": []}));
        api.expect(204, "member", "DELETE", &url, Value::Null).await;
        let gone = api.refused(404, "member", "GET", &url, Value::Null).await;
        assert_eq!(gone.0, "RbacPolicyNotFound");
    })
    .await;
}

#[tokio::test]
async fn entries_of_others_are_not_there() {
    let api = TestApi::new(Engine::Sqlite).await;
    let network = api.create("member", "/v2.0/networks", "network", json!({})).await;
    let url = share(&api, "member", &network, OTHER_PROJECT).await;
    let target = json!({"rbac_policy": {"target_tenant": PROJECT}});
    for (method, body) in [("GET", Value::Null), ("PUT", target.clone()), ("DELETE", Value::Null)] {
        assert_eq!(api.refused(404, "other", method, &url, body).await.0, "RbacPolicyNotFound");
    }
    assert_eq!(api.refused(403, "reader", "PUT", &url, target).await.0, "PolicyNotAuthorized");
    assert_eq!(api.refused(403, "reader", "DELETE", &url, Value::Null).await.0, "PolicyNotAuthorized");
    let listed = api.expect(200, "other", "GET", PATH, Value::Null).await;
    assert_eq!(listed, json!({"rbac_policies": []}));
    let unknown = api.refused(404, "admin", "GET", &format!("{PATH}/{NOWHERE}"), Value::Null).await;
    assert_eq!(unknown.1, format!("RBAC policy of type unknown with ID {NOWHERE} not found"));
}

#[tokio::test]
async fn what_cannot_be_an_entry_is_refused_by_name() {
    let api = TestApi::new(Engine::Sqlite).await;
    let network = api.create("member", "/v2.0/networks", "network", json!({})).await;
    let foreign = api.create("other", "/v2.0/networks", "network", json!({})).await;
    let group = api.create("member", "/v2.0/security-groups", "security_group", json!({})).await;
    let ask = async |token: &'static str, status: u16, changes: Value| {
        let mut body = json!({
            "object_type": "network", "object_id": network["id"], "action": "access_as_shared",
            "target_tenant": OTHER_PROJECT,
        });
        for (key, value) in changes.as_object().expect("changes") {
            body[key] = value.clone();
        }
        api.refused(status, token, "POST", PATH, json!({"rbac_policy": body})).await
    };
    let (_, message) = ask("member", 400, json!({"object_type": "router"})).await;
    assert!(message.contains("object_type") && message.contains("'router' is not in ["), "{message}");
    let (_, message) = ask("member", 400, json!({"action": "access"})).await;
    assert!(message.contains("'access' is not in ['access_as_shared', 'access_as_external']"), "{message}");
    let external = json!({
        "object_type": "security_group", "object_id": group["id"], "action": "access_as_external",
    });
    assert_eq!(ask("admin", 400, external).await.0, "InvalidInput");
    for object in [foreign["id"].clone(), json!(NOWHERE)] {
        let (kind, message) = ask("member", 400, json!({"object_id": object})).await;
        assert_eq!(kind, "InvalidInput");
        assert!(
            message.contains("Only admins can manipulate policies on networks they do not own"),
            "{message}"
        );
    }
    for changes in [json!({"target_tenant": "*"}), json!({"action": "access_as_external"})] {
        assert_eq!(ask("member", 403, changes).await.0, "PolicyNotAuthorized");
    }
    let url = share(&api, "member", &network, OTHER_PROJECT).await;
    let widened = json!({"rbac_policy": {"target_tenant": "*"}});
    assert_eq!(api.refused(403, "member", "PUT", &url, widened).await.0, "PolicyNotAuthorized");
    let moved = json!({"rbac_policy": {"object_id": foreign["id"]}});
    let (_, message) = api.refused(400, "member", "PUT", &url, moved).await;
    assert_eq!(message, "Cannot update read-only attribute object_id");
}

#[tokio::test]
async fn n28_a_target_is_the_id_of_a_project_or_all() {
    let api = TestApi::new(Engine::Sqlite).await;
    let network = api.create("member", "/v2.0/networks", "network", json!({})).await;
    let url = share(&api, "member", &network, OTHER_PROJECT).await;
    for name in ["demo", "", "**", "c0000000000000000000000000000000x", "{c0000000-0000-0000-0000-00000000}"]
    {
        let body = json!({"rbac_policy": {
            "object_type": "network", "object_id": network["id"], "action": "access_as_shared",
            "target_tenant": name,
        }});
        let (_, message) = api.refused(400, "admin", "POST", PATH, body).await;
        assert!(message.contains("target_tenant") && message.contains("id of a project"), "{message}");
        let body = json!({"rbac_policy": {"target_tenant": name}});
        api.refused(400, "admin", "PUT", &url, body).await;
    }
}

#[tokio::test]
async fn entries_count_and_end_with_their_object() {
    TestApi::on_each_engine(|api| async move {
        let used = async || {
            let shown = api
                .expect(200, "admin", "GET", &format!("/v2.0/quotas/{PROJECT}/details"), Value::Null)
                .await;
            shown["quota"]["rbac_policy"]["used"].clone()
        };
        let limit = json!({"quota": {"rbac_policy": 2}});
        api.expect(200, "admin", "PUT", &format!("/v2.0/quotas/{PROJECT}"), limit).await;
        let body = json!({"shared": true, "project_id": PROJECT});
        let network = api.create("admin", "/v2.0/networks", "network", body).await;
        share(&api, "member", &network, OTHER_PROJECT).await;
        assert_eq!(used().await, 2, "what shared makes counts as well");
        let body = json!({"rbac_policy": {
            "object_type": "network", "object_id": network["id"], "action": "access_as_shared",
            "target_tenant": PROJECT,
        }});
        assert_eq!(
            api.refused(409, "member", "POST", PATH, body).await,
            ("OverQuota".to_owned(), "Quota exceeded for resources: ['rbac_policy'].".to_owned())
        );
        let path = format!("/v2.0/networks/{}", id(&network));
        api.expect(204, "member", "DELETE", &path, Value::Null).await;
        assert_eq!(used().await, 0);
        assert_eq!(api.expect(200, "admin", "GET", PATH, Value::Null).await, json!({"rbac_policies": []}));
    })
    .await;
}
