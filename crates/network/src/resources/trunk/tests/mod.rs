//! API tests of trunks, on both engines.

mod subports;

use serde_json::{Value, json};

use crate::testing::{NOWHERE, PROJECT, TestApi};

const KEYS: &[&str] = &[
    "admin_state_up",
    "id",
    "project_id",
    "name",
    "port_id",
    "status",
    "sub_ports",
    "revision_number",
    "description",
    "created_at",
    "updated_at",
    "tenant_id",
    "tags",
];

fn id(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}

async fn network(api: &TestApi, object: Value) -> String {
    id(&api.create("admin", "/v2.0/networks", "network", object).await)
}

async fn port(api: &TestApi, network: &str) -> String {
    id(&api
        .create("admin", "/v2.0/ports", "port", json!({"network_id": network, "project_id": PROJECT}))
        .await)
}

async fn trunk(api: &TestApi, object: Value) -> Value {
    api.create("member", "/v2.0/trunks", "trunk", object).await
}

fn path(id: &str) -> String {
    format!("/v2.0/trunks/{id}")
}

fn vlan(port: &str, number: u16) -> Value {
    json!({"port_id": port, "segmentation_type": "vlan", "segmentation_id": number})
}

async fn shown_port(api: &TestApi, port: &str) -> Value {
    api.expect(200, "admin", "GET", &format!("/v2.0/ports/{port}"), Value::Null).await["port"].take()
}

#[tokio::test]
async fn a_trunk_has_the_shape_and_life_clients_know() {
    TestApi::on_each_engine(|api| async move {
        let network = network(&api, json!({})).await;
        let parent = port(&api, &network).await;
        let made = trunk(&api, json!({"name": "s-trunk", "port_id": parent})).await;
        let keys: Vec<&str> = made.as_object().expect("a trunk").keys().map(String::as_str).collect();
        assert_eq!(keys, KEYS);
        assert_eq!((&made["status"], &made["revision_number"]), (&json!("DOWN"), &json!(0)));
        let trunk = id(&made);
        let shown = api.expect(200, "reader", "GET", &path(&trunk), Value::Null).await;
        assert_eq!(shown["trunk"], made);
        let listed = api.expect(200, "reader", "GET", "/v2.0/trunks?name=s-trunk", Value::Null).await;
        assert_eq!(listed["trunks"], json!([made]));
        assert_eq!(api.expect(200, "other", "GET", "/v2.0/trunks", Value::Null).await["trunks"], json!([]));
        let details = json!({"trunk_id": trunk, "sub_ports": []});
        assert_eq!(shown_port(&api, &parent).await["trunk_details"], details);
        let tag = format!("/v2.0/trunks/{trunk}/tags/gold");
        api.expect(201, "member", "PUT", &tag, Value::Null).await;
        let change = json!({"trunk": {"name": "t", "admin_state_up": false}});
        let changed = api.expect(200, "member", "PUT", &path(&trunk), change).await;
        assert_eq!((&changed["trunk"]["name"], &changed["trunk"]["tags"]), (&json!("t"), &json!(["gold"])));
        let (kind, text) = api.refused(409, "member", "DELETE", &path(&trunk), Value::Null).await;
        assert_eq!((kind.as_str(), text), ("TrunkDisabled", format!("Trunk {trunk} is currently disabled.")));
        api.expect(200, "member", "PUT", &path(&trunk), json!({"trunk": {"admin_state_up": true}})).await;
        let stale = [("if-match", "revision_number=0")];
        assert_eq!(api.send("member", "DELETE", &path(&trunk), &stale, Vec::new()).await.0, 412);
        api.expect(204, "member", "DELETE", &path(&trunk), Value::Null).await;
        let (kind, _) = api.refused(404, "member", "GET", &path(&trunk), Value::Null).await;
        assert_eq!(kind, "TrunkNotFound");
        assert!(shown_port(&api, &parent).await.get("trunk_details").is_none());
    })
    .await;
}

#[tokio::test]
async fn trunks_are_their_projects() {
    TestApi::on_each_engine(|api| async move {
        let network = network(&api, json!({})).await;
        let parent = port(&api, &network).await;
        let body = json!({"trunk": {"port_id": parent}});
        let (kind, _) = api.refused(404, "other", "POST", "/v2.0/trunks", body.clone()).await;
        assert_eq!(kind, "PortNotFound");
        api.expect(403, "reader", "POST", "/v2.0/trunks", body).await;
        let trunk = id(&trunk(&api, json!({"port_id": parent})).await);
        for (method, path, body) in [
            ("GET", path(&trunk), Value::Null),
            ("PUT", path(&trunk), json!({"trunk": {"name": "x"}})),
            ("DELETE", path(&trunk), Value::Null),
            ("GET", format!("{}/get_subports", path(&trunk)), Value::Null),
            ("PUT", format!("{}/add_subports", path(&trunk)), json!({"sub_ports": []})),
            ("PUT", format!("{}/remove_subports", path(&trunk)), json!({"sub_ports": []})),
        ] {
            let (kind, _) = api.refused(404, "other", method, &path, body.clone()).await;
            assert_eq!(kind, "TrunkNotFound");
            if method != "GET" {
                api.expect(403, "reader", method, &path, body).await;
            }
        }
        api.expect(404, "member", "GET", &path(NOWHERE), Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn a_port_is_parent_of_one_trunk_and_free_before() {
    TestApi::on_each_engine(|api| async move {
        let network = network(&api, json!({})).await;
        let parent = port(&api, &network).await;
        let made = id(&trunk(&api, json!({"port_id": parent})).await);
        let body = json!({"trunk": {"port_id": parent}});
        let (kind, text) = api.refused(409, "member", "POST", "/v2.0/trunks", body).await;
        assert_eq!(kind, "ParentPortInUse");
        assert_eq!(
            text,
            format!(
                "Port {parent} is currently in use and is not eligible for use as a parent port. Blocked by trunk \
                 {made}."
            )
        );
        let (kind, text) =
            api.refused(409, "member", "DELETE", &format!("/v2.0/ports/{parent}"), Value::Null).await;
        assert_eq!(kind, "PortInUseAsTrunkParent");
        assert_eq!(text, format!("Port {parent} is currently a parent port for trunk {made}."));

        let wired = port(&api, &network).await;
        let host = json!({"port": {"binding:host_id": "compute-1"}});
        api.expect(200, "admin", "PUT", &format!("/v2.0/ports/{wired}"), host.clone()).await;
        let body = json!({"trunk": {"port_id": wired}});
        api.expect(409, "member", "POST", "/v2.0/trunks", body).await;
        // Once wired, the trunk stays.
        api.expect(200, "admin", "PUT", &format!("/v2.0/ports/{parent}"), host).await;
        let (kind, text) = api.refused(409, "member", "DELETE", &path(&made), Value::Null).await;
        let expected = format!("Trunk {made} is currently in use. Blocked by bound port {parent}.");
        assert_eq!((kind.as_str(), text), ("TrunkInUse", expected));
    })
    .await;
}
