//! Networks on several segments: what clients see, what is refused, where ports land.

use super::*;

fn vlan(id: u32) -> Value {
    json!({"provider:network_type": "vlan", "provider:physical_network": "physnet1",
        "provider:segmentation_id": id})
}

fn vxlan(id: u32) -> Value {
    json!({"provider:network_type": "vxlan", "provider:physical_network": null, "provider:segmentation_id": id})
}

#[tokio::test]
async fn several_segments_are_shown_as_a_list_and_one_as_provider_attributes() {
    on_each_engine(|api| async move {
        let object = json!({"name": "multi", "segments": [vlan(1998), {"provider:network_type": "vxlan",
            "provider:segmentation_id": "29999"}]});
        let made = api.create("admin", "/v2.0/networks", "network", object).await;
        assert_eq!(made["segments"], json!([vlan(1998), vxlan(29999)]));
        assert!(made.get("provider:network_type").is_none());
        assert_eq!(made["mtu"], 1450, "the least of both");
        let path = format!("/v2.0/networks/{}", id(&made));
        let shown = api.expect(200, "admin", "GET", &path, Value::Null).await;
        assert_eq!(shown["network"], made);
        let shared = json!({"network": {"shared": true}});
        api.expect(200, "admin", "PUT", &path, shared).await;
        let member = api.expect(200, "member", "GET", &path, Value::Null).await;
        assert!(member["network"].get("segments").is_none());
        for query in [
            "provider:network_type=vlan",
            "provider:segmentation_id=29999",
            "provider:physical_network=physnet1&provider:segmentation_id=1998",
        ] {
            let listed =
                api.expect(200, "admin", "GET", &format!("/v2.0/networks?{query}"), Value::Null).await;
            assert_eq!(listed["networks"][0]["id"], made["id"], "{query}");
        }
        let none = "/v2.0/networks?provider:network_type=vxlan&provider:segmentation_id=1998";
        let listed = api.expect(200, "admin", "GET", none, Value::Null).await;
        assert_eq!(listed["networks"], json!([]), "both of one segment");
        let single = json!({"segments": [vlan(7)]});
        let made = api.create("admin", "/v2.0/networks", "network", single).await;
        assert_eq!(made["provider:segmentation_id"], 7);
        assert!(made.get("segments").is_none());
    })
    .await;
}

#[tokio::test]
async fn a_network_gains_and_loses_the_list_with_its_segments() {
    on_each_engine(|api| async move {
        let object = json!({"provider:network_type": "vlan", "provider:physical_network": "physnet1"});
        let net = network(&api, object).await;
        let path = format!("/v2.0/networks/{net}");
        let shown = async || api.expect(200, "admin", "GET", &path, Value::Null).await["network"].clone();
        assert_eq!(shown().await["mtu"], 1500);
        let added = segment(&api, &net, json!({"network_type": "vxlan"})).await;
        assert_eq!(shown().await["segments"], json!([vlan(100), vxlan(1)]));
        assert_eq!(shown().await["mtu"], 1450, "nobody chose it");
        api.expect(204, "admin", "DELETE", &format!("/v2.0/segments/{}", id(&added)), Value::Null).await;
        assert_eq!(shown().await["provider:segmentation_id"], 100);
        assert_eq!(shown().await["mtu"], 1500);
    })
    .await;
}

