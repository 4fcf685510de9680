//! Several bindings of one port: what live migration asks for, in its order.

use isospin_store_kit::Engine;
use serde_json::{Value, json};

use super::{Lab, bridge_agent, id, pending, port, shown, update};
use crate::testing::{NOWHERE, TestApi};

/// Two hosts, and an instance's port on the first.
async fn instance(api: &TestApi) -> String {
    let lab = Lab::new(api).await;
    bridge_agent(api, "source", "{}").await;
    bridge_agent(api, "target", "{}").await;
    let object = json!({"binding:host_id": "source", "device_owner": "compute:nova", "device_id": "vm"});
    id(&port(api, "service", &lab.network, object).await)
}

fn path(port: &str, rest: &str) -> String {
    format!("/v2.0/ports/{port}/bindings{rest}")
}

async fn bind(api: &TestApi, port: &str, host: &str) -> Value {
    api.create("service", &path(port, ""), "binding", json!({ "host": host })).await
}

/// Host, state and vif type of each.
async fn bindings(api: &TestApi, port: &str) -> Vec<(String, String, String)> {
    let answer = api.expect(200, "admin", "GET", &path(port, ""), Value::Null).await;
    let text = |one: &Value, key: &str| one[key].as_str().expect("a text").to_owned();
    let all = answer["bindings"].as_array().expect("a list");
    all.iter().map(|one| (text(one, "host"), text(one, "status"), text(one, "vif_type"))).collect()
}

fn row(host: &str, status: &str, vif_type: &str) -> (String, String, String) {
    (host.to_owned(), status.to_owned(), vif_type.to_owned())
}

#[tokio::test]
async fn a_migration_makes_activates_and_deletes() {
    TestApi::on_each_engine(|api| async move {
        let port = instance(&api).await;
        let made = bind(&api, &port, "target").await;
        let details =
            json!({"port_filter": true, "connectivity": "l2", "bound_drivers": {"0": "linuxbridge"}});
        let expected = json!({"host": "target", "vif_type": "bridge", "vnic_type": "normal",
            "status": "INACTIVE", "profile": {}, "vif_details": details});
        assert_eq!(made, expected);
        let one = api.expect(200, "service", "GET", &path(&port, "/target"), Value::Null).await;
        assert_eq!(one["binding"], expected);
        assert_eq!(
            bindings(&api, &port).await,
            [row("source", "ACTIVE", "bridge"), row("target", "INACTIVE", "bridge")]
        );
        assert_eq!(shown(&api, "admin", &port).await["binding:host_id"], "source");

        let activate = path(&port, "/target/activate");
        let active = api.expect(200, "service", "PUT", &activate, json!({})).await;
        assert_eq!(
            (&active["binding"]["host"], &active["binding"]["status"]),
            (&json!("target"), &json!("ACTIVE"))
        );
        assert_eq!(
            bindings(&api, &port).await,
            [row("target", "ACTIVE", "bridge"), row("source", "INACTIVE", "unbound")]
        );
        let moved = shown(&api, "admin", &port).await;
        assert_eq!((&moved["binding:host_id"], &moved["status"]), (&json!("target"), &json!("BUILD")));
        assert_eq!(pending(&api, &port).await, ["l2"], "the new host has to wire it");
        let (kind, message) = api.refused(409, "service", "PUT", &activate, json!({})).await;
        assert_eq!(kind, "PortBindingAlreadyActive");
        assert_eq!(message, format!("Binding for port {port} on host target is already active."));

        api.expect(204, "service", "DELETE", &path(&port, "/source"), Value::Null).await;
        assert_eq!(bindings(&api, &port).await, [row("target", "ACTIVE", "bridge")]);
    })
    .await;
}

#[tokio::test]
async fn a_migration_can_be_rolled_back() {
    TestApi::on_each_engine(|api| async move {
        let port = instance(&api).await;
        bind(&api, &port, "target").await;
        api.expect(200, "service", "PUT", &path(&port, "/target/activate"), json!({})).await;
        api.expect(200, "service", "PUT", &path(&port, "/source/activate"), json!({})).await;
        let expected = [row("source", "ACTIVE", "bridge"), row("target", "INACTIVE", "unbound")];
        assert_eq!(bindings(&api, &port).await, expected);
        api.expect(204, "service", "DELETE", &path(&port, "/target"), Value::Null).await;
        // The old way of moving takes the place of a binding that waits.
        bind(&api, &port, "target").await;
        update(&api, "admin", &port, json!({"binding:host_id": "target"})).await;
        assert_eq!(bindings(&api, &port).await, [row("target", "ACTIVE", "bridge")]);
        api.expect(204, "service", "DELETE", &path(&port, "/target"), Value::Null).await;
        assert_eq!(bindings(&api, &port).await, [row("", "ACTIVE", "unbound")]);
    })
    .await;
}

