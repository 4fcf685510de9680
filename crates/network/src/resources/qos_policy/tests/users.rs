//! Networks, ports, floating IPs and gateways that ask for policies.

use serde_json::{Value, json};

use super::{id, limiting, path, policy, rule};
use crate::testing::{NOWHERE, TestApi};

async fn network(api: &TestApi, object: Value) -> String {
    id(&api.create("member", "/v2.0/networks", "network", object).await)
}

async fn port(api: &TestApi, object: Value) -> Value {
    api.create("member", "/v2.0/ports", "port", object).await
}

#[tokio::test]
async fn a_port_has_its_own_policy_beside_that_of_its_network() {
    TestApi::on_each_engine(|api| async move {
        let (theirs, own) = (limiting(&api, 1000).await, limiting(&api, 2000).await);
        let network = network(&api, json!({"qos_policy_id": theirs})).await;
        let plain = port(&api, json!({"network_id": network})).await;
        assert_eq!(
            (&plain["qos_policy_id"], &plain["qos_network_policy_id"]),
            (&Value::Null, &json!(theirs))
        );
        let made = port(&api, json!({"network_id": network, "qos_policy_id": own})).await;
        assert_eq!((&made["qos_policy_id"], &made["qos_network_policy_id"]), (&json!(own), &json!(theirs)));
        let port_path = format!("/v2.0/ports/{}", id(&made));
        let shown = api.expect(200, "member", "GET", &port_path, Value::Null).await;
        assert_eq!(shown["port"], made);
        let (kind, text) = api.refused(409, "manager", "DELETE", &path(&own), Value::Null).await;
        assert_eq!(kind, "QosPolicyInUse");
        assert_eq!(text, format!("QoS Policy {own} is used by port {}.", id(&made)));
        let none = json!({"port": {"qos_policy_id": null}});
        let changed = api.expect(200, "member", "PUT", &port_path, none).await;
        assert_eq!(changed["port"]["qos_policy_id"], Value::Null);
        api.expect(204, "manager", "DELETE", &path(&own), Value::Null).await;
        let (kind, text) = api.refused(409, "manager", "DELETE", &path(&theirs), Value::Null).await;
        assert_eq!(
            (kind.as_str(), text),
            ("QosPolicyInUse", format!("QoS Policy {theirs} is used by network {network}."))
        );
        let network_path = format!("/v2.0/networks/{network}");
        let change = json!({"network": {"qos_policy_id": null}});
        let shown = api.expect(200, "member", "PUT", &network_path, change).await;
        assert_eq!(shown["network"]["qos_policy_id"], Value::Null);
        api.expect(204, "manager", "DELETE", &path(&theirs), Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn only_policies_one_may_see_can_be_asked_for() {
    TestApi::on_each_engine(|api| async move {
        let hidden = id(&policy(&api, "admin", json!({})).await);
        let network = network(&api, json!({})).await;
        for wanted in [hidden.as_str(), NOWHERE] {
            let port = json!({"port": {"network_id": network, "qos_policy_id": wanted}});
            let (kind, text) = api.refused(404, "member", "POST", "/v2.0/ports", port).await;
            assert_eq!(
                (kind.as_str(), text),
                ("QosPolicyNotFound", format!("QoS policy {wanted} could not be found."))
            );
            let change = json!({"network": {"qos_policy_id": wanted}});
            api.expect(404, "member", "PUT", &format!("/v2.0/networks/{network}"), change).await;
        }
        // What an administrator put on a port is not for its owner to take off.
        let made = id(&port(&api, json!({"network_id": network})).await);
        let port_path = format!("/v2.0/ports/{made}");
        let change = json!({"port": {"qos_policy_id": hidden}});
        api.expect(200, "admin", "PUT", &port_path, change).await;
        let none = json!({"port": {"qos_policy_id": null}});
        let (kind, _) = api.refused(403, "member", "PUT", &port_path, none.clone()).await;
        assert_eq!(kind, "PolicyRemoveAuthorizationError");
        api.expect(200, "member", "PUT", &port_path, json!({"port": {"name": "still"}})).await;
        api.expect(200, "admin", "PUT", &port_path, none).await;
    })
    .await;
}

#[tokio::test]
async fn what_no_driver_can_do_is_refused_where_it_would_matter() {
    TestApi::on_each_engine(|api| async move {
        let promise = id(&policy(&api, "manager", json!({})).await);
        rule(&api, &promise, "minimum_bandwidth", json!({"min_kbps": 100})).await;
        let plain = network(&api, json!({})).await;
        let wanted = json!({"port": {"network_id": plain, "qos_policy_id": promise}});
        let (kind, text) = api.refused(409, "member", "POST", "/v2.0/ports", wanted).await;
        assert_eq!(kind, "QosRuleNotSupported");
        assert!(text.starts_with("Rule minimum_bandwidth is not supported by port "), "{text}");
        let listed = api.expect(200, "member", "GET", "/v2.0/ports", Value::Null).await;
        assert_eq!(listed["ports"], json!([]), "the refused port is not there");
        // An empty network may ask for it; a port there may not be.
        let asking = network(&api, json!({"qos_policy_id": promise})).await;
        let on_it = json!({"port": {"network_id": asking}});
        api.expect(409, "member", "POST", "/v2.0/ports", on_it).await;
        // Neither a network nor a policy with ports may get it.
        let made = id(&port(&api, json!({"network_id": plain})).await);
        let change = json!({"network": {"qos_policy_id": promise}});
        let (kind, text) =
            api.refused(409, "member", "PUT", &format!("/v2.0/networks/{plain}"), change).await;
        assert_eq!(
            (kind.as_str(), text),
            ("QosRuleNotSupported", format!("Rule minimum_bandwidth is not supported by port {made}"))
        );
        let limit = limiting(&api, 5000).await;
        api.expect(
            200,
            "member",
            "PUT",
            &format!("/v2.0/ports/{made}"),
            json!({"port": {"qos_policy_id": limit}}),
        )
        .await;
        let path = format!("/v2.0/qos/policies/{limit}/minimum_packet_rate_rules");
        let body = json!({"minimum_packet_rate_rule": {"min_kpps": 1}});
        let (kind, _) = api.refused(409, "manager", "POST", &path, body).await;
        assert_eq!(kind, "QosRuleNotSupported");
    })
    .await;
}

#[tokio::test]
async fn placement_is_for_administrators() {
    TestApi::on_each_engine(|api| async move {
        let network = network(&api, json!({})).await;
        let made = port(&api, json!({"network_id": network})).await;
        assert!(made.get("resource_request").is_none());
        let shown = api.expect(200, "admin", "GET", &format!("/v2.0/ports/{}", id(&made)), Value::Null).await;
        assert_eq!(shown["port"]["resource_request"], Value::Null);
        assert!(shown["port"].as_object().is_some_and(|port| port.contains_key("resource_request")));
    })
    .await;
}

#[tokio::test]
async fn floating_ips_and_gateways_ask_for_policies() {
    TestApi::on_each_engine(|api| async move {
        let limit = id(&policy(&api, "admin", json!({"shared": true})).await);
        let outside = json!({"router:external": true, "qos_policy_id": limit});
        let outside = id(&api.create("admin", "/v2.0/networks", "network", outside).await);
        let subnet = json!({"network_id": outside, "ip_version": 4, "cidr": "172.24.2.0/24"});
        api.create("admin", "/v2.0/subnets", "subnet", subnet).await;
        let wanted = json!({"floating_network_id": outside, "qos_policy_id": limit});
        let made = api.create("member", "/v2.0/floatingips", "floatingip", wanted).await;
        assert_eq!((&made["qos_policy_id"], &made["qos_network_policy_id"]), (&json!(limit), &json!(limit)));
        let fip_path = format!("/v2.0/floatingips/{}", id(&made));
        let none = json!({"floatingip": {"qos_policy_id": null}});
        let changed = api.expect(200, "member", "PUT", &fip_path, none).await;
        assert_eq!(changed["floatingip"]["qos_policy_id"], Value::Null);
        assert_eq!(changed["floatingip"]["revision_number"], 2);
        let wrong = json!({"floatingip": {"qos_policy_id": NOWHERE}});
        api.expect(404, "member", "PUT", &fip_path, wrong).await;

        let gateway = json!({"network_id": outside, "qos_policy_id": limit});
        let router = json!({"name": "r", "external_gateway_info": gateway});
        let router = api.create("member", "/v2.0/routers", "router", router).await;
        assert_eq!(router["external_gateway_info"]["qos_policy_id"], limit.as_str());
        let router_path = format!("/v2.0/routers/{}", id(&router));
        // Kept unless named.
        let same = json!({"router": {"external_gateway_info": {"network_id": outside}}});
        let shown = api.expect(200, "member", "PUT", &router_path, same).await;
        assert_eq!(shown["router"], router);
        let cleared = json!({"router": {"external_gateway_info": null}});
        api.expect(200, "member", "PUT", &router_path, cleared).await;
        let again = json!({"router": {"external_gateway_info": {"network_id": outside}}});
        let shown = api.expect(200, "member", "PUT", &router_path, again).await;
        assert!(shown["router"]["external_gateway_info"].get("qos_policy_id").is_none());
    })
    .await;
}

#[tokio::test]
async fn nothing_can_be_guaranteed_to_floating_ips_and_gateways() {
    TestApi::on_each_engine(|api| async move {
        let promise = id(&policy(&api, "admin", json!({"shared": true})).await);
        let path_of = |policy: &str| format!("/v2.0/qos/policies/{policy}/minimum_bandwidth_rules");
        let body = json!({"minimum_bandwidth_rule": {"min_kbps": 100}});
        api.expect(201, "admin", "POST", &path_of(&promise), body.clone()).await;
        let limit = id(&policy(&api, "admin", json!({"shared": true})).await);
        let external = json!({"router:external": true});
        let outside = id(&api.create("admin", "/v2.0/networks", "network", external).await);
        let subnet = json!({"network_id": outside, "ip_version": 4, "cidr": "172.24.2.0/24"});
        api.create("admin", "/v2.0/subnets", "subnet", subnet).await;

        let wanted = json!({"floatingip": {"floating_network_id": outside, "qos_policy_id": promise}});
        let (kind, text) = api.refused(409, "member", "POST", "/v2.0/floatingips", wanted).await;
        assert_eq!(kind, "QosRuleNotSupported");
        assert!(text.starts_with("Rule minimum_bandwidth is not supported by floating IP "), "{text}");
        let wanted = json!({"floating_network_id": outside, "qos_policy_id": limit});
        let made = id(&api.create("member", "/v2.0/floatingips", "floatingip", wanted).await);
        let change = json!({"floatingip": {"qos_policy_id": promise}});
        api.expect(409, "member", "PUT", &format!("/v2.0/floatingips/{made}"), change).await;
        let expected = |by: String| {
            let text = format!("Rule minimum_bandwidth is not supported by {by}");
            ("QosRuleNotSupported".to_owned(), text)
        };
        let refused = api.refused(409, "admin", "POST", &path_of(&limit), body.clone()).await;
        assert_eq!(refused, expected(format!("floating IP {made}")));
        api.expect(204, "member", "DELETE", &format!("/v2.0/floatingips/{made}"), Value::Null).await;

        let gateway = |policy: &str| {
            json!({"router": {"external_gateway_info": {"network_id": outside, "qos_policy_id": policy}}})
        };
        let (kind, text) = api.refused(409, "member", "POST", "/v2.0/routers", gateway(&promise)).await;
        assert_eq!(kind, "QosRuleNotSupported");
        assert!(text.contains("is not supported by the gateway of router "), "{text}");
        let router = api.expect(201, "member", "POST", "/v2.0/routers", gateway(&limit)).await;
        let router = id(&router["router"]);
        let refused = api.refused(409, "admin", "POST", &path_of(&limit), body).await;
        assert_eq!(refused, expected(format!("the gateway of router {router}")));
        let (kind, text) = api.refused(409, "admin", "DELETE", &path(&limit), Value::Null).await;
        let in_use = format!("QoS Policy {limit} is used by router {router}.");
        assert_eq!((kind.as_str(), text), ("QosPolicyInUse", in_use));
    })
    .await;
}
