//! API tests of address scopes, on both engines.

use serde_json::{Value, json};

use crate::testing::{NOWHERE, OTHER_PROJECT, PROJECT, TestApi};

async fn scope(api: &TestApi, token: &str, object: Value) -> Value {
    api.create(token, "/v2.0/address-scopes", "address_scope", object).await
}

fn path(scope: &Value) -> String {
    format!("/v2.0/address-scopes/{}", scope["id"].as_str().expect("an id"))
}

async fn names(api: &TestApi, token: &str, query: &str) -> Vec<String> {
    let path = format!("/v2.0/address-scopes?{query}&sort_key=name");
    let listed = api.expect(200, token, "GET", &path, Value::Null).await;
    let items = listed["address_scopes"].as_array().expect("a list");
    items.iter().map(|scope| scope["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn a_scope_has_the_shape_clients_know() {
    TestApi::on_each_engine(|api| async move {
        let made = scope(&api, "member", json!({"name": "s-scope", "ip_version": 4})).await;
        let expected = json!({
            "id": made["id"], "project_id": PROJECT, "name": "s-scope", "shared": false, "ip_version": 4,
            "tenant_id": PROJECT,
        });
        assert_eq!(made, expected);
        let shown = api.expect(200, "reader", "GET", &path(&made), Value::Null).await;
        assert_eq!(shown["address_scope"], expected);
        let body = json!({"address_scope": {"name": "renamed"}});
        let changed = api.expect(200, "member", "PUT", &path(&made), body.clone()).await;
        assert_eq!(changed["address_scope"]["name"], "renamed");
        api.expect(200, "member", "PUT", &path(&made), body).await;
        api.expect(204, "member", "DELETE", &path(&made), Value::Null).await;
        let found = api.refused(404, "member", "GET", &path(&made), Value::Null).await;
        let message = format!("Address scope {} could not be found.", made["id"].as_str().expect("an id"));
        assert_eq!(found, ("AddressScopeNotFound".to_owned(), message));
    })
    .await;
}

#[tokio::test]
async fn values_are_checked() {
    TestApi::on_each_engine(|api| async move {
        for object in [
            json!({"name": "x"}),
            json!({"ip_version": 5}),
            json!({"ip_version": "four"}),
            json!({"ip_version": 4, "name": 7}),
            json!({"ip_version": 4, "description": "scopes have none"}),
        ] {
            api.refused(400, "member", "POST", "/v2.0/address-scopes", json!({"address_scope": object}))
                .await;
        }
        let made = scope(&api, "member", json!({"ip_version": "6"})).await;
        assert_eq!((&made["ip_version"], &made["name"]), (&json!(6), &json!("")));
        let body = json!({"address_scope": {"ip_version": 4}});
        api.refused(400, "member", "PUT", &path(&made), body).await;
        let query = "/v2.0/address-scopes?changed_since=2020-01-01T00:00:00Z";
        api.refused(400, "member", "GET", query, Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn lists_filter_and_page() {
    TestApi::on_each_engine(|api| async move {
        let bulk = json!({"address_scopes": [
            {"name": "a", "ip_version": 4}, {"name": "b", "ip_version": 6}, {"name": "c", "ip_version": 4},
        ]});
        api.expect(201, "member", "POST", "/v2.0/address-scopes", bulk).await;
        for (query, expected) in [
            ("", vec!["a", "b", "c"]),
            ("ip_version=6", vec!["b"]),
            ("ip_version=6&ip_version=4", vec!["a", "b", "c"]),
            ("ip_version=x", vec![]),
            ("name=a", vec!["a"]),
            ("shared=True", vec![]),
            ("limit=2", vec!["a", "b"]),
        ] {
            assert_eq!(names(&api, "member", query).await, expected, "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn scopes_are_their_projects_own_until_shared() {
    TestApi::on_each_engine(|api| async move {
        let mine = scope(&api, "member", json!({"name": "mine", "ip_version": 4})).await;
        let update = json!({"address_scope": {"name": "x"}});
        for (method, body) in [("GET", Value::Null), ("PUT", update.clone()), ("DELETE", Value::Null)] {
            let (kind, _) = api.refused(404, "other", method, &path(&mine), body.clone()).await;
            assert_eq!(kind, "AddressScopeNotFound");
            for wrong in [NOWHERE, "no-uuid"] {
                let path = format!("/v2.0/address-scopes/{wrong}");
                api.refused(404, "member", method, &path, body.clone()).await;
            }
        }
        api.refused(403, "reader", "PUT", &path(&mine), update.clone()).await;
        api.refused(403, "reader", "DELETE", &path(&mine), Value::Null).await;
        let foreign = json!({"address_scope": {"ip_version": 4, "project_id": OTHER_PROJECT}});
        api.refused(400, "member", "POST", "/v2.0/address-scopes", foreign).await;
        let share = json!({"address_scope": {"shared": true}});
        api.refused(403, "member", "PUT", &path(&mine), share.clone()).await;
        let shared = api.expect(200, "admin", "PUT", &path(&mine), share).await;
        assert_eq!(shared["address_scope"]["shared"], true);
        assert_eq!(names(&api, "other", "shared=True").await, ["mine"]);
        api.refused(403, "other", "PUT", &path(&mine), update).await;
        let unshare = json!({"address_scope": {"shared": false}});
        let (kind, message) = api.refused(400, "admin", "PUT", &path(&mine), unshare).await;
        assert_eq!(kind, "AddressScopeUpdateError");
        assert!(message.ends_with(": Shared address scope can't be unshared."), "{message}");
    })
    .await;
}

#[tokio::test]
async fn a_scope_with_pools_stays() {
    TestApi::on_each_engine(|api| async move {
        let made = scope(&api, "member", json!({"ip_version": 4})).await;
        let object = json!({"name": "p", "prefixes": ["10.0.0.0/8"], "address_scope_id": made["id"]});
        let pool = api.create("member", "/v2.0/subnetpools", "subnetpool", object).await;
        let refused = api.expect(409, "member", "DELETE", &path(&made), Value::Null).await;
        let fault = &refused["NeutronError"];
        assert_eq!(fault["type"], "AddressScopeInUse");
        let pool_id = pool["id"].as_str().expect("an id");
        let message = fault["message"].as_str().expect("a message");
        assert!(message.ends_with(&format!("Blocked by subnetpool {pool_id}.")), "{message}");
        let out = json!({"subnetpool": {"address_scope_id": null}});
        api.expect(200, "member", "PUT", &format!("/v2.0/subnetpools/{pool_id}"), out).await;
        api.expect(204, "member", "DELETE", &path(&made), Value::Null).await;
    })
    .await;
}
