//! The ports of trunks.

use serde_json::{Value, json};

use super::{id, network, path, port, shown_port, trunk, vlan};
use crate::testing::{NOWHERE, TestApi};

async fn add(api: &TestApi, status: u16, trunk: &str, sub_ports: Value) -> Value {
    let path = format!("{}/add_subports", path(trunk));
    api.expect(status, "member", "PUT", &path, json!({"sub_ports": sub_ports})).await
}

/// The type of the refusal to add these.
async fn refusal(api: &TestApi, status: u16, trunk: &str, sub_ports: Value) -> String {
    let fault = add(api, status, trunk, sub_ports).await;
    fault["NeutronError"]["type"].as_str().expect("a fault").to_owned()
}

#[tokio::test]
async fn ports_join_and_leave_a_trunk() {
    TestApi::on_each_engine(|api| async move {
        let network = network(&api, json!({})).await;
        let (parent, one, two) =
            (port(&api, &network).await, port(&api, &network).await, port(&api, &network).await);
        let made = trunk(&api, json!({"port_id": parent, "sub_ports": [vlan(&one, 45)]})).await;
        assert_eq!(made["sub_ports"], json!([vlan(&one, 45)]));
        let trunk = id(&made);
        let found = shown_port(&api, &one).await;
        assert_eq!((&found["device_id"], &found["device_owner"]), (&json!(trunk), &json!("trunk:subport")));
        let changed = add(&api, 200, &trunk, json!([vlan(&two, 7)])).await;
        assert_eq!(changed["sub_ports"], json!([vlan(&two, 7), vlan(&one, 45)]));
        assert_eq!(changed["revision_number"], 1);
        let listed =
            api.expect(200, "reader", "GET", &format!("{}/get_subports", path(&trunk)), Value::Null).await;
        assert_eq!(listed, json!({"sub_ports": [vlan(&two, 7), vlan(&one, 45)]}));
        let details = shown_port(&api, &parent).await["trunk_details"].take();
        assert_eq!(details["trunk_id"], trunk.as_str());
        assert_eq!(
            details["sub_ports"][1],
            json!({"segmentation_id": 45, "segmentation_type": "vlan", "port_id": one,
                "mac_address": found["mac_address"]})
        );
        let (kind, text) =
            api.refused(409, "member", "DELETE", &format!("/v2.0/ports/{one}"), Value::Null).await;
        assert_eq!(kind, "PortInUseAsSubPort");
        assert_eq!(text, format!("Port {one} is currently a subport for trunk {trunk}."));
        let leaving = json!({"sub_ports": [{"port_id": one}]});
        let remove = format!("{}/remove_subports", path(&trunk));
        let changed = api.expect(200, "member", "PUT", &remove, leaving.clone()).await;
        assert_eq!(changed["sub_ports"], json!([vlan(&two, 7)]));
        let (kind, _) = api.refused(404, "member", "PUT", &remove, leaving).await;
        assert_eq!(kind, "SubPortNotFound");
        let found = shown_port(&api, &one).await;
        assert_eq!((&found["device_id"], &found["device_owner"]), (&json!(""), &json!("")));
        api.expect(204, "member", "DELETE", &path(&trunk), Value::Null).await;
        assert_eq!(shown_port(&api, &two).await["device_owner"], "");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_join_is_refused_by_name() {
    TestApi::on_each_engine(|api| async move {
        let network_id = network(&api, json!({"mtu": 1400})).await;
        let wide = network(&api, json!({"mtu": 1450})).await;
        let mut ports = Vec::new();
        for _ in 0..5 {
            ports.push(port(&api, &network_id).await);
        }
        let [parent, one, two, used, other] = ports.as_slice() else { panic!("five ports") };
        let first = id(&trunk(&api, json!({"port_id": parent, "sub_ports": [vlan(one, 45)]})).await);
        let second = id(&trunk(&api, json!({"port_id": other})).await);
        let device = json!({"port": {"device_id": "an-instance"}});
        api.expect(200, "member", "PUT", &format!("/v2.0/ports/{used}"), device).await;
        let large = port(&api, &wide).await;
        for (status, sub_port, expected) in [
            (409, vlan(two, 45), "DuplicateSubPort"),
            (409, vlan(one, 46), "TrunkPortInUse"),
            (409, vlan(parent, 46), "ParentPortInUse"),
            (409, vlan(other, 46), "ParentPortInUse"),
            (409, vlan(used, 46), "PortInUse"),
            (409, vlan(&large, 46), "SubPortMtuGreaterThanTrunkPortMtu"),
            (404, vlan(NOWHERE, 46), "PortNotFound"),
            (400, vlan(two, 0), "InvalidInput"),
            (400, vlan(two, 4095), "InvalidInput"),
            (400, json!({"port_id": two, "segmentation_type": "inherit"}), "InvalidInput"),
            (400, json!({"port_id": two, "segmentation_type": "qinq", "segmentation_id": 1}), "InvalidInput"),
            (400, json!({"port_id": two}), "InvalidInput"),
            (400, json!({"segmentation_type": "vlan", "segmentation_id": 1}), "InvalidInput"),
            (400, json!({"port_id": two, "colour": "red"}), "InvalidInput"),
        ] {
            assert_eq!(refusal(&api, status, &first, json!([sub_port])).await, expected, "{sub_port}");
        }
        assert_eq!(refusal(&api, 409, &second, json!([vlan(one, 45)])).await, "TrunkPortInUse");
        assert_eq!(refusal(&api, 400, &first, json!([vlan(two, 1), vlan(two, 2)])).await, "InvalidInput");
        // A port of a trunk is no parent of another.
        let body = json!({"trunk": {"port_id": one}});
        let (kind, _) = api.refused(409, "member", "POST", "/v2.0/trunks", body).await;
        assert_eq!(kind, "TrunkPortInUse");
        // Nothing of a refused request is kept.
        assert_eq!(refusal(&api, 409, &first, json!([vlan(two, 50), vlan(used, 51)])).await, "PortInUse");
        assert_eq!(shown_port(&api, two).await["device_owner"], "");
        let down = json!({"trunk": {"admin_state_up": false}});
        api.expect(200, "member", "PUT", &path(&first), down).await;
        assert_eq!(refusal(&api, 409, &first, json!([vlan(two, 50)])).await, "TrunkDisabled");
    })
    .await;
}
