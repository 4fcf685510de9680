//! API tests of routers, on both engines.

mod extra_routes;
mod gateways;
mod hosts;
mod interfaces;
mod life;
mod ports;
mod pure;

use serde_json::{Value, json};

use crate::testing::TestApi;

/// An external network (172.24.0.0/24, pool .10-.250) and a member's network with
/// one subnet (10.7.0.0/24).
pub struct Lab {
    pub external: String,
    pub external_subnet: String,
    pub network: String,
    pub subnet: String,
}

impl Lab {
    /// Makes them.
    pub async fn new(api: &TestApi) -> Self {
        let external = network(api, "admin", json!({"name": "public", "router:external": true})).await;
        let external_subnet = subnet(
            api,
            "admin",
            &external,
            json!({"cidr": "172.24.0.0/24", "enable_dhcp": false,
                "allocation_pools": [{"start": "172.24.0.10", "end": "172.24.0.250"}]}),
        )
        .await;
        let network = network(api, "member", json!({"name": "inner"})).await;
        let subnet = subnet(api, "member", &network, json!({"cidr": "10.7.0.0/24"})).await;
        Self { external, external_subnet, network, subnet }
    }
}

/// Makes a network; its id.
pub async fn network(api: &TestApi, token: &str, object: Value) -> String {
    id(&api.create(token, "/v2.0/networks", "network", object).await)
}

/// Makes a subnet on a network; its id. The IP version follows the CIDR.
pub async fn subnet(api: &TestApi, token: &str, network: &str, mut object: Value) -> String {
    let is_v6 = object["cidr"].as_str().expect("a CIDR").contains(':');
    object["ip_version"] = if is_v6 { json!(6) } else { json!(4) };
    object["network_id"] = json!(network);
    id(&api.create(token, "/v2.0/subnets", "subnet", object).await)
}

/// Makes a port on a network.
pub async fn port(api: &TestApi, token: &str, network: &str, mut object: Value) -> Value {
    object["network_id"] = json!(network);
    api.create(token, "/v2.0/ports", "port", object).await
}

/// Makes a router as the member; its id.
pub async fn router(api: &TestApi, object: Value) -> String {
    id(&api.create("member", "/v2.0/routers", "router", object).await)
}

/// Makes a router of the member with a gateway on this network; its id.
pub async fn router_to(api: &TestApi, external: &str) -> String {
    router(api, json!({"name": "r", "external_gateway_info": {"network_id": external}})).await
}

/// The router as the token's caller sees it.
pub async fn shown(api: &TestApi, token: &str, id: &str) -> Value {
    api.expect(200, token, "GET", &format!("/v2.0/routers/{id}"), Value::Null).await["router"].take()
}

/// Attaches a subnet as the member; the answer.
pub async fn attach(api: &TestApi, router: &str, subnet: &str) -> Value {
    api.expect(200, "member", "PUT", &add(router), json!({"subnet_id": subnet})).await
}

/// The ports of a device as the administrator sees them.
pub async fn ports_of(api: &TestApi, device: &str) -> Vec<Value> {
    let path = format!("/v2.0/ports?device_id={device}");
    let mut answer = api.expect(200, "admin", "GET", &path, Value::Null).await;
    match answer["ports"].take() {
        Value::Array(ports) => ports,
        other => panic!("no list of ports: {other}"),
    }
}

/// URL of the action that attaches.
pub fn add(router: &str) -> String {
    format!("/v2.0/routers/{router}/add_router_interface")
}

/// URL of the action that detaches.
pub fn remove(router: &str) -> String {
    format!("/v2.0/routers/{router}/remove_router_interface")
}

/// The `id` of an object.
pub fn id(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}

/// The names of an object's attributes, in order.
pub fn keys(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// A refusal as the tests compare it.
pub fn refusal(kind: &str, message: impl Into<String>) -> (String, String) {
    (kind.to_owned(), message.into())
}
