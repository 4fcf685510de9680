//! What the host of a router is told of forwarded ports and conntrack helpers.

use isospin_feed::proto::{ConntrackHelper, Kind, PortForwarding, item_status::State, record::Fact};
use serde_json::{Value, json};

use super::{Told, create, fresh, id, join, network, port, shown};
use crate::feed::tests::reports::{item, report};
use crate::testing::TestApi;

fn fact(told: &Told, kind: Kind, id: &str) -> Option<Fact> {
    told.get(&(kind as i32, id.to_owned())).and_then(|record| record.fact.clone())
}

#[tokio::test]
async fn a_floating_ip_that_forwards_ports_is_told_with_them() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "h1", "").await;
        let external = id(&create(&api, "networks", "network", json!({"router:external": true})).await);
        let object =
            json!({"network_id": external, "ip_version": 4, "cidr": "172.24.0.0/24", "enable_dhcp": false});
        create(&api, "subnets", "subnet", object).await;
        let inner = network(&api, "10.1.0.0/24").await;
        let instance = port(&api, &inner, "h1").await;
        let gateway = json!({"external_gateway_info": {"network_id": external}});
        let router = id(&create(&api, "routers", "router", gateway).await);
        let subnet = shown(&api, "networks", "network", &inner, "subnets").await[0].take();
        let path = format!("/v2.0/routers/{router}/add_router_interface");
        api.expect(200, "admin", "PUT", &path, json!({"subnet_id": subnet})).await;
        let object = json!({"floating_network_id": external});
        let floating_ip = id(&create(&api, "floatingips", "floatingip", object).await);
        assert_eq!(fact(&fresh(api.store(), "h1").await, Kind::FloatingIp, &floating_ip), None);

        let address = shown(&api, "ports", "port", &instance, "fixed_ips").await[0]["ip_address"].take();
        let object = json!({
            "protocol": "tcp", "internal_port_id": instance, "internal_ip_address": address,
            "external_port_range": "80:82", "internal_port_range": "8080:8082",
        });
        let all = format!("floatingips/{floating_ip}/port_forwardings");
        let forwarding = id(&create(&api, &all, "port_forwarding", object).await);
        let told = fact(&fresh(api.store(), "h1").await, Kind::FloatingIp, &floating_ip);
        let Some(Fact::FloatingIp(told)) = told else { panic!("not told") };
        assert_eq!(
            (told.router_id.as_str(), told.port_id.as_str(), told.fixed_ip_address.as_str()),
            (router.as_str(), "", "")
        );
        let expected = PortForwarding {
            protocol: 6,
            internal_ip_address: address.as_str().expect("an address").to_owned(),
            external_first: 80,
            external_last: 82,
            internal_first: 8080,
            internal_last: 8082,
        };
        assert_eq!(told.port_forwardings, [expected]);
        report(&api, "h1", vec![item("floating_ip", &floating_ip, "l3", State::Up)]).await;
        assert_eq!(shown(&api, "floatingips", "floatingip", &floating_ip, "status").await, "ACTIVE");
        let path = format!("/v2.0/{all}/{forwarding}");
        api.expect(204, "admin", "DELETE", &path, Value::Null).await;
        assert_eq!(fact(&fresh(api.store(), "h1").await, Kind::FloatingIp, &floating_ip), None);

        let object = json!({"protocol": "udp", "port": 69, "helper": "tftp"});
        let helpers = format!("routers/{router}/conntrack_helpers");
        create(&api, &helpers, "conntrack_helper", object).await;
        let told = fact(&fresh(api.store(), "h1").await, Kind::Router, &router);
        let Some(Fact::Router(told)) = told else { panic!("not told") };
        let expected = ConntrackHelper { helper: "tftp".to_owned(), protocol: 17, port: 69 };
        assert_eq!(told.conntrack_helpers, [expected]);
    })
    .await;
}
