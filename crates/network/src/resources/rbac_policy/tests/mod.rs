//! Entries through the API.

mod carried_over;
mod life;
mod networks;
mod security_groups;

use serde_json::{Value, json};

use crate::testing::TestApi;

const PATH: &str = "/v2.0/rbac-policies";

/// Makes an entry; its URL.
async fn entry(
    api: &TestApi,
    token: &str,
    object_type: &str,
    object: &Value,
    action: &str,
    target: &str,
) -> String {
    let body = json!({
        "object_type": object_type,
        "object_id": object["id"],
        "action": action,
        "target_tenant": target,
    });
    let made = api.create(token, PATH, "rbac_policy", body).await;
    format!("{PATH}/{}", made["id"].as_str().expect("an id"))
}

/// Opens a network to one project, or to all.
async fn share(api: &TestApi, token: &str, network: &Value, target: &str) -> String {
    entry(api, token, "network", network, "access_as_shared", target).await
}

fn id(object: &Value) -> &str {
    object["id"].as_str().expect("an id")
}
