//! Wishes about the network card, and what watchers of the data plane say.

use isospin_store_kit::Engine;
use serde_json::{Value, json};

use super::{Lab, id, port, refused_port, refused_update, shown, update};
use crate::testing::TestApi;

#[tokio::test]
async fn what_nobody_said_is_null() {
    let api = TestApi::new(Engine::Sqlite).await;
    let lab = Lab::new(&api).await;
    let made = port(&api, "admin", &lab.network, json!({})).await;
    for name in ["data_plane_status", "device_profile", "hardware_offload_type", "hints", "trusted"] {
        assert_eq!(made.get(name), Some(&Value::Null), "{name}");
    }
    assert_eq!(made.get("numa_affinity_policy"), Some(&Value::Null));
    assert_eq!(made["propagate_uplink_status"], true);
}

#[tokio::test]
async fn wishes_are_kept_and_nova_finds_them_in_the_profile() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let hints = json!({"openvswitch": {"other_config": {"tx-steering": "hash"}}});
        let wishes = json!({"device_profile": "fpga", "hardware_offload_type": "switchdev", "trusted": true,
            "numa_affinity_policy": "socket", "hints": hints, "propagate_uplink_status": false,
            "binding:vnic_type": "direct"});
        let made = port(&api, "admin", &lab.network, wishes.clone()).await;
        for (name, value) in wishes.as_object().expect("an object") {
            assert_eq!(&made[name], value, "{name}");
        }
        assert_eq!(made["binding:profile"], json!({"capabilities": ["switchdev"], "trusted": true}));
        let change = json!({"numa_affinity_policy": null, "trusted": false, "hints": null,
            "propagate_uplink_status": true});
        let changed = update(&api, "admin", &id(&made), change.clone()).await;
        for (name, value) in change.as_object().expect("an object") {
            assert_eq!(&changed[name], value, "{name}");
        }
        assert_eq!(shown(&api, "admin", &id(&made)).await, changed);
        let again = update(&api, "admin", &id(&made), change).await;
        assert_eq!(again["revision_number"], changed["revision_number"]);
        let (_, message) =
            refused_update(&api, 400, "admin", &id(&made), json!({"device_profile": "x"})).await;
        assert_eq!(message, "Cannot update read-only attribute device_profile");
    })
    .await;
}

#[tokio::test]
async fn members_say_less() {
    let api = TestApi::new(Engine::Sqlite).await;
    let lab = Lab::new(&api).await;
    refused_port(&api, 403, "member", &lab.network, json!({"trusted": true})).await;
    let hints = json!({"openvswitch": {"other_config": {"tx-steering": "thread"}}});
    refused_port(&api, 403, "member", &lab.network, json!({ "hints": hints })).await;
    refused_port(&api, 400, "admin", &lab.network, json!({"hints": {"ovn": {}}})).await;
    refused_port(&api, 400, "member", &lab.network, json!({"numa_affinity_policy": "near"})).await;
    refused_port(&api, 400, "admin", &lab.network, json!({"data_plane_status": "DOWN"})).await;
    let made = port(&api, "member", &lab.network, json!({"numa_affinity_policy": "required"})).await;
    assert!(made.get("trusted").is_none() && made.get("hints").is_none());
    refused_update(&api, 403, "member", &id(&made), json!({"data_plane_status": "DOWN"})).await;
    // N08: the rule is asked for the default value too.
    refused_update(&api, 403, "member", &id(&made), json!({"trusted": null})).await;
    let down = update(&api, "admin", &id(&made), json!({"data_plane_status": "DOWN"})).await;
    assert_eq!(down["data_plane_status"], "DOWN");
    assert_eq!(shown(&api, "member", &id(&made)).await["data_plane_status"], "DOWN");
    let unsaid = update(&api, "admin", &id(&made), json!({"data_plane_status": null})).await;
    assert_eq!(unsaid["data_plane_status"], Value::Null);
}
