//! A policy file, as clients feel it.

use serde_json::{Value, json};

use crate::testing::{OTHER_PROJECT, PROJECT, TestApi};

#[tokio::test]
async fn a_policy_file_widens_and_narrows_what_is_allowed() {
    let api = TestApi::under_policy(
        "create_network: role:reader\n\
         delete_network: '!'\n\
         update_network:name: rule:admin_only\n\
         get_network:mtu: rule:admin_only\n",
    )
    .await;
    let network = api.create("reader", "/v2.0/networks", "network", json!({"name": "n"})).await;
    assert!(network.get("mtu").is_none(), "{network}");
    let path = format!("/v2.0/networks/{}", network["id"].as_str().expect("an id"));
    let seen = api.expect(200, "admin", "GET", &path, Value::Null).await;
    assert_eq!(seen["network"]["mtu"], 1450);
    let listed = api.expect(200, "member", "GET", "/v2.0/networks", Value::Null).await;
    assert!(listed["networks"][0].get("mtu").is_none(), "{listed}");
    let (_, refused) = api.refused(403, "admin", "DELETE", &path, Value::Null).await;
    assert_eq!(refused, "rule:delete_network is disallowed by policy");
    let renamed = json!({"network": {"name": "other"}});
    api.refused(403, "member", "PUT", &path, renamed.clone()).await;
    api.expect(200, "admin", "PUT", &path, renamed).await;
    api.expect(200, "member", "PUT", &path, json!({"network": {"description": "d"}})).await;
}

#[tokio::test]
async fn a_rule_for_everybody_opens_lists_too() {
    let api = TestApi::under_policy("get_router: role:reader\n").await;
    let router = api.create("other", "/v2.0/routers", "router", json!({"name": "r"})).await;
    let listed = api.expect(200, "reader", "GET", "/v2.0/routers", Value::Null).await;
    assert_eq!(listed["routers"][0]["id"], router["id"]);
}

#[tokio::test]
async fn administrators_are_whom_the_policy_file_calls_so() {
    let api =
        TestApi::under_policy("context_is_admin: role:manager and project_id:%(project_id)s or role:admin\n")
            .await;
    // Nothing is known of an object here, so the first half holds for nobody.
    api.refused(400, "manager", "POST", "/v2.0/networks", json!({"network": {"project_id": OTHER_PROJECT}}))
        .await;
    let api = TestApi::under_policy("context_is_admin: role:manager\n").await;
    let foreign = json!({"network": {"project_id": OTHER_PROJECT}});
    let made = api.expect(201, "manager", "POST", "/v2.0/networks", foreign).await;
    assert_eq!(made["network"]["project_id"], OTHER_PROJECT);
    let ours = json!({"network": {"project_id": PROJECT}});
    api.refused(400, "other", "POST", "/v2.0/networks", ours).await;
}
