//! The external gateway.

use serde_json::{Value, json};

use super::{Lab, attach, id, network, port, ports_of, refusal, router, router_to, shown, subnet};
use crate::testing::{NOWHERE, TestApi};

fn url(router: &str) -> String {
    format!("/v2.0/routers/{router}")
}

fn info(info: Value) -> Value {
    json!({"router": {"external_gateway_info": info}})
}

#[tokio::test]
async fn a_gateway_is_set_and_cleared_with_its_port() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router_to(&api, &lab.external).await;
        let expected = json!({
            "network_id": lab.external,
            "external_fixed_ips": [{"subnet_id": lab.external_subnet, "ip_address": "172.24.0.10"}],
            "enable_snat": true,
        });
        let made = shown(&api, "member", &router_id).await;
        assert_eq!(made["external_gateway_info"], expected);
        let list = api.expect(200, "member", "GET", "/v2.0/routers", Value::Null).await;
        assert_eq!(list["routers"][0]["external_gateway_info"], expected);

        let ports = ports_of(&api, &router_id).await;
        assert_eq!(ports.len(), 1);
        assert_eq!(ports[0]["device_owner"], "network:router_gateway");
        assert_eq!(ports[0]["project_id"], "");
        let seen = api.expect(200, "member", "GET", "/v2.0/ports", Value::Null).await;
        assert_eq!(seen, json!({"ports": []}));

        for (clear, set_again) in [(json!({}), true), (Value::Null, false)] {
            let cleared = api.expect(200, "member", "PUT", &url(&router_id), info(clear)).await;
            assert_eq!(cleared["router"]["external_gateway_info"], Value::Null);
            assert_eq!(ports_of(&api, &router_id).await, Vec::<Value>::new());
            if set_again {
                let body = info(json!({"network_id": lab.external}));
                let set = api.expect(200, "member", "PUT", &url(&router_id), body).await;
                assert_eq!(set["router"]["external_gateway_info"], expected);
            }
        }
        assert_eq!(shown(&api, "member", &router_id).await["revision_number"], 4);
        api.expect(204, "member", "DELETE", &url(&router_id), Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn a_deleted_router_frees_its_gateway_address() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        for _ in 0..2 {
            let router_id = router_to(&api, &lab.external).await;
            let ports = ports_of(&api, &router_id).await;
            assert_eq!(ports[0]["fixed_ips"][0]["ip_address"], "172.24.0.10");
            api.expect(204, "member", "DELETE", &url(&router_id), Value::Null).await;
            assert_eq!(ports_of(&api, &router_id).await, Vec::<Value>::new());
        }
    })
    .await;
}

#[tokio::test]
async fn the_same_network_keeps_the_port_and_another_replaces_it() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router_to(&api, &lab.external).await;
        let before = ports_of(&api, &router_id).await;
        let body = info(json!({"network_id": lab.external}));
        let same = api.expect(200, "member", "PUT", &url(&router_id), body).await;
        assert_eq!(same["router"]["revision_number"], 1);
        assert_eq!(ports_of(&api, &router_id).await, before);

        let other = network(&api, "admin", json!({"router:external": true})).await;
        let other_subnet = subnet(&api, "admin", &other, json!({"cidr": "192.0.2.0/24"})).await;
        let body = info(json!({"network_id": other}));
        let moved = api.expect(200, "member", "PUT", &url(&router_id), body).await;
        let moved = &moved["router"]["external_gateway_info"];
        assert_eq!(moved["external_fixed_ips"][0]["subnet_id"], other_subnet.as_str());
        let after = ports_of(&api, &router_id).await;
        assert_eq!(after.len(), 1);
        assert_ne!(after[0]["id"], before[0]["id"]);
    })
    .await;
}

#[tokio::test]
async fn snat_is_kept_until_an_administrator_says_otherwise() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router_to(&api, &lab.external).await;
        let off = info(json!({"network_id": lab.external, "enable_snat": false}));
        // N08: naming the attribute needs the right, whatever the value.
        let on = info(json!({"network_id": lab.external, "enable_snat": true}));
        for body in [&off, &on] {
            let (kind, _) = api.refused(403, "member", "PUT", &url(&router_id), body.clone()).await;
            assert_eq!(kind, "PolicyNotAuthorized");
        }
        let changed = api.expect(200, "admin", "PUT", &url(&router_id), off).await;
        assert_eq!(changed["router"]["external_gateway_info"]["enable_snat"], false);
        let same = info(json!({"network_id": lab.external}));
        let kept = api.expect(200, "member", "PUT", &url(&router_id), same.clone()).await;
        assert_eq!(kept["router"]["external_gateway_info"]["enable_snat"], false);
        api.expect(200, "member", "PUT", &url(&router_id), info(json!({}))).await;
        let again = api.expect(200, "member", "PUT", &url(&router_id), same).await;
        assert_eq!(again["router"]["external_gateway_info"]["enable_snat"], false);
    })
    .await;
}

