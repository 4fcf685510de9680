//! Segments through the API, on both engines.

mod carried_over;
mod multi;
mod routed;

use isospin_store_kit::{Engine, values};
use isospin_types::AgentId;
use serde_json::{Value, json};

use crate::testing::{ADMIN_PROJECT, NOWHERE, TestApi};
use crate::{SegmentRange, Settings};

fn settings() -> Settings {
    Settings {
        vlan_ranges: [("physnet1".to_owned(), vec![SegmentRange { first: 100, last: 199 }])].into(),
        ..Settings::default()
    }
}

async fn on_each_engine<F: Future<Output = ()>>(body: impl Fn(TestApi) -> F) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        body(TestApi::with_settings(engine, settings()).await).await;
    }
}

fn id(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}

async fn network(api: &TestApi, object: Value) -> String {
    id(&api.create("admin", "/v2.0/networks", "network", object).await)
}

async fn segment(api: &TestApi, network: &str, mut object: Value) -> Value {
    object["network_id"] = json!(network);
    api.create("admin", "/v2.0/segments", "segment", object).await
}

async fn segments(api: &TestApi, query: &str) -> Vec<Value> {
    let path = format!("/v2.0/segments?{query}");
    let answer = api.expect(200, "admin", "GET", &path, Value::Null).await;
    answer["segments"].as_array().expect("a list").clone()
}

/// An alive agent that wires ports, on a physical network of its own.
async fn host(api: &TestApi, name: &'static str, physical_network: &'static str) {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S").to_string();
    let configurations = json!({"bridge_mappings": {physical_network: "br1"}}).to_string();
    api.write(move |tx| {
        Box::pin(async move {
            tx.execute(
                "INSERT INTO agents (id, agent_type, \"binary\", topic, host, admin_state_up, description, \
                 availability_zone, configurations, mechanism, tunnel_ip, created_at, started_at, \
                 heartbeat_timestamp) VALUES ($1, 'Linux bridge agent', 'isospin', 'N/A', $2, TRUE, '', \
                 '', $3, 'linuxbridge', '', $4, $5, $6)",
                values![AgentId::random(), name, configurations, &now, &now, &now],
            )
            .await?;
            Ok(())
        })
    })
    .await;
}

#[tokio::test]
async fn a_segment_has_the_keys_clients_know() {
    on_each_engine(|api| async move {
        let net = network(&api, json!({"provider:network_type": "flat", "provider:physical_network": "p0"})).await;
        let object = json!({"network_type": "vlan", "physical_network": "physnet1", "segmentation_id": 2099,
            "name": "s-seg"});
        let mut made = segment(&api, &net, object).await;
        let shown = api.expect(200, "admin", "GET", &format!("/v2.0/segments/{}", id(&made)), Value::Null).await;
        assert_eq!(shown["segment"], made);
        let fields = made.as_object_mut().expect("an object");
        for name in ["id", "created_at", "updated_at"] {
            assert!(fields.remove(name).is_some_and(|value| value.is_string()), "{name}");
        }
        let expected = json!({"network_id": net, "name": "s-seg", "description": "",
            "physical_network": "physnet1", "network_type": "vlan", "segmentation_id": 2099, "revision_number": 0});
        assert_eq!(made, expected);
        let first = &segments(&api, &format!("network_id={net}&network_type=flat")).await[0];
        assert_eq!((&first["name"], &first["segmentation_id"]), (&Value::Null, &Value::Null));
        let listed = segments(&api, &format!("network_id={net}&sort_key=segmentation_id&sort_dir=desc")).await;
        let types: Vec<&str> = listed.iter().filter_map(|one| one["network_type"].as_str()).collect();
        assert_eq!(types, ["vlan", "flat"]);
    })
    .await;
}

#[tokio::test]
async fn a_segment_is_renamed_and_counted() {
    on_each_engine(|api| async move {
        let net = network(&api, json!({})).await;
        let made = segment(&api, &net, json!({"network_type": "vxlan"})).await;
        assert_eq!(made["segmentation_id"], 2, "the next free id");
        let path = format!("/v2.0/segments/{}", id(&made));
        let change = json!({"segment": {"name": "rack", "description": "d"}});
        let changed = api.expect(200, "admin", "PUT", &path, change.clone()).await;
        assert_eq!(changed["segment"]["name"], "rack");
        assert_eq!(changed["segment"]["revision_number"], 1);
        let again = api.expect(200, "admin", "PUT", &path, change).await;
        assert_eq!(again["segment"]["revision_number"], 1);
        let unnamed = api.expect(200, "admin", "PUT", &path, json!({"segment": {"name": null}})).await;
        assert_eq!(unnamed["segment"]["name"], Value::Null);
        let fixed = json!({"segment": {"segmentation_id": 7}});
        let (_, message) = api.refused(400, "admin", "PUT", &path, fixed).await;
        assert_eq!(message, "Cannot update read-only attribute segmentation_id");
    })
    .await;
}

