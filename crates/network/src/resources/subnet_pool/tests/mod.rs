//! API tests of subnet pools and of subnets from them, on both engines.

mod allocation;
mod life;
mod onboarding;
mod prefixes;
mod scopes;
mod sharing;

use serde_json::{Value, json};

use crate::testing::TestApi;

/// Makes a pool named "pool" of these prefixes, with these attributes.
pub async fn pool(api: &TestApi, token: &str, prefixes: &[&str], more: Value) -> Value {
    let mut object = json!({"name": "pool", "prefixes": prefixes});
    merge(&mut object, more);
    api.create(token, "/v2.0/subnetpools", "subnetpool", object).await
}

/// As [`pool`], refused.
pub async fn pool_refused(
    api: &TestApi,
    status: u16,
    token: &str,
    prefixes: &[&str],
    more: Value,
) -> (String, String) {
    let mut object = json!({"name": "pool", "prefixes": prefixes});
    merge(&mut object, more);
    api.refused(status, token, "POST", "/v2.0/subnetpools", json!({"subnetpool": object})).await
}

/// A new network of the token's project.
pub async fn network(api: &TestApi, token: &str) -> String {
    id(&api.create(token, "/v2.0/networks", "network", json!({})).await)
}

/// The body of a subnet, IPv4 unless said otherwise.
pub fn subnet_body(network_id: &str, more: Value) -> Value {
    let mut object = json!({"network_id": network_id, "ip_version": 4});
    merge(&mut object, more);
    object
}

/// Makes a subnet.
pub async fn subnet(api: &TestApi, token: &str, network_id: &str, more: Value) -> Value {
    api.create(token, "/v2.0/subnets", "subnet", subnet_body(network_id, more)).await
}

/// As [`subnet`], refused.
pub async fn subnet_refused(
    api: &TestApi,
    status: u16,
    token: &str,
    network_id: &str,
    more: Value,
) -> (String, String) {
    let body = json!({"subnet": subnet_body(network_id, more)});
    api.refused(status, token, "POST", "/v2.0/subnets", body).await
}

/// Makes an address scope.
pub async fn scope(api: &TestApi, token: &str, ip_version: u8, more: Value) -> String {
    let mut object = json!({"name": "scope", "ip_version": ip_version});
    merge(&mut object, more);
    id(&api.create(token, "/v2.0/address-scopes", "address_scope", object).await)
}

pub fn id(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}

/// URL of a pool.
pub fn url(pool: &Value) -> String {
    format!("/v2.0/subnetpools/{}", id(pool))
}

/// Changes a pool; how it is then.
pub async fn change(api: &TestApi, token: &str, pool: &Value, object: Value) -> Value {
    api.expect(200, token, "PUT", &url(pool), json!({"subnetpool": object})).await["subnetpool"].take()
}

fn merge(object: &mut Value, more: Value) {
    let (Value::Object(object), Value::Object(more)) = (object, more) else { panic!("two objects") };
    object.extend(more);
}