#[tokio::test]
async fn an_administrator_chooses_the_gateway_addresses() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let with = |ips: Value| info(json!({"network_id": lab.external, "external_fixed_ips": ips}));
        let router_id = router_to(&api, &lab.external).await;
        let one = with(json!([{"ip_address": "172.24.0.77"}]));
        assert_eq!(
            api.refused(403, "member", "PUT", &url(&router_id), one.clone()).await.0,
            "PolicyNotAuthorized"
        );
        let before = ports_of(&api, &router_id).await;
        let changed = api.expect(200, "admin", "PUT", &url(&router_id), one).await;
        assert_eq!(
            changed["router"]["external_gateway_info"]["external_fixed_ips"],
            json!([{"subnet_id": lab.external_subnet, "ip_address": "172.24.0.77"}])
        );
        assert_eq!(changed["router"]["revision_number"], 2);
        let after = ports_of(&api, &router_id).await;
        assert_eq!(after[0]["id"], before[0]["id"]);
        assert_eq!(after[0]["fixed_ips"][0]["ip_address"], "172.24.0.77");

        let several = with(json!([{"ip_address": "172.24.0.77"}, {"subnet_id": lab.external_subnet}]));
        let changed = api.expect(200, "admin", "PUT", &url(&router_id), several).await;
        let ips = changed["router"]["external_gateway_info"]["external_fixed_ips"].as_array().map(Vec::len);
        assert_eq!(ips, Some(2));

        let gateway = with(json!([{"ip_address": "172.24.0.1"}]));
        assert_eq!(
            api.refused(400, "admin", "PUT", &url(&router_id), gateway).await,
            refusal(
                "BadRequest",
                "Bad router request: External IP 172.24.0.1 is the same as the gateway IP."
            )
        );
        let outside = with(json!([{"ip_address": "192.0.2.1"}]));
        assert_eq!(
            api.refused(400, "admin", "PUT", &url(&router_id), outside).await.0,
            "InvalidIpForNetwork"
        );
        for (ips, reason) in [
            (json!("x"), "'x' is not a list"),
            (json!([{}]), "IP allocation requires subnet_id or ip_address"),
            (json!([{"ip_address": "x"}]), "'x' is not a valid IP address"),
            (json!([{"subnet_id": 1}]), "'1' is not a valid UUID"),
            (json!([{"foo": 1}]), "'foo' is not one of the keys 'subnet_id', 'ip_address'"),
            (
                json!([{"ip_address": "172.24.0.77"}, {"ip_address": "172.24.0.77"}]),
                "Duplicate IP address '172.24.0.77'",
            ),
        ] {
            let message = format!("Invalid input for external_gateway_info. Reason: {reason}.");
            assert_eq!(
                api.refused(400, "admin", "PUT", &url(&router_id), with(ips)).await,
                refusal("HTTPBadRequest", message)
            );
        }
    })
    .await;
}

#[tokio::test]
async fn networks_that_lead_nowhere_are_no_gateways() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router(&api, json!({})).await;
        let theirs = network(&api, "other", json!({})).await;
        let not_found = |id: &str| refusal("NetworkNotFound", format!("Network {id} could not be found."));
        for (status, network_id, expected) in [
            (
                400,
                lab.network.as_str(),
                refusal(
                    "BadRequest",
                    format!("Bad router request: Network {} is not an external network.", lab.network),
                ),
            ),
            (404, NOWHERE, not_found(NOWHERE)),
            (404, theirs.as_str(), not_found(&theirs)),
        ] {
            let body = info(json!({"network_id": network_id}));
            assert_eq!(api.refused(status, "member", "PUT", &url(&router_id), body.clone()).await, expected);
            assert_eq!(api.refused(status, "member", "POST", "/v2.0/routers", body).await, expected);
        }
        let list = api.expect(200, "member", "GET", "/v2.0/routers", Value::Null).await;
        assert_eq!(list["routers"].as_array().map(Vec::len), Some(1));

        attach(&api, &router_id, &lab.subnet).await;
        let overlapping = network(&api, "admin", json!({"router:external": true})).await;
        let wide = subnet(&api, "admin", &overlapping, json!({"cidr": "10.0.0.0/8"})).await;
        let message = format!(
            "Bad router request: Cidr 10.0.0.0/8 of subnet {wide} overlaps with cidr 10.7.0.0/24 of subnet {}.",
            lab.subnet
        );
        let body = info(json!({"network_id": overlapping}));
        assert_eq!(
            api.refused(400, "member", "PUT", &url(&router_id), body).await,
            refusal("BadRequest", message)
        );
        assert_eq!(ports_of(&api, &router_id).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_floating_ips_need_stays() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router_to(&api, &lab.external).await;
        attach(&api, &router_id, &lab.subnet).await;
        let inner = id(&port(&api, "member", &lab.network, json!({})).await);
        let object = json!({"floating_network_id": lab.external, "port_id": inner});
        let floating = id(&api.create("member", "/v2.0/floatingips", "floatingip", object).await);
        let other = network(&api, "admin", json!({"router:external": true})).await;
        let message = format!(
            "Gateway cannot be updated for router {router_id}, since a gateway to external network {} is required \
             by one or more floating IPs. Blocked by floatingip {floating}.",
            lab.external
        );
        for wanted in [json!({}), json!({"network_id": other})] {
            assert_eq!(
                api.refused(409, "member", "PUT", &url(&router_id), info(wanted)).await,
                refusal("RouterExternalGatewayInUseByFloatingIp", &message)
            );
        }
        let body = info(json!({"network_id": lab.external}));
        api.expect(200, "member", "PUT", &url(&router_id), body).await;
        let interface = json!({"subnet_id": lab.subnet});
        let message = format!(
            "Router interface for subnet {} on router {router_id} cannot be deleted, as it is required by one or \
             more floating IPs. Blocked by floatingip {floating}.",
            lab.subnet
        );
        assert_eq!(
            api.refused(409, "member", "PUT", &super::remove(&router_id), interface.clone()).await,
            refusal("RouterInterfaceInUseByFloatingIP", message)
        );
        api.expect(204, "member", "DELETE", &format!("/v2.0/floatingips/{floating}"), Value::Null).await;
        api.expect(200, "member", "PUT", &super::remove(&router_id), interface).await;
        api.expect(200, "member", "PUT", &url(&router_id), info(json!({}))).await;
    })
    .await;
}
