//! API tests of ports, on both engines.

mod addresses;
mod binding;
mod bindings;
mod bulk;
mod card;
mod life;
mod lists;
mod pure;
mod references;
mod security;
mod updates;

use std::collections::BTreeSet;

use isospin_store_kit::values;
use isospin_types::AgentId;
use serde_json::{Value, json};

use crate::testing::TestApi;

/// A member's network with one IPv4 subnet, 10.7.0.0/24.
pub struct Lab {
    pub network: String,
    pub subnet: String,
}

impl Lab {
    pub async fn new(api: &TestApi) -> Self {
        Self::of(api, "member", json!({"name": "inner"})).await
    }

    /// A network of the token's project with these attributes.
    pub async fn of(api: &TestApi, token: &str, object: Value) -> Self {
        let network = network(api, token, object).await;
        let subnet = subnet(api, token, &network, json!({"cidr": "10.7.0.0/24"})).await;
        Self { network, subnet }
    }
}

pub async fn network(api: &TestApi, token: &str, object: Value) -> String {
    id(&api.create(token, "/v2.0/networks", "network", object).await)
}

/// The IP version follows the CIDR. No DHCP, so that nothing else takes addresses.
pub async fn subnet(api: &TestApi, token: &str, network: &str, mut object: Value) -> String {
    let is_v6 = object["cidr"].as_str().expect("a CIDR").contains(':');
    object["ip_version"] = if is_v6 { json!(6) } else { json!(4) };
    object["network_id"] = json!(network);
    if object.get("enable_dhcp").is_none() {
        object["enable_dhcp"] = json!(false);
    }
    id(&api.create(token, "/v2.0/subnets", "subnet", object).await)
}

pub async fn port(api: &TestApi, token: &str, network: &str, mut object: Value) -> Value {
    object["network_id"] = json!(network);
    api.create(token, "/v2.0/ports", "port", object).await
}

/// Tries to make a port and expects a refusal: type and message.
pub async fn refused_port(
    api: &TestApi,
    status: u16,
    token: &str,
    network: &str,
    mut object: Value,
) -> (String, String) {
    object["network_id"] = json!(network);
    api.refused(status, token, "POST", "/v2.0/ports", json!({"port": object})).await
}

pub async fn shown(api: &TestApi, token: &str, id: &str) -> Value {
    api.expect(200, token, "GET", &path(id), Value::Null).await["port"].take()
}

pub async fn update(api: &TestApi, token: &str, id: &str, object: Value) -> Value {
    api.expect(200, token, "PUT", &path(id), json!({"port": object})).await["port"].take()
}

pub async fn refused_update(
    api: &TestApi,
    status: u16,
    token: &str,
    id: &str,
    object: Value,
) -> (String, String) {
    api.refused(status, token, "PUT", &path(id), json!({"port": object})).await
}

pub async fn list(api: &TestApi, token: &str, query: &str) -> Vec<Value> {
    let mut answer = api.expect(200, token, "GET", &format!("/v2.0/ports?{query}"), Value::Null).await;
    match answer["ports"].take() {
        Value::Array(ports) => ports,
        other => panic!("no list of ports: {other}"),
    }
}

pub fn path(id: &str) -> String {
    format!("/v2.0/ports/{id}")
}

pub fn id(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}

pub fn ids(objects: &[Value]) -> BTreeSet<String> {
    objects.iter().map(id).collect()
}

/// The addresses of a port, in order.
pub fn addresses(port: &Value) -> Vec<String> {
    let items = port["fixed_ips"].as_array().expect("fixed_ips");
    items.iter().map(|item| item["ip_address"].as_str().expect("an address").to_owned()).collect()
}

/// An alive agent that wires ports on kernel bridges.
pub async fn bridge_agent(api: &TestApi, host: &'static str, configurations: &'static str) {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S").to_string();
    agent(api, host, configurations, now).await;
}

/// The same, last heard of at `heartbeat`.
pub async fn agent(api: &TestApi, host: &'static str, configurations: &'static str, heartbeat: String) {
    api.write(move |tx| {
        Box::pin(async move {
            tx.execute(
                "INSERT INTO agents (id, agent_type, \"binary\", topic, host, admin_state_up, description, \
                 availability_zone, configurations, mechanism, tunnel_ip, created_at, started_at, \
                 heartbeat_timestamp) VALUES ($1, 'Linux bridge agent', 'isospin', 'N/A', $2, TRUE, NULL, \
                 'nova', $3, 'linuxbridge', '', $4, $5, $6)",
                values![AgentId::random(), host, configurations, &heartbeat, &heartbeat, &heartbeat],
            )
            .await?;
            Ok(())
        })
    })
    .await;
}

/// Who has still to report on a port.
pub async fn pending(api: &TestApi, port: &str) -> Vec<String> {
    let mut session = api.store().reader().await.expect("a reader");
    let sql = "SELECT party FROM port_pending WHERE port_id = $1 ORDER BY party";
    let rows = session.rows(sql, values![port]).await.expect("parties");
    rows.into_iter().map(|row| row.columns().text().expect("a party")).collect()
}

/// One number out of the database.
pub async fn number(api: &TestApi, sql: &str) -> i64 {
    let mut session = api.store().reader().await.expect("a reader");
    let row = session.row(sql, values![]).await.expect("a row").expect("a row");
    row.columns().int().expect("a number")
}