#[tokio::test]
async fn only_administrators_see_segments() {
    let api = TestApi::new(Engine::Sqlite).await;
    let net = network(&api, json!({"tenant_id": ADMIN_PROJECT})).await;
    let made = segment(&api, &net, json!({"network_type": "vxlan"})).await;
    let path = format!("/v2.0/segments/{}", id(&made));
    let body = json!({"segment": {"network_id": net, "network_type": "vxlan"}});
    let listed = api.expect(200, "member", "GET", "/v2.0/segments", Value::Null).await;
    assert_eq!(listed, json!({"segments": []}));
    api.refused(404, "member", "GET", &path, Value::Null).await;
    api.refused(403, "member", "POST", "/v2.0/segments", body).await;
    api.refused(404, "member", "PUT", &path, json!({"segment": {"name": "x"}})).await;
    api.refused(404, "member", "DELETE", &path, Value::Null).await;
    let (kind, message) =
        api.refused(404, "admin", "GET", &format!("/v2.0/segments/{NOWHERE}"), Value::Null).await;
    assert_eq!(kind, "SegmentNotFound");
    assert_eq!(message, format!("Segment {NOWHERE} could not be found."));
}

#[tokio::test]
async fn what_a_type_cannot_be_is_refused() {
    let api = TestApi::with_settings(Engine::Sqlite, settings()).await;
    let net = network(&api, json!({})).await;
    let refused = async |status: u16, mut object: Value| {
        object["network_id"] = json!(net);
        api.refused(status, "admin", "POST", "/v2.0/segments", json!({"segment": object})).await
    };
    let cases = [
        (400, json!({"network_type": "token-ring"}), "HTTPBadRequest"),
        (503, json!({"network_type": "geneve"}), "NoNetworkAvailable"),
        (400, json!({"network_type": "flat"}), "InvalidInput"),
        (400, json!({"network_type": "vlan", "segmentation_id": 5}), "InvalidInput"),
        (400, json!({"network_type": "vlan", "physical_network": "nowhere"}), "InvalidInput"),
        (409, json!({"network_type": "vxlan", "segmentation_id": 1}), "TunnelIdInUse"),
    ];
    for (status, object, expected) in cases {
        let (kind, message) = refused(status, object).await;
        assert_eq!(kind, expected, "{message}");
    }
    let nowhere = json!({"segment": {"network_id": NOWHERE, "network_type": "vxlan"}});
    let (kind, _) = api.refused(404, "admin", "POST", "/v2.0/segments", nowhere).await;
    assert_eq!(kind, "NetworkNotFound");
}

#[tokio::test]
async fn a_segment_in_use_stays_and_a_free_one_gives_its_id_back() {
    on_each_engine(|api| async move {
        host(&api, "host-1", "physnet1").await;
        let net = network(&api, json!({})).await;
        let first = id(&segments(&api, &format!("network_id={net}")).await[0]);
        let path = |id: &str| format!("/v2.0/segments/{id}");
        let refused = async |id: &str| api.refused(409, "admin", "DELETE", &path(id), Value::Null).await;
        let (kind, message) = refused(&first).await;
        assert_eq!(kind, "SegmentInUse");
        assert_eq!(
            message,
            format!("Segment '{first}' cannot be deleted: It is the last segment of network {net}.")
        );
        let other = id(&segment(&api, &net, json!({"network_type": "vxlan"})).await);
        let port = json!({"network_id": net, "binding:host_id": "host-1"});
        let port = id(&api.create("admin", "/v2.0/ports", "port", port).await);
        let (_, message) = refused(&first).await;
        assert_eq!(
            message,
            format!("Segment '{first}' cannot be deleted: The segment is still bound with port(s) {port}.")
        );
        api.expect(204, "admin", "DELETE", &format!("/v2.0/ports/{port}"), Value::Null).await;
        let subnet = json!({"network_id": net, "cidr": "10.0.0.0/24", "ip_version": 4, "segment_id": other});
        let subnet = id(&api.create("admin", "/v2.0/subnets", "subnet", subnet).await);
        let (_, message) = refused(&other).await;
        assert!(message.ends_with(&format!("associated with subnet(s) {subnet}.")), "{message}");
        api.expect(204, "admin", "DELETE", &path(&first), Value::Null).await;
        // The first id is free again.
        let again = segment(&api, &net, json!({"network_type": "vxlan"})).await;
        assert_eq!(again["segmentation_id"], 1);
        // The network goes with its segments, and all ids are free.
        api.expect(204, "admin", "DELETE", &format!("/v2.0/networks/{net}"), Value::Null).await;
        assert_eq!(segments(&api, "").await, [json!(null); 0]);
        let fresh = api.create("admin", "/v2.0/networks", "network", json!({})).await;
        assert_eq!(fresh["provider:segmentation_id"], 1);
    })
    .await;
}
