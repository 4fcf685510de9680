//! What hosts are told of quality of service.

use isospin_feed::proto::record::Fact;
use isospin_feed::proto::{Kind, Qos, Rate};
use isospin_store_kit::changes;
use serde_json::{Value, json};

use super::{create, fresh, id, join, network, port};
use crate::testing::TestApi;

/// What the host is told to do for the port.
async fn asked(api: &TestApi, host: &str, port: &str) -> Option<Qos> {
    let told = fresh(api.store(), host).await;
    match told[&(Kind::Port as i32, port.to_owned())].fact.clone() {
        Some(Fact::Port(port)) => port.qos,
        other => panic!("no port: {other:?}"),
    }
}

async fn change(api: &TestApi, collection: &str, key: &str, object: Value) {
    api.expect(200, "admin", "PUT", &format!("/v2.0/{collection}"), json!({ key: object })).await;
}

async fn rule(api: &TestApi, policy: &str, kind: &str, object: Value) -> String {
    let collection = format!("qos/policies/{policy}/{kind}_rules");
    let made = create(api, &collection, &format!("{kind}_rule"), object).await;
    format!("{collection}/{}", id(&made))
}

/// Ports that changed in the meantime.
async fn told_since(api: &TestApi, version: u64) -> Vec<String> {
    let mut session = api.store().reader().await.expect("a session");
    let rows = changes::since(&mut session, version, 100).await.expect("changes");
    rows.into_iter().filter(|change| change.topic == "port").map(|change| change.id).collect()
}

#[tokio::test]
async fn a_host_is_told_what_the_policy_of_a_port_asks() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "h1", "").await;
        let network = network(&api, "10.0.0.0/24").await;
        let port = port(&api, &network, "h1").await;
        assert_eq!(asked(&api, "h1", &port).await, None);
        let theirs = id(&create(&api, "qos/policies", "policy", json!({})).await);
        let mark = rule(&api, &theirs, "dscp_marking", json!({"dscp_mark": 26})).await;
        change(&api, &format!("networks/{network}"), "network", json!({"qos_policy_id": theirs})).await;
        assert_eq!(asked(&api, "h1", &port).await, Some(Qos { dscp: Some(26), ..Qos::default() }));

        let version = *api.store().versions().borrow();
        change(&api, &mark, "dscp_marking_rule", json!({"dscp_mark": 8})).await;
        assert_eq!(told_since(&api, version).await, [port.as_str()]);
        assert_eq!(asked(&api, "h1", &port).await, Some(Qos { dscp: Some(8), ..Qos::default() }));

        // Its own policy comes before that of its network.
        let own = id(&create(&api, "qos/policies", "policy", json!({})).await);
        rule(&api, &own, "bandwidth_limit", json!({"max_kbps": 1000, "max_burst_kbps": 800})).await;
        rule(&api, &own, "packet_rate_limit", json!({"max_kpps": 5, "direction": "ingress"})).await;
        change(&api, &format!("ports/{port}"), "port", json!({"qos_policy_id": own})).await;
        let expected = Qos {
            egress_kbps: Some(Rate { rate: 1000, burst: 800 }),
            ingress_kpps: Some(Rate { rate: 5, burst: 0 }),
            ..Qos::default()
        };
        assert_eq!(asked(&api, "h1", &port).await, Some(expected));
        let version = *api.store().versions().borrow();
        change(&api, &mark, "dscp_marking_rule", json!({"dscp_mark": 10})).await;
        assert_eq!(told_since(&api, version).await, [""; 0], "a policy it is not under");
    })
    .await;
}

#[tokio::test]
async fn ports_of_the_cloud_are_not_under_the_policy_of_their_network() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "h1", "").await;
        let policy = id(&create(&api, "qos/policies", "policy", json!({})).await);
        rule(&api, &policy, "dscp_marking", json!({"dscp_mark": 26})).await;
        let network = network(&api, "10.0.0.0/24").await;
        change(&api, &format!("networks/{network}"), "network", json!({"qos_policy_id": policy})).await;
        let object = json!({"network_id": network, "binding:host_id": "h1", "device_owner": "network:other",
            "device_id": "x"});
        let trusted = id(&create(&api, "ports", "port", object).await);
        assert_eq!(asked(&api, "h1", &trusted).await, None);
    })
    .await;
}

