//! What cannot be forwarded, and by whom.

use serde_json::{Value, json};

use super::Yard;
use crate::resources::floating_ip::tests::url;
use crate::resources::router::tests::{id, network, port, refusal, remove, subnet};
use crate::testing::{NOWHERE, TestApi};

fn bad(reason: String) -> (String, String) {
    refusal("BadRequest", format!("Bad port_forwarding request: {reason}."))
}

#[tokio::test]
async fn ports_are_forwarded_once() {
    TestApi::on_each_engine(|api| async move {
        let yard = Yard::new(&api).await;
        yard.forward(&api, json!({})).await;
        let collides = |side: &str, old: &str, new: &str| {
            bad(format!(
                "There is a port collision with the {side}_port_range. The following ranges collides: {old} and \
                 {new}"
            ))
        };
        assert_eq!(
            yard.refused(&api, 400, json!({"internal_port": 80})).await,
            collides("external", "2222:2222", "2222:2222")
        );
        assert_eq!(
            yard.refused(&api, 400, json!({"external_port": 80})).await,
            collides("internal", "22:22", "22:22")
        );
        let range = json!({"external_port": null, "external_port_range": "2000:3000", "internal_port": 80});
        assert_eq!(yard.refused(&api, 400, range).await, collides("external", "2222:2222", "2000:3000"));
        let web = yard.forward(&api, json!({"internal_port": 80, "external_port": 80})).await;
        let body = json!({"port_forwarding": {"external_port": 2222}});
        assert_eq!(
            api.refused(400, "member", "PUT", &yard.one(&web), body).await,
            collides("external", "2222:2222", "2222:2222")
        );
        yard.forward(&api, json!({"protocol": "udp"})).await;
        let ping = json!({"protocol": "icmp", "internal_port": null, "external_port": null});
        yard.forward(&api, ping.clone()).await;
        let (kind, message) = yard.refused(&api, 400, ping).await;
        assert_eq!(kind, "BadRequest");
        assert!(message.contains("A duplicate port forwarding entry"), "{message}");
    })
    .await;
}

#[tokio::test]
async fn a_floating_ip_is_either_associated_or_forwards() {
    TestApi::on_each_engine(|api| async move {
        let yard = Yard::new(&api).await;
        let forwarding = yard.forward(&api, json!({})).await;
        let in_use = refusal(
            "FipInUseByPortForwarding",
            format!(
                "Floating IP {} in use by Port Forwarding resources. Blocked by port_forwarding {}.",
                id(&yard.floating_ip),
                id(&forwarding)
            ),
        );
        let lead = json!({"floatingip": {"port_id": yard.floor.port}});
        assert_eq!(api.refused(409, "member", "PUT", &url(&yard.floating_ip), lead).await, in_use);
        assert_eq!(api.refused(409, "member", "DELETE", &url(&yard.floating_ip), Value::Null).await, in_use);
        let part = json!({"floatingip": {"port_id": null}});
        let same = api.expect(200, "member", "PUT", &url(&yard.floating_ip), part).await;
        assert_eq!(same["floatingip"]["router_id"], yard.floor.router.as_str());

        let object = json!({"name": "second", "fixed_ips": [{"ip_address": "10.7.0.60"}]});
        let second = id(&port(&api, "member", &yard.floor.lab.network, object).await);
        let whole = yard.floor.float(&api, json!({"port_id": second})).await;
        let to_second = json!({
            "internal_port_id": second, "internal_ip_address": "10.7.0.60", "external_port": 80
        });
        assert_eq!(
            yard.refused(&api, 409, to_second).await,
            refusal(
                "PortHasBindingFloatingIP",
                format!(
                    "Cannot create port forwarding to floating IP {} ({}) with port {second} using fixed IP \
                     10.7.0.60, as that port already has a binding floating IP.",
                    whole["floating_ip_address"].as_str().expect("ip"),
                    id(&whole)
                )
            )
        );
        let path = format!("{}/port_forwardings", url(&whole));
        let body = json!({"port_forwarding": yard.ssh(json!({"internal_port": 80}))});
        assert_eq!(
            api.refused(409, "member", "POST", &path, body).await.0,
            "FloatingIPPortAlreadyAssociated"
        );
    })
    .await;
}

