//! Binding to hosts, and who must report before a port is ACTIVE.

use isospin_store_kit::values;
use serde_json::{Value, json};

use super::{Lab, agent, bridge_agent, id, network, pending, port, refused_update, shown, subnet, update};
use crate::testing::TestApi;

const MAPPED: &str = r#"{"bridge_mappings": {"physnet1": "br1"}}"#;

fn vif(port: &Value) -> (&str, &str, &str) {
    let text = |key: &str| port[key].as_str().expect("a text");
    (text("binding:host_id"), text("binding:vif_type"), text("status"))
}

#[tokio::test]
async fn a_host_with_an_alive_agent_wires_the_port() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        bridge_agent(&api, "host-1", "{}").await;
        let object = json!({"binding:host_id": "host-1", "device_owner": "compute:nova", "device_id": "vm"});
        let made = port(&api, "admin", &lab.network, object).await;
        assert_eq!(vif(&made), ("host-1", "bridge", "BUILD"));
        assert_eq!(
            made["binding:vif_details"],
            json!({"port_filter": true, "connectivity": "l2", "bound_drivers": {"0": "linuxbridge"}})
        );
        assert_eq!(pending(&api, &id(&made)).await, ["l2"]);
        // The member sees neither host nor vif.
        let seen = shown(&api, "member", &id(&made)).await;
        assert!(seen.get("binding:host_id").is_none());

        let moved = update(&api, "admin", &id(&made), json!({"binding:host_id": "host-2"})).await;
        assert_eq!(vif(&moved), ("host-2", "binding_failed", "DOWN"));
        assert_eq!(moved["binding:vif_details"], json!({}));
        assert_eq!(pending(&api, &id(&made)).await, [""; 0]);
        bridge_agent(&api, "host-2", "{}").await;
        let again = update(&api, "admin", &id(&made), json!({"binding:host_id": "host-2"})).await;
        assert_eq!(vif(&again), ("host-2", "bridge", "BUILD"));
        let parted = update(&api, "admin", &id(&made), json!({"binding:host_id": ""})).await;
        assert_eq!(vif(&parted), ("", "unbound", "DOWN"));
        assert_eq!(pending(&api, &id(&made)).await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn an_agent_not_heard_of_wires_nothing() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        agent(&api, "silent", "{}", "2026-01-01 00:00:00".to_owned()).await;
        let made = port(&api, "admin", &lab.network, json!({"binding:host_id": "silent"})).await;
        assert_eq!(vif(&made), ("silent", "binding_failed", "DOWN"));
        let direct = json!({"binding:host_id": "host-1", "binding:vnic_type": "direct"});
        bridge_agent(&api, "host-1", "{}").await;
        let made = port(&api, "admin", &lab.network, direct).await;
        assert_eq!(vif(&made), ("host-1", "binding_failed", "DOWN"), "a bridge wires no other kind of card");
        let normal = update(&api, "admin", &id(&made), json!({"binding:vnic_type": "normal"})).await;
        assert_eq!(vif(&normal), ("host-1", "bridge", "BUILD"));
        let (kind, _) =
            refused_update(&api, 409, "admin", &id(&made), json!({"binding:vnic_type": "direct"})).await;
        assert_eq!(kind, "PortInUse");
    })
    .await;
}

#[tokio::test]
async fn a_physical_network_must_reach_the_host() {
    TestApi::on_each_engine(|api| async move {
        bridge_agent(&api, "mapped", MAPPED).await;
        bridge_agent(&api, "bare", "{}").await;
        for (physical, host, expected) in [
            ("physnet1", "mapped", "bridge"),
            ("physnet1", "bare", "binding_failed"),
            ("physnet2", "mapped", "binding_failed"),
        ] {
            let object = json!({"provider:network_type": "flat", "provider:physical_network": physical});
            let (status, _, body) =
                api.request("admin", "POST", "/v2.0/networks", json!({ "network": object })).await;
            let flat = match status {
                201 => id(&body["network"]),
                _ => {
                    let query = format!("/v2.0/networks?provider:physical_network={physical}");
                    id(&api.expect(200, "admin", "GET", &query, Value::Null).await["networks"][0])
                }
            };
            let made = port(&api, "admin", &flat, json!({ "binding:host_id": host })).await;
            assert_eq!(made["binding:vif_type"], expected, "{physical} on {host}");
        }
    })
    .await;
}