#[tokio::test]
async fn lists_that_cannot_be_meant_are_refused_and_take_nothing() {
    on_each_engine(|api| async move {
        let refused = async |status: u16, token: &str, object: Value| {
            api.refused(status, token, "POST", "/v2.0/networks", json!({"network": object})).await
        };
        let mut both = vlan(3);
        both["segments"] = json!([vxlan(5)]);
        let (kind, message) = refused(400, "admin", both).await;
        assert_eq!(kind, "SegmentsSetInConjunctionWithProviders");
        assert_eq!(message, "Segments and provider values cannot both be set.");
        let (kind, message) = refused(400, "admin", json!({"segments": [vlan(3), vlan(3)]})).await;
        assert_eq!(kind, "SegmentsContainDuplicateEntry");
        assert_eq!(message, "Duplicate segment entry in request.");
        let (_, message) = refused(400, "admin", json!({"segments": [{"vlan": 3}]})).await;
        assert_eq!(message, "Invalid input for segments. Reason: Unrecognized attribute(s) 'vlan'.");
        refused(403, "member", json!({"segments": [vxlan(5)]})).await;
        // The second segment is in use: the first one is not taken either.
        network(&api, json!({"segments": [vxlan(5)]})).await;
        let (kind, _) = refused(409, "admin", json!({"segments": [vlan(100), vxlan(5)]})).await;
        assert_eq!(kind, "TunnelIdInUse");
        let free = json!({"provider:network_type": "vlan", "provider:physical_network": "physnet1"});
        let made = api.create("admin", "/v2.0/networks", "network", free).await;
        assert_eq!(made["provider:segmentation_id"], 100);
    })
    .await;
}

#[tokio::test]
async fn a_named_id_is_not_given_to_another_segment_of_the_request() {
    let api = TestApi::with_settings(Engine::Sqlite, settings()).await;
    let any = json!({"provider:network_type": "vlan", "provider:physical_network": "physnet1"});
    let object = json!({"segments": [any, vlan(100)]});
    let made = api.create("admin", "/v2.0/networks", "network", object).await;
    assert_eq!(made["segments"], json!([vlan(101), vlan(100)]));
}

#[tokio::test]
async fn segments_of_a_network_stay_where_they_are() {
    let api = TestApi::with_settings(Engine::Sqlite, settings()).await;
    let net = network(&api, json!({"segments": [vlan(100), vxlan(9)]})).await;
    let path = format!("/v2.0/networks/{net}");
    let same = json!({"network": {"segments": [vlan(100), vxlan(9)]}});
    api.expect(200, "admin", "PUT", &path, same).await;
    for object in [json!({"segments": [vlan(100)]}), vlan(100), json!({"provider:segmentation_id": 7})] {
        let (kind, message) = api.refused(400, "admin", "PUT", &path, json!({"network": object})).await;
        assert_eq!(kind, "InvalidInput");
        assert!(message.contains("Plugin does not support updating"), "{message}");
    }
}

#[tokio::test]
async fn a_port_is_on_the_first_segment_its_host_can_wire() {
    on_each_engine(|api| async move {
        host(&api, "near", "physnet1").await;
        host(&api, "far", "elsewhere").await;
        let flat = json!({"provider:network_type": "flat", "provider:physical_network": "physnet1"});
        let net = network(&api, json!({"segments": [vlan(100), flat, vxlan(9)]})).await;
        for (host, position) in [("near", 1), ("far", 2)] {
            let port = json!({"network_id": net, "binding:host_id": host});
            let port = api.create("admin", "/v2.0/ports", "port", port).await;
            assert_eq!(port["binding:vif_type"], "bridge");
            let mut session = api.store().reader().await.expect("a reader");
            let sql = "SELECT position FROM segments JOIN ports ON ports.binding_segment_id = segments.id \
                       WHERE ports.id = $1";
            let row = session.row(sql, values![id(&port)]).await.expect("a row").expect("a row");
            assert_eq!(row.columns().int().expect("a number"), position, "{host}");
        }
    })
    .await;
}

#[tokio::test]
async fn transparent_networks_are_refused_where_no_driver_makes_them() {
    let api = TestApi::new(Engine::Sqlite).await;
    let refused = async |object: Value| {
        api.refused(400, "member", "POST", "/v2.0/networks", json!({"network": object})).await
    };
    let expected = ("VlanTransparencyDriverError", "Backend does not support VLAN Transparency.");
    let (kind, message) = refused(json!({"vlan_transparent": true})).await;
    assert_eq!((kind.as_str(), message.as_str()), expected);
    assert_eq!(refused(json!({"qinq": true})).await.0, "QinqDriverError");
    assert_eq!(refused(json!({"qinq": true, "vlan_transparent": true})).await.0, "InvalidInput");
    network(&api, json!({"qinq": false, "vlan_transparent": null})).await;
}