#[tokio::test]
async fn bindings_are_described_and_filtered() {
    TestApi::on_each_engine(|api| async move {
        let port = instance(&api).await;
        let object = json!({"host": "target", "profile": {"migrating_from": "source"}});
        api.create("service", &path(&port, ""), "binding", object).await;
        let change = json!({"binding": {"profile": {"a": 1}}});
        let changed = api.expect(200, "service", "PUT", &path(&port, "/target"), change.clone()).await;
        assert_eq!(changed["binding"]["profile"], json!({"a": 1}));
        assert_eq!(changed["binding"]["status"], "INACTIVE");
        api.expect(200, "service", "PUT", &path(&port, "/source"), change).await;
        assert_eq!(shown(&api, "admin", &port).await["binding:profile"], json!({"a": 1}));
        let waiting = path(&port, "?status=INACTIVE&fields=host");
        let waiting = api.expect(200, "service", "GET", &waiting, Value::Null).await;
        assert_eq!(waiting, json!({"bindings": [{"host": "target"}]}));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_bound_is_refused_and_leaves_nothing() {
    TestApi::on_each_engine(|api| async move {
        let port = instance(&api).await;
        let refused = async |status: u16, object: Value| {
            api.refused(status, "service", "POST", &path(&port, ""), json!({"binding": object})).await
        };
        assert_eq!(refused(409, json!({"host": "source"})).await.0, "PortBindingAlreadyExists");
        assert_eq!(refused(500, json!({"host": "nowhere"})).await.0, "PortBindingError");
        assert_eq!(
            refused(500, json!({"host": "target", "vnic_type": "direct"})).await.0,
            "PortBindingError"
        );
        assert_eq!(refused(400, json!({})).await.0, "HTTPBadRequest");
        assert_eq!(bindings(&api, &port).await, [row("source", "ACTIVE", "bridge")]);
        for (method, rest) in [("GET", "/target"), ("PUT", "/target/activate"), ("DELETE", "/target")] {
            let body = if method == "PUT" { json!({}) } else { Value::Null };
            let (kind, message) = api.refused(404, "service", method, &path(&port, rest), body).await;
            assert_eq!(kind, "PortBindingNotFound");
            assert_eq!(message, format!("Binding for port {port} for host target could not be found."));
        }
        update(&api, "admin", &port, json!({"device_owner": ""})).await;
        assert_eq!(refused(400, json!({"host": "target"})).await.0, "UnsupportedPortDeviceOwner");
    })
    .await;
}

/// N26: a binding is reached through its own port only, by who may see that.
#[tokio::test]
async fn n26_bindings_are_reached_through_their_port_by_those_who_may() {
    let api = TestApi::new(Engine::Sqlite).await;
    let port = instance(&api).await;
    bind(&api, &port, "target").await;
    let body = json!({"binding": {"host": "target"}});
    let (kind, message) = api.refused(403, "admin", "POST", &path(&port, ""), body.clone()).await;
    assert_eq!(kind, "PolicyNotAuthorized");
    assert_eq!(message, "rule:create_port_binding is disallowed by policy");
    api.refused(403, "admin", "PUT", &path(&port, "/target/activate"), json!({})).await;
    api.refused(403, "admin", "DELETE", &path(&port, "/target"), Value::Null).await;
    let (kind, _) = api.refused(404, "other", "GET", &path(&port, ""), Value::Null).await;
    assert_eq!(kind, "PortNotFound");
    let (kind, _) = api.refused(403, "member", "GET", &path(&port, ""), Value::Null).await;
    assert_eq!(kind, "PolicyNotAuthorized", "a member sees the port on its network, but no host");
    let (kind, _) = api.refused(404, "service", "POST", &path(NOWHERE, ""), body).await;
    assert_eq!(kind, "PortNotFound");
    let lab = Lab::of(&api, "member", json!({"name": "second"})).await;
    let object = json!({"device_owner": "compute:nova", "binding:host_id": "source"});
    let other = id(&super::port(&api, "service", &lab.network, object).await);
    let (kind, _) = api.refused(404, "service", "GET", &path(&other, "/target"), Value::Null).await;
    assert_eq!(kind, "PortBindingNotFound");
}