#[tokio::test]
async fn dhcp_reports_too_where_it_serves_the_port() {
    TestApi::on_each_engine(|api| async move {
        bridge_agent(&api, "host-1", "{}").await;
        let net = network(&api, "member", json!({})).await;
        let served = subnet(&api, "member", &net, json!({"cidr": "10.1.0.0/24", "enable_dhcp": true})).await;
        let bare = subnet(&api, "member", &net, json!({"cidr": "10.2.0.0/24"})).await;
        let on = |subnet: &str, owner: &str| {
            json!({"binding:host_id": "host-1", "device_owner": owner, "fixed_ips": [{ "subnet_id": subnet }]})
        };
        let before = port(&api, "admin", &net, on(&served, "compute:nova")).await;
        assert_eq!(pending(&api, &id(&before)).await, ["l2"], "no host serves DHCP yet");
        let network_id = net.clone();
        api.write(move |tx| {
            Box::pin(async move {
                tx.execute("DELETE FROM dhcp_bindings WHERE network_id = $1", values![&network_id]).await?;
                tx.execute(
                    "INSERT INTO dhcp_bindings (network_id, host) VALUES ($1, 'host-1')",
                    values![&network_id],
                )
                .await?;
                Ok(())
            })
        })
        .await;
        for (subnet, owner, parties) in [
            (&served, "compute:nova", &["dhcp", "l2"][..]),
            (&bare, "compute:nova", &["l2"][..]),
            (&served, "", &["l2"][..]),
            (&served, "network:x", &["l2"][..]),
        ] {
            let made = port(&api, "admin", &net, on(subnet, owner)).await;
            assert_eq!(made["status"], "BUILD");
            assert_eq!(pending(&api, &id(&made)).await, parties, "{owner}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_port_switched_off_is_down_and_starts_again() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        bridge_agent(&api, "host-1", "{}").await;
        let object =
            json!({"binding:host_id": "host-1", "device_owner": "compute:nova", "admin_state_up": false});
        let made = port(&api, "admin", &lab.network, object).await;
        assert_eq!(vif(&made), ("host-1", "bridge", "DOWN"));
        assert_eq!(pending(&api, &id(&made)).await, [""; 0]);
        let up = update(&api, "admin", &id(&made), json!({"admin_state_up": true})).await;
        assert_eq!(up["status"], "BUILD");
        assert_eq!(pending(&api, &id(&made)).await, ["l2"]);
        let down = update(&api, "admin", &id(&made), json!({"admin_state_up": false})).await;
        assert_eq!(down["status"], "DOWN");
        assert_eq!(pending(&api, &id(&made)).await, [""; 0]);
        let holder = json!({"binding:host_id": "host-1", "device_owner": "network:floatingip"});
        assert_eq!(port(&api, "admin", &lab.network, holder).await["status"], "N/A");
    })
    .await;
}

#[tokio::test]
async fn the_mac_of_a_bound_port_stays() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        bridge_agent(&api, "host-1", "{}").await;
        let made = port(&api, "admin", &lab.network, json!({"binding:host_id": "host-1"})).await;
        let mac = made["mac_address"].clone();
        let (kind, message) =
            refused_update(&api, 409, "admin", &id(&made), json!({"mac_address": "fa:16:3e:00:00:01"})).await;
        assert_eq!(kind, "PortBound");
        assert!(message.contains("port type: bridge"), "{message}");
        update(&api, "admin", &id(&made), json!({ "mac_address": mac })).await;
    })
    .await;
}

#[tokio::test]
async fn only_services_write_the_profile() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let made = id(&port(&api, "member", &lab.network, json!({})).await);
        let profile = json!({"binding:profile": {"migrating_to": "host-2"}});
        refused_update(&api, 403, "admin", &made, profile.clone()).await;
        let changed = update(&api, "service", &made, profile).await;
        assert_eq!(changed["binding:profile"], json!({"migrating_to": "host-2"}));
        let large = json!({"binding:profile": {"x": "y".repeat(4096)}});
        refused_update(&api, 400, "service", &made, large).await;
        assert_eq!(
            update(&api, "service", &made, json!({"binding:profile": null})).await["binding:profile"],
            json!({})
        );
    })
    .await;
}
