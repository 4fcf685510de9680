//! Networks through the API.

mod destroy;
mod lists;
mod refusals;
mod sharing;

use std::collections::BTreeMap;

use isospin_store_kit::Engine;
use serde_json::{Value, json};

use crate::testing::{ADMIN_PROJECT, NOWHERE, OTHER_PROJECT, PROJECT, TestApi};
use crate::{SegmentRange, Settings};

async fn network(api: &TestApi, token: &str, object: Value) -> Value {
    api.create(token, "/v2.0/networks", "network", object).await
}

fn path(network: &Value) -> String {
    format!("/v2.0/networks/{}", network["id"].as_str().expect("an id"))
}

/// The object without what differs between runs.
fn steady(mut object: Value) -> Value {
    let fields = object.as_object_mut().expect("an object");
    for name in ["id", "created_at", "updated_at"] {
        let text = fields.remove(name).expect(name);
        assert!(!text.as_str().expect("a text").is_empty(), "{name}");
    }
    object
}

#[tokio::test]
async fn a_network_has_the_keys_and_defaults_clients_know() {
    TestApi::on_each_engine(|api| async move {
        let made =
            network(&api, "admin", json!({"name": "n", "description": "d", "dns_domain": "Example.org."}))
                .await;
        let expected = json!({
            "name": "n", "tenant_id": ADMIN_PROJECT, "project_id": ADMIN_PROJECT, "admin_state_up": true,
            "mtu": 1450, "status": "ACTIVE", "subnets": [], "shared": false, "port_security_enabled": true, "qos_policy_id": null,
            "dns_domain": "example.org.", "router:external": false, "provider:network_type": "vxlan",
            "provider:physical_network": null, "provider:segmentation_id": 1, "is_default": false,
            "availability_zone_hints": [], "availability_zones": [], "ipv4_address_scope": null,
            "ipv6_address_scope": null, "description": "d", "tags": [], "revision_number": 1,
            "l2_adjacency": true,
        });
        assert_eq!(steady(made.clone()), expected);
        let shown = api.expect(200, "admin", "GET", &path(&made), Value::Null).await;
        assert_eq!(shown["network"], made);
        let listed = api.expect(200, "admin", "GET", "/v2.0/networks", Value::Null).await;
        assert_eq!(listed, json!({"networks": [made]}));
    })
    .await;
}

#[tokio::test]
async fn members_do_not_see_where_a_network_is() {
    let api = TestApi::new(Engine::Sqlite).await;
    let made = network(&api, "member", json!({"name": "n"})).await;
    let hidden = ["provider:network_type", "provider:physical_network", "provider:segmentation_id"];
    let shown = api.expect(200, "member", "GET", &path(&made), Value::Null).await;
    for key in hidden {
        assert!(made.get(key).is_none() && shown["network"].get(key).is_none(), "{key}");
    }
    let listed = api.expect(200, "admin", "GET", "/v2.0/networks", Value::Null).await;
    assert_eq!(listed["networks"][0]["provider:segmentation_id"], 1);
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_counts() {
    TestApi::on_each_engine(|api| async move {
        let made = network(&api, "member", json!({"name": "n"})).await;
        let update = json!({"network": {"name": "m", "admin_state_up": "false", "mtu": 1400}});
        let changed = api.expect(200, "member", "PUT", &path(&made), update.clone()).await;
        assert_eq!(changed["network"]["name"], "m");
        assert_eq!(changed["network"]["admin_state_up"], false);
        assert_eq!(changed["network"]["mtu"], 1400);
        assert_eq!(changed["network"]["revision_number"], 2);
        let again = api.expect(200, "member", "PUT", &path(&made), update).await;
        assert_eq!(again["network"]["revision_number"], 2, "nothing changed");
        let back = api.expect(200, "member", "PUT", &path(&made), json!({"network": {"mtu": 0}})).await;
        assert_eq!(back["network"]["mtu"], 1450, "0 leaves the choice to the server");
    })
    .await;
}

#[tokio::test]
async fn only_the_named_revision_is_changed() {
    let api = TestApi::new(Engine::Sqlite).await;
    let made = network(&api, "member", json!({})).await;
    let put = |revision: &'static str, name: &'static str| {
        let body = json!({"network": {"name": name}}).to_string().into_bytes();
        let headers: &'static [(&str, &str)] = match revision {
            "1" => &[("if-match", "revision_number=1")],
            "2" => &[("if-match", "revision_number=2")],
            _ => &[("if-match", "revision_number=x")],
        };
        api.send("member", "PUT", Box::leak(path(&made).into_boxed_str()), headers, body)
    };
    assert_eq!(put("1", "a").await.0, 200);
    let (status, _, body) = put("1", "b").await;
    assert_eq!(status, 412);
    assert_eq!(body["NeutronError"]["type"], "RevisionNumberConstraintFailed");
    assert_eq!(body["NeutronError"]["message"], "Constrained to 1, but current revision is 2");
    assert_eq!(put("x", "b").await.0, 400);
    assert_eq!(put("2", "b").await.0, 200);
    let (status, ..) =
        api.send("member", "DELETE", &path(&made), &[("if-match", "revision_number=1")], Vec::new()).await;
    assert_eq!(status, 412);
}