#[tokio::test]
async fn the_router_and_its_interface_stay_while_ports_are_forwarded() {
    TestApi::on_each_engine(|api| async move {
        let yard = Yard::new(&api).await;
        let ssh = yard.forward(&api, json!({})).await;
        let router = &yard.floor.router;
        let body = json!({"subnet_id": yard.floor.lab.subnet});
        let refused = api.refused(409, "member", "PUT", &remove(router), body.clone()).await;
        assert_eq!(refused.0, "RouterInterfaceInUseByFloatingIP");
        let floating_ip = format!("Blocked by floatingip {}.", id(&yard.floating_ip));
        assert!(refused.1.ends_with(&floating_ip), "{}", refused.1);
        let path = format!("/v2.0/routers/{router}");
        let no_gateway = json!({"router": {"external_gateway_info": null}});
        let refused = api.refused(409, "member", "PUT", &path, no_gateway).await;
        assert_eq!(refused.0, "RouterExternalGatewayInUseByFloatingIp");
        assert!(refused.1.ends_with(&floating_ip), "{}", refused.1);
        api.expect(204, "member", "DELETE", &yard.one(&ssh), Value::Null).await;
        api.expect(200, "member", "PUT", &remove(router), body).await;
    })
    .await;
}

#[tokio::test]
async fn the_inner_address_must_be_reachable_through_the_router() {
    TestApi::on_each_engine(|api| async move {
        let yard = Yard::new(&api).await;
        let floor = &yard.floor;
        let elsewhere = network(&api, "member", json!({})).await;
        let far_subnet = subnet(&api, "member", &elsewhere, json!({"cidr": "10.8.0.0/24"})).await;
        let far = port(&api, "member", &elsewhere, json!({"fixed_ips": [{"ip_address": "10.8.0.5"}]})).await;
        let to_far = json!({"internal_port_id": id(&far), "internal_ip_address": "10.8.0.5"});
        assert_eq!(
            yard.refused(&api, 400, to_far).await,
            bad(format!(
                "External network {} is not reachable from subnet {far_subnet}. Cannot set Port forwarding for port \
                 {} with Floating IP {}",
                floor.lab.external,
                id(&far),
                id(&yard.floating_ip)
            ))
        );
        assert_eq!(
            yard.refused(&api, 400, json!({"internal_ip_address": "10.7.0.99"})).await,
            bad(format!(
                "Requested internal IP address 10.7.0.99 is not suitable for internal neutron port {}, as its \
                 fixed_ips are [{{'subnet_id': '{}', 'ip_address': '10.7.0.50'}}]",
                floor.port, floor.lab.subnet
            ))
        );
        assert_eq!(
            yard.refused(&api, 404, json!({"internal_port_id": NOWHERE})).await.0,
            "PortNotFound"
        );
        let v6 = yard.refused(&api, 400, json!({"internal_ip_address": "2001:db8::5"})).await;
        assert_eq!(v6.0, "HTTPBadRequest");

        // Behind another router than the first forwarding's.
        let other = crate::resources::router::tests::router_to(&api, &floor.lab.external).await;
        crate::resources::router::tests::attach(&api, &other, &far_subnet).await;
        yard.forward(&api, json!({})).await;
        let to_far = json!({
            "internal_port_id": id(&far), "internal_ip_address": "10.8.0.5", "external_port": 80
        });
        assert_eq!(
            yard.refused(&api, 400, to_far).await,
            bad(format!(
                "The Floating IP {} had been set on router {}, the internal Neutron port {} can not reach it",
                id(&yard.floating_ip),
                floor.router,
                id(&far)
            ))
        );
    })
    .await;
}

#[tokio::test]
async fn n26_forwardings_are_reached_through_their_own_floating_ip_only() {
    TestApi::on_each_engine(|api| async move {
        let yard = Yard::new(&api).await;
        let ssh = yard.forward(&api, json!({})).await;
        let own = yard.floor.float(&api, json!({})).await;
        let wrong = format!("{}/port_forwardings/{}", url(&own), id(&ssh));
        let body = json!({"port_forwarding": {"description": "x"}});
        for (method, body) in [("GET", Value::Null), ("PUT", body), ("DELETE", Value::Null)] {
            let refused = api.refused(404, "member", method, &wrong, body.clone()).await;
            assert_eq!(refused.0, "PortForwardingNotFound", "{method}");
            let refused = api.refused(404, "other", method, &yard.one(&ssh), body.clone()).await;
            assert_eq!(refused.0, "FloatingIPNotFound", "{method}");
            if method != "GET" {
                let refused = api.refused(403, "reader", method, &yard.one(&ssh), body).await;
                assert_eq!(refused.0, "PolicyNotAuthorized", "{method}");
            }
        }
        let new = json!({"port_forwarding": yard.ssh(json!({"external_port": 1, "internal_port": 1}))});
        assert_eq!(
            api.refused(403, "reader", "POST", &yard.all(), new.clone()).await.0,
            "PolicyNotAuthorized"
        );
        assert_eq!(api.refused(404, "other", "POST", &yard.all(), new).await.0, "FloatingIPNotFound");
        assert_eq!(api.refused(404, "other", "GET", &yard.all(), Value::Null).await.0, "FloatingIPNotFound");
        let of_admin = api.expect(200, "admin", "GET", &yard.all(), Value::Null).await;
        assert_eq!(of_admin["port_forwardings"].as_array().map(Vec::len), Some(1));
    })
    .await;
}