/// What the host is told to do for the floating IP, and for the gateway of the router.
async fn asked_of_router(api: &TestApi, floating_ip: &str, router: &str) -> (Option<Qos>, Option<Qos>) {
    let told = fresh(api.store(), "h1").await;
    let fact = |kind: Kind, id: &str| told[&(kind as i32, id.to_owned())].fact.clone();
    let (Some(Fact::FloatingIp(floating_ip)), Some(Fact::Router(router))) =
        (fact(Kind::FloatingIp, floating_ip), fact(Kind::Router, router))
    else {
        panic!("not told")
    };
    (floating_ip.qos, router.gateway_qos)
}

/// Floating IPs and routers that changed in the meantime.
async fn routed_since(api: &TestApi, version: u64) -> Vec<String> {
    let mut session = api.store().reader().await.expect("a session");
    let rows = changes::since(&mut session, version, 100).await.expect("changes");
    let routed = rows.into_iter().filter(|change| ["floating_ip", "router"].contains(&change.topic.as_str()));
    routed.map(|change| change.id).collect()
}

async fn now(api: &TestApi) -> u64 {
    *api.store().versions().borrow()
}

#[tokio::test]
async fn a_host_is_told_what_floating_ips_and_gateways_ask() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "h1", "").await;
        let external = id(&create(&api, "networks", "network", json!({"router:external": true})).await);
        let object = json!({"network_id": external, "ip_version": 4, "cidr": "172.24.0.0/24"});
        create(&api, "subnets", "subnet", object).await;
        let inner = network(&api, "10.1.0.0/24").await;
        let instance = port(&api, &inner, "h1").await;
        let gateway = json!({"external_gateway_info": {"network_id": external}});
        let router = id(&create(&api, "routers", "router", gateway).await);
        let subnet = super::shown(&api, "networks", "network", &inner, "subnets").await[0].take();
        let path = format!("/v2.0/routers/{router}/add_router_interface");
        api.expect(200, "admin", "PUT", &path, json!({"subnet_id": subnet})).await;
        let object = json!({"floating_network_id": external, "port_id": instance});
        let floating_ip = id(&create(&api, "floatingips", "floatingip", object).await);
        assert_eq!(asked_of_router(&api, &floating_ip, &router).await, (None, None));

        // That of the external network is for its floating IPs, not for the gateway.
        let theirs = id(&create(&api, "qos/policies", "policy", json!({})).await);
        let mark = rule(&api, &theirs, "dscp_marking", json!({"dscp_mark": 26})).await;
        let before = now(&api).await;
        change(&api, &format!("networks/{external}"), "network", json!({"qos_policy_id": theirs})).await;
        assert_eq!(routed_since(&api, before).await, [floating_ip.as_str()]);
        let marked = Qos { dscp: Some(26), ..Qos::default() };
        assert_eq!(asked_of_router(&api, &floating_ip, &router).await, (Some(marked), None));
        let before = now(&api).await;
        change(&api, &mark, "dscp_marking_rule", json!({"dscp_mark": 8})).await;
        assert_eq!(routed_since(&api, before).await, [floating_ip.as_str()]);

        let own = id(&create(&api, "qos/policies", "policy", json!({})).await);
        let limit = rule(&api, &own, "bandwidth_limit", json!({"max_kbps": 1000})).await;
        let before = now(&api).await;
        change(&api, &format!("floatingips/{floating_ip}"), "floatingip", json!({"qos_policy_id": own}))
            .await;
        let gateway = json!({"external_gateway_info": {"network_id": external, "qos_policy_id": own}});
        change(&api, &format!("routers/{router}"), "router", gateway).await;
        let told = routed_since(&api, before).await;
        assert!(told.contains(&floating_ip) && told.contains(&router), "{told:?}");
        let limited = |rate| Some(Qos { egress_kbps: Some(Rate { rate, burst: 0 }), ..Qos::default() });
        assert_eq!(asked_of_router(&api, &floating_ip, &router).await, (limited(1000), limited(1000)));
        let before = now(&api).await;
        change(&api, &limit, "bandwidth_limit_rule", json!({"max_kbps": 2000})).await;
        let mut told = routed_since(&api, before).await;
        told.sort();
        let mut both = [floating_ip.clone(), router.clone()];
        both.sort();
        assert_eq!(told, both);
        let before = now(&api).await;
        change(&api, &mark, "dscp_marking_rule", json!({"dscp_mark": 10})).await;
        assert_eq!(routed_since(&api, before).await, [""; 0], "a policy they are not under");
    })
    .await;
}
