//! Networks opened to some: who sees, who uses, and what keeps an entry.

use isospin_store_kit::Engine;
use serde_json::{Value, json};

use super::*;
use crate::testing::{ADMIN_PROJECT, OTHER_PROJECT, PROJECT};

async fn seen(api: &TestApi, token: &str, query: &str) -> Vec<Value> {
    let path = format!("/v2.0/networks?{query}");
    let listed = api.expect(200, token, "GET", &path, Value::Null).await;
    listed["networks"].as_array().expect("a list").iter().map(|item| item["id"].clone()).collect()
}

#[tokio::test]
async fn a_network_shared_with_one_project_is_that_projects_to_use() {
    TestApi::on_each_engine(|api| async move {
        let network = api.create("member", "/v2.0/networks", "network", json!({})).await;
        let path = format!("/v2.0/networks/{}", id(&network));
        let subnet = json!({"network_id": network["id"], "cidr": "10.0.0.0/24", "ip_version": 4});
        let subnet = api.create("member", "/v2.0/subnets", "subnet", subnet).await;
        let subnet_path = format!("/v2.0/subnets/{}", id(&subnet));
        let port = json!({"port": {"network_id": network["id"]}});
        api.refused(404, "other", "GET", &path, Value::Null).await;
        api.refused(404, "other", "GET", &subnet_path, Value::Null).await;
        api.refused(404, "other", "POST", "/v2.0/ports", port.clone()).await;

        let url = share(&api, "member", &network, OTHER_PROJECT).await;
        let shown = api.expect(200, "other", "GET", &path, Value::Null).await;
        assert_eq!(shown["network"]["shared"], true, "as its new user sees it");
        let shown = api.expect(200, "member", "GET", &path, Value::Null).await;
        assert_eq!(shown["network"]["shared"], false, "as its owner sees it");
        assert_eq!(shown["network"]["revision_number"], 3, "the subnet and the entry");
        assert_eq!(seen(&api, "other", "").await, [network["id"].clone()]);
        assert_eq!(seen(&api, "other", "shared=True").await.len(), 1);
        assert_eq!(seen(&api, "member", "shared=True").await.len(), 0);
        assert_eq!(seen(&api, "member", "shared=False").await.len(), 1);
        api.expect(200, "other", "GET", &subnet_path, Value::Null).await;
        let subnets = api.expect(200, "other", "GET", "/v2.0/subnets", Value::Null).await;
        assert_eq!(subnets["subnets"].as_array().map(Vec::len), Some(1));
        let made = api.expect(201, "other", "POST", "/v2.0/ports", port).await["port"].clone();
        assert_eq!(made["fixed_ips"][0]["subnet_id"], subnet["id"]);
        api.refused(403, "other", "DELETE", &path, Value::Null).await;
        for path in [&path, &subnet_path] {
            api.expect(200, "other", "GET", &format!("{path}/tags"), Value::Null).await;
            api.refused(403, "other", "PUT", &format!("{path}/tags/x"), Value::Null).await;
        }

        let (kind, message) = api.refused(409, "member", "DELETE", &url, Value::Null).await;
        assert_eq!(kind, "RbacPolicyInUse");
        assert!(message.contains(&format!("port {}", id(&made))), "{message}");
        let moved = json!({"rbac_policy": {"target_tenant": ADMIN_PROJECT}});
        assert_eq!(api.refused(409, "member", "PUT", &url, moved.clone()).await.0, "RbacPolicyInUse");
        let port = format!("/v2.0/ports/{}", id(&made));
        api.expect(204, "other", "DELETE", &port, Value::Null).await;
        api.expect(200, "member", "PUT", &url, moved).await;
        api.refused(404, "other", "GET", &path, Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn shared_and_the_entry_for_all_are_one_thing() {
    TestApi::on_each_engine(|api| async move {
        let network = api.create("admin", "/v2.0/networks", "network", json!({"shared": true})).await;
        assert_eq!((&network["shared"], &network["revision_number"]), (&json!(true), &json!(1)));
        let path = format!("/v2.0/networks/{}", id(&network));
        let list = format!("{PATH}?object_id={}", id(&network));
        let entries =
            async || api.expect(200, "admin", "GET", &list, Value::Null).await["rbac_policies"].clone();
        let made = entries().await;
        assert_eq!(made[0]["target_tenant"], "*");
        assert_eq!(made[0]["action"], "access_as_shared");
        assert_eq!(made[0]["project_id"], ADMIN_PROJECT);
        let url = format!("{PATH}/{}", id(&made[0]));
        api.expect(204, "admin", "DELETE", &url, Value::Null).await;
        let shown = api.expect(200, "admin", "GET", &path, Value::Null).await;
        assert_eq!(shown["network"]["shared"], false);
        assert_eq!(seen(&api, "other", "").await, Vec::<Value>::new());
        share(&api, "admin", &network, "*").await;
        let shown = api.expect(200, "other", "GET", &path, Value::Null).await;
        assert_eq!(shown["network"]["shared"], true);
        let again = json!({"network": {"shared": true}});
        api.expect(200, "admin", "PUT", &path, again).await;
        assert_eq!(entries().await.as_array().map(Vec::len), Some(1));
        let changed = api.expect(200, "admin", "PUT", &path, json!({"network": {"shared": false}})).await;
        assert_eq!(changed["network"]["shared"], false);
        assert_eq!(entries().await, json!([]));
    })
    .await;
}

#[tokio::test]
async fn whoever_has_another_entry_does_not_keep_the_one_for_all() {
    TestApi::on_each_engine(|api| async move {
        let network = api.create("admin", "/v2.0/networks", "network", json!({"shared": true})).await;
        let path = format!("/v2.0/networks/{}", id(&network));
        let port = json!({"network_id": network["id"]});
        api.create("other", "/v2.0/ports", "port", port.clone()).await;
        let unshare = json!({"network": {"shared": false}});
        assert_eq!(api.refused(409, "admin", "PUT", &path, unshare.clone()).await.0, "InvalidSharedSetting");
        let single = share(&api, "admin", &network, OTHER_PROJECT).await;
        // While the network is for all, nobody needs the single entry.
        api.expect(204, "admin", "DELETE", &single, Value::Null).await;
        share(&api, "admin", &network, OTHER_PROJECT).await;
        let mine = api.create("member", "/v2.0/ports", "port", port).await;
        assert_eq!(
            api.refused(409, "admin", "PUT", &path, unshare.clone()).await.0,
            "InvalidSharedSetting",
            "another project is left"
        );
        let mine = format!("/v2.0/ports/{}", id(&mine));
        api.expect(204, "member", "DELETE", &mine, Value::Null).await;
        let changed = api.expect(200, "admin", "PUT", &path, unshare).await;
        assert_eq!(changed["network"]["shared"], false);
        api.expect(200, "other", "GET", &path, Value::Null).await;
        api.refused(404, "member", "GET", &path, Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn a_network_can_be_external_for_one_project() {
    TestApi::on_each_engine(|api| async move {
        let network = api.create("admin", "/v2.0/networks", "network", json!({})).await;
        let path = format!("/v2.0/networks/{}", id(&network));
        let subnet = json!({"network_id": network["id"], "cidr": "203.0.113.0/24", "ip_version": 4});
        api.create("admin", "/v2.0/subnets", "subnet", subnet).await;
        let url = entry(&api, "admin", "network", &network, "access_as_external", PROJECT).await;
        let shown = api.expect(200, "member", "GET", &path, Value::Null).await;
        assert_eq!(shown["network"]["router:external"], true);
        assert_eq!(shown["network"]["shared"], false);
        api.refused(404, "other", "GET", &path, Value::Null).await;
        assert_eq!(seen(&api, "other", "router:external=True").await.len(), 0);
        assert_eq!(seen(&api, "member", "router:external=True").await.len(), 1);
        let pools = async |token: &'static str| {
            let listed = api.expect(200, token, "GET", "/v2.0/floatingip_pools", Value::Null).await;
            listed["floatingip_pools"].as_array().map(Vec::len)
        };
        assert_eq!((pools("member").await, pools("other").await), (Some(1), Some(0)));

        let floating = json!({"floatingip": {"floating_network_id": network["id"]}});
        let gateway = json!({"router": {"external_gateway_info": {"network_id": network["id"]}}});
        api.refused(404, "other", "POST", "/v2.0/floatingips", floating.clone()).await;
        api.refused(404, "other", "POST", "/v2.0/routers", gateway.clone()).await;
        let floating = api.expect(201, "member", "POST", "/v2.0/floatingips", floating).await;
        let router = api.expect(201, "member", "POST", "/v2.0/routers", gateway).await;
        // To be on the network is another right.
        let port = json!({"port": {"network_id": network["id"]}});
        api.refused(403, "member", "POST", "/v2.0/ports", port).await;

        let (kind, message) = api.refused(409, "admin", "DELETE", &url, Value::Null).await;
        assert_eq!(kind, "RbacPolicyInUse");
        let used = format!("floatingip {}, router {}", id(&floating["floatingip"]), id(&router["router"]));
        assert!(message.ends_with(&used), "{message}");
        let router = format!("/v2.0/routers/{}", id(&router["router"]));
        api.expect(204, "member", "DELETE", &router, Value::Null).await;
        let floating = format!("/v2.0/floatingips/{}", id(&floating["floatingip"]));
        api.expect(204, "member", "DELETE", &floating, Value::Null).await;
        api.expect(204, "admin", "DELETE", &url, Value::Null).await;
        let shown = api.expect(200, "admin", "GET", &path, Value::Null).await;
        assert_eq!(shown["network"]["router:external"], false, "nobody's gateway any more");
    })
    .await;
}

#[tokio::test]
async fn the_last_external_entry_stays_while_anybody_leads_through_the_network() {
    let api = TestApi::new(Engine::Sqlite).await;
    let network = api.create("admin", "/v2.0/networks", "network", json!({"router:external": true})).await;
    let gateway = json!({"router": {"external_gateway_info": {"network_id": network["id"]}}});
    let router = api.expect(201, "admin", "POST", "/v2.0/routers", gateway).await["router"].clone();
    let list = format!("{PATH}?object_id={}", id(&network));
    let entries = api.expect(200, "admin", "GET", &list, Value::Null).await;
    let url = format!("{PATH}/{}", id(&entries["rbac_policies"][0]));
    let (kind, message) = api.refused(409, "admin", "DELETE", &url, Value::Null).await;
    assert_eq!(kind, "RbacPolicyInUse");
    assert!(message.ends_with(&format!("router {}", id(&router))), "{message}");
    entry(&api, "admin", "network", &network, "access_as_external", PROJECT).await;
    api.expect(204, "admin", "DELETE", &url, Value::Null).await;
}

#[tokio::test]
async fn an_entry_for_all_becomes_one_for_the_only_project_that_uses_it() {
    TestApi::on_each_engine(|api| async move {
        let object = json!({"router:external": true});
        let network = api.create("admin", "/v2.0/networks", "network", object).await;
        let gateway = json!({"external_gateway_info": {"network_id": network["id"]}});
        api.create("member", "/v2.0/routers", "router", gateway).await;
        let list = format!("{PATH}?object_id={}", id(&network));
        let entries = api.expect(200, "admin", "GET", &list, Value::Null).await;
        let url = format!("{PATH}/{}", id(&entries["rbac_policies"][0]));
        let only = |project: &str| json!({"rbac_policy": {"target_tenant": project}});
        let refused = api.refused(409, "admin", "PUT", &url, only(OTHER_PROJECT)).await;
        assert_eq!(refused.0, "RbacPolicyInUse");
        api.expect(200, "admin", "PUT", &url, only(PROJECT)).await;
        let path = format!("/v2.0/networks/{}", id(&network));
        api.expect(200, "member", "GET", &path, Value::Null).await;
        api.refused(404, "other", "GET", &path, Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn the_default_network_stays_default_while_it_is_external() {
    let api = TestApi::new(Engine::Sqlite).await;
    let body = json!({"router:external": true, "is_default": true, "shared": true});
    let network = api.create("admin", "/v2.0/networks", "network", body).await;
    let path = format!("/v2.0/networks/{}", id(&network));
    let shown = api.expect(200, "member", "GET", &path, Value::Null).await["network"].clone();
    for flag in ["router:external", "is_default", "shared"] {
        assert_eq!(shown[flag], true, "{flag}");
    }
    let list = format!("{PATH}?object_id={}&action=access_as_external", id(&network));
    let entries = api.expect(200, "admin", "GET", &list, Value::Null).await;
    let url = format!("{PATH}/{}", id(&entries["rbac_policies"][0]));
    let (kind, message) = api.refused(409, "admin", "DELETE", &url, Value::Null).await;
    assert_eq!(kind, "RbacPolicyInUse");
    assert!(message.ends_with(&format!("default external network {}", id(&network))), "{message}");
    let given_up = json!({"network": {"is_default": false}});
    api.expect(200, "admin", "PUT", &path, given_up).await;
    api.expect(204, "admin", "DELETE", &url, Value::Null).await;
    let shown = api.expect(200, "member", "GET", &path, Value::Null).await["network"].clone();
    assert_eq!(shown["router:external"], false);
}

#[tokio::test]
async fn a_router_can_be_put_on_a_subnet_of_a_network_shared_with_its_project() {
    let api = TestApi::new(Engine::Sqlite).await;
    let network = api.create("member", "/v2.0/networks", "network", json!({})).await;
    let subnet = json!({"network_id": network["id"], "cidr": "10.0.0.0/24", "ip_version": 4});
    let subnet = api.create("member", "/v2.0/subnets", "subnet", subnet).await;
    let router = api.create("other", "/v2.0/routers", "router", json!({})).await;
    let url = format!("/v2.0/routers/{}/add_router_interface", id(&router));
    let wanted = json!({"subnet_id": subnet["id"]});
    api.refused(404, "other", "PUT", &url, wanted.clone()).await;
    let policy = share(&api, "member", &network, OTHER_PROJECT).await;
    api.expect(200, "other", "PUT", &url, wanted).await;
    assert_eq!(api.refused(409, "member", "DELETE", &policy, Value::Null).await.0, "RbacPolicyInUse");
}

/// Persona matrix of a network opened to one project: owning a port of it gives no
/// rights over the network's affairs.
#[tokio::test]
async fn n27_sharing_gives_no_rights_of_the_networks_owner() {
    TestApi::on_each_engine(|api| async move {
        let network = api.create("other", "/v2.0/networks", "network", json!({})).await;
        let subnet = json!({"network_id": network["id"], "cidr": "10.0.0.0/24", "ip_version": 4});
        let subnet = api.create("other", "/v2.0/subnets", "subnet", subnet).await;
        share(&api, "other", &network, PROJECT).await;
        for attribute in [
            json!({"mac_address": "fa:16:3e:00:00:01"}),
            json!({"fixed_ips": [{"ip_address": "10.0.0.9"}]}),
            json!({"port_security_enabled": false}),
            json!({"allowed_address_pairs": [{"ip_address": "10.0.0.77"}]}),
            json!({"device_owner": "network:dhcp"}),
        ] {
            for token in ["manager", "member"] {
                let mut body = attribute.clone();
                body["network_id"] = network["id"].clone();
                let made = api.refused(403, token, "POST", "/v2.0/ports", json!({"port": body})).await;
                assert_eq!(made.0, "PolicyNotAuthorized", "{token} {attribute}");
                let port = json!({"network_id": network["id"]});
                let port = api.create(token, "/v2.0/ports", "port", port).await;
                let port = format!("/v2.0/ports/{}", id(&port));
                let changed = api.refused(403, token, "PUT", &port, json!({"port": attribute})).await;
                assert_eq!(changed.0, "PolicyNotAuthorized", "{token} {attribute}");
            }
        }
        let chosen = json!({"network_id": network["id"], "fixed_ips": [{"subnet_id": subnet["id"]}]});
        api.create("member", "/v2.0/ports", "port", chosen).await;
        api.refused(403, "reader", "POST", "/v2.0/ports", json!({"port": {"network_id": network["id"]}}))
            .await;
        for token in ["manager", "member"] {
            let path = format!("/v2.0/networks/{}", id(&network));
            api.refused(403, token, "PUT", &path, json!({"network": {"name": "mine"}})).await;
            let subnet =
                json!({"subnet": {"network_id": network["id"], "cidr": "10.1.0.0/24", "ip_version": 4}});
            api.refused(403, token, "POST", "/v2.0/subnets", subnet).await;
            let entry = json!({"rbac_policy": {
                "object_type": "network", "object_id": network["id"], "action": "access_as_shared",
                "target_tenant": ADMIN_PROJECT,
            }});
            assert_eq!(api.refused(400, token, "POST", PATH, entry).await.0, "InvalidInput");
        }
    })
    .await;
}

#[tokio::test]
async fn n03_a_port_on_a_shared_network_is_no_interface_of_a_foreign_router() {
    TestApi::on_each_engine(|api| async move {
        let network = api.create("member", "/v2.0/networks", "network", json!({})).await;
        let router = api.create("member", "/v2.0/routers", "router", json!({})).await;
        share(&api, "member", &network, OTHER_PROJECT).await;
        let claim = json!({"device_id": router["id"], "device_owner": "network:router_interface"});
        let mut claimed = claim.clone();
        claimed["network_id"] = network["id"].clone();
        let refused = api.refused(403, "other", "POST", "/v2.0/ports", json!({"port": claimed})).await;
        assert_eq!(refused.0, "PolicyNotAuthorized");
        let port = api.create("other", "/v2.0/ports", "port", json!({"network_id": network["id"]})).await;
        let port = format!("/v2.0/ports/{}", id(&port));
        api.refused(403, "other", "PUT", &port, json!({"port": claim})).await;
        let add = format!("/v2.0/routers/{}/add_router_interface", id(&router));
        let taken = json!({"port_id": port.rsplit('/').next()});
        api.refused(404, "other", "PUT", &add, taken).await;
    })
    .await;
}

#[tokio::test]
async fn n08_unsharing_by_name_needs_the_right_to_share() {
    let api = TestApi::new(Engine::Sqlite).await;
    let network = api.create("member", "/v2.0/networks", "network", json!({})).await;
    let path = format!("/v2.0/networks/{}", id(&network));
    for attribute in ["shared", "router:external"] {
        let body = json!({"network": { attribute: false }});
        assert_eq!(api.refused(403, "member", "PUT", &path, body).await.0, "PolicyNotAuthorized");
    }
}
