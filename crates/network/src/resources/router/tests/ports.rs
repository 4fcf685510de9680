//! Attaching ports that exist.

use serde_json::{Value, json};

use super::{Lab, add, attach, id, port, ports_of, refusal, remove, router, router_to, subnet};
use crate::testing::TestApi;

#[tokio::test]
async fn a_port_becomes_an_interface_and_goes_with_it() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router(&api, json!({})).await;
        let plain =
            port(&api, "member", &lab.network, json!({"fixed_ips": [{"ip_address": "10.7.0.9"}]})).await;
        assert_ne!(plain["security_groups"], json!([]));
        let body = json!({"port_id": id(&plain)});
        let answer = api.expect(200, "member", "PUT", &add(&router_id), body.clone()).await;
        assert_eq!(answer["port_id"], plain["id"]);
        assert_eq!(answer["subnet_ids"], json!([lab.subnet]));
        let ports = ports_of(&api, &router_id).await;
        assert_eq!(ports[0]["device_owner"], "network:router_interface");
        assert_eq!(ports[0]["fixed_ips"][0]["ip_address"], "10.7.0.9");
        assert_eq!(ports[0]["security_groups"], json!([]));
        assert_eq!(ports[0]["port_security_enabled"], false);

        let twice = api.refused(409, "member", "PUT", &add(&router_id), body.clone()).await;
        assert_eq!(twice.0, "PortInUse", "it is an interface already");
        api.expect(200, "member", "PUT", &remove(&router_id), body).await;
        let path = format!("/v2.0/ports/{}", id(&plain));
        assert_eq!(api.refused(404, "member", "GET", &path, Value::Null).await.0, "PortNotFound");
    })
    .await;
}

#[tokio::test]
async fn ports_that_cannot_be_interfaces_are_refused() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router(&api, json!({})).await;
        let second = subnet(&api, "member", &lab.network, json!({"cidr": "10.8.0.0/24"})).await;
        let used = id(&port(&api, "member", &lab.network, json!({"device_id": "vm-1"})).await);
        let bare = id(&port(&api, "member", &lab.network, json!({"fixed_ips": []})).await);
        let two = json!({"fixed_ips": [{"subnet_id": lab.subnet}, {"subnet_id": second}]});
        let two = id(&port(&api, "member", &lab.network, two).await);
        let in_use = format!(
            "Unable to complete operation on port {used} for network {}. Port already has an attached device vm-1.",
            lab.network
        );
        let bad = |reason: &str| refusal("BadRequest", format!("Bad router request: {reason}."));
        for (status, port_id, expected) in [
            (409, &used, refusal("PortInUse", in_use)),
            (400, &bare, bad("Router port must have at least one fixed IP")),
            (400, &two, bad("Cannot have multiple IPv4 subnets on router port")),
        ] {
            let body = json!({"port_id": port_id});
            assert_eq!(api.refused(status, "member", "PUT", &add(&router_id), body).await, expected);
        }
        assert_eq!(ports_of(&api, &router_id).await, Vec::<Value>::new());
    })
    .await;
}

#[tokio::test]
async fn a_second_ipv6_port_of_one_network_is_refused() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router(&api, json!({})).await;
        let first = subnet(&api, "member", &lab.network, json!({"cidr": "2001:db8:1::/64"})).await;
        let second = subnet(&api, "member", &lab.network, json!({"cidr": "2001:db8:2::/64"})).await;
        let own = attach(&api, &router_id, &first).await["port_id"].clone();
        let object = json!({"fixed_ips": [{"subnet_id": second}]});
        let another = id(&port(&api, "member", &lab.network, object).await);
        let message = format!(
            "Bad router request: Router already contains IPv6 port {} belonging to network id {}. Only one IPv6 \
             port from the same network subnet can be connected to a router.",
            own.as_str().expect("an id"),
            lab.network
        );
        let body = json!({"port_id": another});
        assert_eq!(
            api.refused(400, "member", "PUT", &add(&router_id), body).await,
            refusal("BadRequest", message)
        );
    })
    .await;
}

#[tokio::test]
async fn n03_ports_of_others_cannot_be_attached() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let theirs = id(&port(&api, "member", &lab.network, json!({})).await);
        let router_id = id(&api.create("other", "/v2.0/routers", "router", json!({})).await);
        let hidden = refusal("PortNotFound", format!("Port {theirs} could not be found."));
        let body = json!({"port_id": theirs});
        assert_eq!(api.refused(404, "other", "PUT", &add(&router_id), body).await, hidden);
        assert_eq!(ports_of(&api, &router_id).await, Vec::<Value>::new());
    })
    .await;
}

#[tokio::test]
async fn n03_a_gateway_port_is_never_an_interface() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router_to(&api, &lab.external).await;
        let gateway = id(&ports_of(&api, &router_id).await[0]);
        let other = router(&api, json!({})).await;
        let body = json!({"port_id": gateway});
        let hidden = refusal("PortNotFound", format!("Port {gateway} could not be found."));
        assert_eq!(api.refused(404, "member", "PUT", &add(&other), body.clone()).await, hidden);
        assert_eq!(api.refused(409, "admin", "PUT", &add(&other), body.clone()).await.0, "PortInUse");
        let own = api.refused(400, "admin", "PUT", &add(&router_id), body.clone()).await;
        assert_eq!(own.0, "BadRequest");
        let detached = api.refused(404, "admin", "PUT", &remove(&router_id), body).await;
        assert_eq!(detached.0, "RouterInterfaceNotFound");
    })
    .await;
}
