//! Shared, external and default networks.

use isospin_store_kit::{Engine, values};
use serde_json::{Value, json};

use super::*;

async fn seen(api: &TestApi, token: &str) -> Vec<String> {
    let listed = api.expect(200, token, "GET", "/v2.0/networks?sort_key=name", Value::Null).await;
    let items = listed["networks"].as_array().expect("a list").clone();
    items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn each_caller_sees_its_own_and_what_is_for_all() {
    TestApi::on_each_engine(|api| async move {
        network(&api, "member", json!({"name": "1-own"})).await;
        network(&api, "other", json!({"name": "2-foreign"})).await;
        let shared = network(&api, "admin", json!({"name": "3-shared", "shared": true})).await;
        network(&api, "admin", json!({"name": "4-external", "router:external": true})).await;
        network(&api, "admin", json!({"name": "5-admin"})).await;
        for token in ["member", "reader", "manager"] {
            assert_eq!(seen(&api, token).await, ["1-own", "3-shared", "4-external"], "{token}");
        }
        assert_eq!(seen(&api, "other").await, ["2-foreign", "3-shared", "4-external"]);
        for token in ["admin", "service"] {
            assert_eq!(seen(&api, token).await.len(), 5, "{token}");
        }
        api.expect(200, "member", "GET", &path(&shared), Value::Null).await;
        for (method, body) in [("PUT", json!({"network": {"name": "x"}})), ("DELETE", Value::Null)] {
            let (kind, message) = api.refused(403, "member", method, &path(&shared), body).await;
            assert_eq!(kind, "PolicyNotAuthorized");
            assert!(message.starts_with("rule:") && message.ends_with("_network is disallowed by policy"));
        }
        for (query, count) in [
            ("shared=True", 1),
            ("router:external=true", 1),
            ("shared=0", 4),
            ("shared=False&router:external=no", 3),
        ] {
            let listed =
                api.expect(200, "admin", "GET", &format!("/v2.0/networks?{query}"), Value::Null).await;
            assert_eq!(listed["networks"].as_array().map(Vec::len), Some(count), "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn sharing_ends_only_when_nobody_else_relies_on_it() {
    TestApi::on_each_engine(|api| async move {
        let made = network(&api, "admin", json!({"shared": true})).await;
        let port = api.create("member", "/v2.0/ports", "port", json!({"network_id": made["id"]})).await;
        let unshare = json!({"network": {"shared": false}});
        let refused = api.refused(409, "admin", "PUT", &path(&made), unshare.clone()).await;
        let message = format!(
            "Unable to reconfigure sharing settings for network {}. Multiple tenants are using it. Blocked by port \
             {}.",
            made["id"].as_str().expect("an id"),
            port["id"].as_str().expect("an id")
        );
        assert_eq!(refused, ("InvalidSharedSetting".to_owned(), message));
        let port = format!("/v2.0/ports/{}", port["id"].as_str().expect("an id"));
        api.expect(204, "member", "DELETE", &port, Value::Null).await;
        let changed = api.expect(200, "admin", "PUT", &path(&made), unshare).await;
        assert_eq!(changed["network"]["shared"], false);
        assert_eq!(seen(&api, "member").await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn an_external_network_with_gateways_stays_external() {
    let api = TestApi::new(Engine::Sqlite).await;
    let made = network(&api, "admin", json!({"router:external": true, "is_default": true})).await;
    let port = json!({"network_id": made["id"], "device_owner": "network:router_gateway"});
    let port = api.create("admin", "/v2.0/ports", "port", port).await;
    let inward = json!({"network": {"router:external": false}});
    let (kind, message) = api.refused(409, "admin", "PUT", &path(&made), inward.clone()).await;
    assert_eq!(kind, "ExternalNetworkInUse");
    assert!(message.contains(
        "cannot be updated to be made non-external, since it has existing gateway ports. Blocked by"
    ));
    let id = port["id"].as_str().expect("an id").to_owned();
    api.write(move |tx| {
        Box::pin(async move {
            tx.execute("DELETE FROM ports WHERE id = $1", values![id]).await?;
            Ok(())
        })
    })
    .await;
    let changed = api.expect(200, "admin", "PUT", &path(&made), inward).await;
    assert_eq!(changed["network"]["is_default"], false, "what leads nowhere is no default");
}

#[tokio::test]
async fn there_is_one_default_and_it_is_external() {
    TestApi::on_each_engine(|api| async move {
        let (_, message) = api
            .refused(400, "admin", "POST", "/v2.0/networks", json!({"network": {"is_default": true}}))
            .await;
        assert!(message.contains("only an external network can be the default"), "{message}");
        let default = json!({"router:external": true, "is_default": true});
        let first = network(&api, "admin", default.clone()).await;
        let second = network(&api, "admin", json!({"router:external": true})).await;
        let exists = (
            "DefaultExternalNetworkExists".to_owned(),
            format!("A default external network already exists: {}.", first["id"].as_str().expect("an id")),
        );
        assert_eq!(
            api.refused(409, "admin", "POST", "/v2.0/networks", json!({"network": default})).await,
            exists
        );
        let promote = json!({"network": {"is_default": true}});
        assert_eq!(api.refused(409, "admin", "PUT", &path(&second), promote.clone()).await, exists);
        api.expect(200, "admin", "PUT", &path(&first), promote.clone()).await;
        api.expect(200, "admin", "PUT", &path(&first), json!({"network": {"is_default": false}})).await;
        let changed = api.expect(200, "admin", "PUT", &path(&second), promote).await;
        assert_eq!(changed["network"]["is_default"], true);
        let listed = api.expect(200, "member", "GET", "/v2.0/networks?is_default=True", Value::Null).await;
        assert_eq!(listed["networks"][0]["id"], second["id"]);
    })
    .await;
}