#[tokio::test]
async fn a_deleted_network_leaves_nothing_and_frees_its_segment() {
    TestApi::on_each_engine(|api| async move {
        api.agent("DHCP agent", "host-1", "nova").await;
        let made = network(&api, "admin", json!({})).await;
        let subnet = json!({"network_id": made["id"], "cidr": "10.0.0.0/24", "ip_version": 4});
        api.create("admin", "/v2.0/subnets", "subnet", subnet).await;
        let tags = format!("{}/tags", path(&made));
        api.expect(200, "admin", "PUT", &tags, json!({"tags": ["a"]})).await;
        let ports = api.expect(200, "admin", "GET", "/v2.0/ports", Value::Null).await;
        assert_eq!(ports["ports"][0]["device_owner"], "network:dhcp");

        let (status, _, body) = api.request("admin", "DELETE", &path(&made), Value::Null).await;
        assert_eq!((status, body), (204, Value::Null));
        for collection in ["networks", "subnets", "ports"] {
            let left = api.expect(200, "admin", "GET", &format!("/v2.0/{collection}"), Value::Null).await;
            assert_eq!(left[collection], json!([]), "{collection}");
        }
        api.write(|tx| {
            Box::pin(async move {
                for table in ["tags", "dhcp_bindings", "free_addresses", "allocation_pools"] {
                    let rows = tx.rows(&format!("SELECT 1 FROM {table}"), vec![]).await?;
                    assert!(rows.is_empty(), "{table}");
                }
                let used = tx.rows("SELECT resource FROM quota_usage WHERE used <> 0", vec![]).await?;
                assert!(used.is_empty(), "{used:?}");
                Ok(())
            })
        })
        .await;
        let next = network(&api, "admin", json!({})).await;
        assert_eq!(next["provider:segmentation_id"], 1);
    })
    .await;
}

#[tokio::test]
async fn a_network_with_other_ports_stays() {
    let api = TestApi::new(Engine::Sqlite).await;
    let made = network(&api, "member", json!({})).await;
    let port = api.create("member", "/v2.0/ports", "port", json!({"network_id": made["id"]})).await;
    let refused = api.refused(409, "member", "DELETE", &path(&made), Value::Null).await;
    let message = format!(
        "Unable to complete operation on network {}. There are one or more ports still in use on the network, id \
         for these ports is: {}.",
        made["id"].as_str().expect("an id"),
        port["id"].as_str().expect("an id"),
    );
    assert_eq!(refused, ("NetworkInUse".to_owned(), message));
    assert_eq!(api.expect(200, "member", "GET", &path(&made), Value::Null).await["network"], made);
}

#[tokio::test]
async fn provider_networks_take_what_they_name() {
    let settings = Settings {
        vlan_ranges: BTreeMap::from([("physnet1".to_owned(), vec![SegmentRange { first: 5, last: 6 }])]),
        global_physnet_mtu: 9000,
        path_mtu: 1500,
        ..Settings::default()
    };
    let api = TestApi::with_settings(Engine::Sqlite, settings).await;
    let vlan = json!({"provider:network_type": "vlan", "provider:physical_network": "physnet1",
        "provider:segmentation_id": "1999"});
    let made = network(&api, "admin", vlan.clone()).await;
    assert_eq!(made["provider:segmentation_id"], 1999);
    assert_eq!(made["mtu"], 9000);
    let refused = api.refused(409, "admin", "POST", "/v2.0/networks", json!({"network": vlan})).await;
    let message = "Unable to create the network. The VLAN 1999 on physical network physnet1 is in use.";
    assert_eq!(refused, ("VlanIdInUse".to_owned(), message.to_owned()));

    let vxlan = json!({"provider:network_type": "vxlan", "provider:segmentation_id": 7});
    assert_eq!(network(&api, "admin", vxlan.clone()).await["mtu"], 1450);
    let (kind, _) = api.refused(409, "admin", "POST", "/v2.0/networks", json!({"network": vxlan})).await;
    assert_eq!(kind, "TunnelIdInUse");

    let flat = json!({"provider:network_type": "flat", "provider:physical_network": "public"});
    assert_eq!(network(&api, "admin", flat.clone()).await["provider:segmentation_id"], Value::Null);
    let (kind, _) = api.refused(409, "admin", "POST", "/v2.0/networks", json!({"network": flat})).await;
    assert_eq!(kind, "FlatNetworkInUse");
}

#[tokio::test]
async fn the_segmentation_id_moves_while_no_port_is_bound() {
    TestApi::on_each_engine(|api| async move {
        let made = network(&api, "admin", json!({})).await;
        let other = network(&api, "admin", json!({})).await;
        let to = |id: i64| json!({"network": {"provider:segmentation_id": id}});
        let changed = api.expect(200, "admin", "PUT", &path(&made), to(50)).await;
        assert_eq!(changed["network"]["provider:segmentation_id"], 50);
        assert_eq!(
            network(&api, "admin", json!({})).await["provider:segmentation_id"],
            1,
            "the old id is free"
        );
        let (kind, _) = api.refused(409, "admin", "PUT", &path(&made), to(2)).await;
        assert_eq!((kind.as_str(), &other["provider:segmentation_id"]), ("TunnelIdInUse", &json!(2)));
        let elsewhere =
            json!({"network": {"provider:network_type": "vlan", "provider:physical_network": "p"}});
        let refused = api.refused(400, "admin", "PUT", &path(&made), elsewhere).await;
        assert_eq!(refused.0, "InvalidInput");
        assert!(refused.1.contains("provider:network_type, provider:physical_network"), "{}", refused.1);
        let same = json!({"network": {"provider:network_type": "vxlan"}});
        api.expect(200, "admin", "PUT", &path(&made), same).await;
        let port = json!({"network_id": made["id"], "binding:host_id": "host-1"});
        api.create("admin", "/v2.0/ports", "port", port).await;
        let (kind, _) = api.refused(400, "admin", "PUT", &path(&made), to(51)).await;
        assert_eq!(kind, "InvalidInput");
    })
    .await;
}

#[tokio::test]
async fn mtus_have_bounds() {
    let api = TestApi::new(Engine::Sqlite).await;
    let refused =
        api.refused(400, "member", "POST", "/v2.0/networks", json!({"network": {"mtu": 1451}})).await;
    assert_eq!(refused.1, "Invalid input for operation: Requested MTU is too big, maximum is 1450.");
    let made = network(&api, "member", json!({"mtu": 1000})).await;
    let v6 = json!({"subnet": {"network_id": made["id"], "ip_version": 6, "cidr": "fd00::/64"}});
    let (kind, _) = api.refused(409, "member", "POST", "/v2.0/subnets", v6.clone()).await;
    assert_eq!(kind, "NetworkMTUSubnetConflict");
    api.expect(200, "member", "PUT", &path(&made), json!({"network": {"mtu": 1280}})).await;
    api.expect(201, "member", "POST", "/v2.0/subnets", v6).await;
    for mtu in [1279, 67] {
        let (kind, _) =
            api.refused(409, "member", "PUT", &path(&made), json!({"network": {"mtu": mtu}})).await;
        assert_eq!(kind, "NetworkMTUSubnetConflict", "{mtu}");
    }
}

#[tokio::test]
async fn an_mtu_nobody_chose_follows_the_settings() {
    TestApi::on_each_engine(|mut api| async move {
        let free = network(&api, "member", json!({})).await;
        let chosen = network(&api, "member", json!({"mtu": 1400})).await;
        let settings = Settings { path_mtu: 1300, ..Settings::default() };
        api.app.settings = settings.into();
        api.app.prepare().await.expect("a prepared database");
        let mtu = async |made: &Value| {
            api.expect(200, "member", "GET", &path(made), Value::Null).await["network"]["mtu"].clone()
        };
        assert_eq!(mtu(&free).await, 1250);
        assert_eq!(mtu(&chosen).await, 1400);
    })
    .await;
}

#[tokio::test]
async fn zones_are_hinted_and_shown() {
    TestApi::on_each_engine(|api| async move {
        api.agent("DHCP agent", "host-1", "zone-1").await;
        api.agent("DHCP agent", "host-2", "zone-2").await;
        let body = json!({"network": {"availability_zone_hints": ["zone-3"]}});
        let refused = api.refused(404, "member", "POST", "/v2.0/networks", body).await;
        let message = "AvailabilityZone zone-3 could not be found.";
        assert_eq!(refused, ("AvailabilityZoneNotFound".to_owned(), message.to_owned()));
        let made = network(&api, "member", json!({"availability_zone_hints": ["zone-2"]})).await;
        let subnet = json!({"network_id": made["id"], "cidr": "10.0.0.0/24", "ip_version": 4});
        api.create("member", "/v2.0/subnets", "subnet", subnet).await;
        let shown = api.expect(200, "member", "GET", &path(&made), Value::Null).await;
        assert_eq!(shown["network"]["availability_zones"], json!(["zone-2"]));
        let listed = api.expect(200, "member", "GET", "/v2.0/networks", Value::Null).await;
        assert_eq!(listed["networks"][0], shown["network"]);
    })
    .await;
}
