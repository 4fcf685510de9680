//! Attaching and detaching subnets.

use isospin_store_kit::changes;
use serde_json::{Value, json};

use super::{
    Lab, add, attach, id, keys, network, port, ports_of, refusal, remove, router, router_to, shown, subnet,
};
use crate::testing::{NOWHERE, PROJECT, TestApi};

#[tokio::test]
async fn a_subnet_is_attached_by_its_gateway_address_and_detached() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router(&api, json!({})).await;
        let answer = attach(&api, &router_id, &lab.subnet).await;
        assert_eq!(
            keys(&answer),
            ["id", "project_id", "port_id", "network_id", "subnet_id", "subnet_ids", "tenant_id", "tags"]
        );
        assert_eq!(answer["id"], router_id.as_str());
        assert_eq!(answer["project_id"], PROJECT);
        assert_eq!(answer["network_id"], lab.network.as_str());
        assert_eq!(answer["subnet_id"], lab.subnet.as_str());
        assert_eq!(answer["subnet_ids"], json!([lab.subnet]));

        let ports = ports_of(&api, &router_id).await;
        assert_eq!(ports.len(), 1);
        assert_eq!(ports[0]["id"], answer["port_id"]);
        assert_eq!(ports[0]["device_owner"], "network:router_interface");
        assert_eq!(ports[0]["project_id"], PROJECT);
        assert_eq!(ports[0]["fixed_ips"], json!([{"subnet_id": lab.subnet, "ip_address": "10.7.0.1"}]));
        assert_eq!(ports[0]["security_groups"], json!([]));
        assert_eq!(ports[0]["port_security_enabled"], false);
        assert_eq!(shown(&api, "member", &router_id).await["revision_number"], 2);

        let in_use =
            refusal("RouterInUse", format!("Router {router_id} has ports still attached: {}", id(&ports[0])));
        let base = format!("/v2.0/routers/{router_id}");
        assert_eq!(api.refused(409, "member", "DELETE", &base, Value::Null).await, in_use);

        let removed =
            api.expect(200, "member", "PUT", &remove(&router_id), json!({"subnet_id": lab.subnet})).await;
        assert_eq!(removed, answer);
        assert_eq!(ports_of(&api, &router_id).await, Vec::<Value>::new());
        assert_eq!(shown(&api, "member", &router_id).await["revision_number"], 3);
        api.expect(204, "member", "DELETE", &base, Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn followers_hear_of_router_and_port_in_one_version() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router(&api, json!({})).await;
        let before = *api.store().versions().borrow();
        attach(&api, &router_id, &lab.subnet).await;
        let mut session = api.store().reader().await.expect("a reader");
        let rows = changes::since(&mut session, before, 100).await.expect("changes");
        let topics: Vec<&str> = rows.iter().map(|row| row.topic.as_str()).collect();
        assert!(topics.contains(&"router") && topics.contains(&"port"), "{topics:?}");
        assert!(rows.iter().all(|row| row.version == rows[0].version));
    })
    .await;
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router(&api, json!({})).await;
        let both = json!({"subnet_id": lab.subnet, "port_id": NOWHERE});
        let bad = |reason: &str| refusal("BadRequest", format!("Bad router request: {reason}."));
        for (path, body, expected) in [
            (add(&router_id), json!({}), bad("Either subnet_id or port_id must be specified")),
            (remove(&router_id), json!({}), bad("Either subnet_id or port_id must be specified")),
            (add(&router_id), both, bad("Cannot specify both subnet-id and port-id")),
            (add(&router_id), json!({"subnet_id": "x"}), bad("'x' is not a valid UUID")),
            (add(&router_id), json!({"port_id": 7}), bad("'7' is not a valid UUID")),
            (add(&router_id), json!([]), refusal("HTTPBadRequest", "Body contains invalid data")),
        ] {
            assert_eq!(
                api.refused(400, "member", "PUT", &path, body.clone()).await,
                expected,
                "{path} {body}"
            );
        }
        let missing = refusal("SubnetNotFound", format!("Subnet {NOWHERE} could not be found."));
        for path in [add(&router_id), remove(&router_id)] {
            let body = json!({"subnet_id": NOWHERE});
            assert_eq!(api.refused(404, "member", "PUT", &path, body).await, missing);
        }
        let missing = refusal("PortNotFound", format!("Port {NOWHERE} could not be found."));
        let body = json!({"port_id": NOWHERE});
        assert_eq!(api.refused(404, "member", "PUT", &add(&router_id), body).await, missing);
    })
    .await;
}

#[tokio::test]
async fn a_subnet_is_attached_once_and_never_beside_an_overlapping_one() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router_to(&api, &lab.external).await;
        attach(&api, &router_id, &lab.subnet).await;
        let twice =
            format!("Bad router request: Router already has a port on subnet {}.", lab.subnet);
        let body = json!({"subnet_id": lab.subnet});
        assert_eq!(
            api.refused(400, "member", "PUT", &add(&router_id), body).await,
            refusal("BadRequest", twice)
        );
        for (cidr, other, other_cidr) in [
            ("10.7.0.128/25", &lab.subnet, "10.7.0.0/24"),
            ("10.0.0.0/8", &lab.subnet, "10.7.0.0/24"),
            ("172.24.0.0/26", &lab.external_subnet, "172.24.0.0/24"),
        ] {
            let network = network(&api, "member", json!({})).await;
            let subnet = subnet(&api, "member", &network, json!({"cidr": cidr})).await;
            let message = format!(
                "Bad router request: Cidr {cidr} of subnet {subnet} overlaps with cidr {other_cidr} of subnet {other}."
            );
            let body = json!({"subnet_id": subnet});
            assert_eq!(
                api.refused(400, "member", "PUT", &add(&router_id), body).await,
                refusal("BadRequest", message)
            );
        }
        assert_eq!(ports_of(&api, &router_id).await.len(), 2);
        assert_eq!(shown(&api, "member", &router_id).await["revision_number"], 2);
    })
    .await;
}

#[tokio::test]
async fn a_subnet_without_usable_gateway_address_is_refused() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router(&api, json!({})).await;
        let network = network(&api, "member", json!({})).await;
        let no_gateway =
            subnet(&api, "member", &network, json!({"cidr": "10.8.0.0/24", "gateway_ip": null})).await;
        let body = json!({"subnet_id": no_gateway});
        assert_eq!(
            api.refused(400, "member", "PUT", &add(&router_id), body).await,
            refusal("BadRequest", "Bad router request: Subnet for router interface must have a gateway IP.")
        );
        port(&api, "member", &lab.network, json!({"fixed_ips": [{"ip_address": "10.7.0.1"}]})).await;
        let body = json!({"subnet_id": lab.subnet});
        let message = format!(
            "Unable to complete operation for network {}. The IP address 10.7.0.1 is in use.",
            lab.network
        );
        assert_eq!(
            api.refused(409, "member", "PUT", &add(&router_id), body).await,
            refusal("IpAddressInUse", message)
        );
        assert_eq!(ports_of(&api, &router_id).await, Vec::<Value>::new());
    })
    .await;
}

#[tokio::test]
async fn n03_subnets_of_others_cannot_be_attached() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = id(&api.create("other", "/v2.0/routers", "router", json!({})).await);
        let hidden = refusal("SubnetNotFound", format!("Subnet {} could not be found.", lab.subnet));
        let body = json!({"subnet_id": lab.subnet});
        assert_eq!(api.refused(404, "other", "PUT", &add(&router_id), body).await, hidden);
        // External networks are seen by all, but entered by gateways only.
        let body = json!({"subnet_id": lab.external_subnet});
        let message = format!(
            "Bad router request: Cannot add interface to router because subnet {} is not owned by project making \
             the request.",
            lab.external_subnet
        );
        assert_eq!(
            api.refused(400, "other", "PUT", &add(&router_id), body).await,
            refusal("BadRequest", message)
        );
        assert_eq!(ports_of(&api, &router_id).await, Vec::<Value>::new());

        let shared = network(&api, "admin", json!({"shared": true})).await;
        let open = subnet(&api, "admin", &shared, json!({"cidr": "10.20.0.0/24"})).await;
        api.expect(200, "other", "PUT", &add(&router_id), json!({"subnet_id": open})).await;
        // The administrator may attach anybody's.
        api.expect(200, "admin", "PUT", &add(&router_id), json!({"subnet_id": lab.subnet})).await;
    })
    .await;
}

#[tokio::test]
async fn n05_a_private_ipv6_subnet_on_a_router_is_fine() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router(&api, json!({})).await;
        let private = subnet(&api, "member", &lab.network, json!({"cidr": "fd00:77::/64"})).await;
        let answer = attach(&api, &router_id, &private).await;
        let ports = ports_of(&api, &router_id).await;
        assert_eq!(ports[0]["id"], answer["port_id"]);
        assert_eq!(ports[0]["fixed_ips"], json!([{"subnet_id": private, "ip_address": "fd00:77::"}]));
        // Nothing else is held up by it.
        attach(&api, &router_id, &lab.subnet).await;
        let other = router(&api, json!({})).await;
        let network = network(&api, "member", json!({})).await;
        let fine = subnet(&api, "member", &network, json!({"cidr": "10.9.0.0/24"})).await;
        attach(&api, &other, &fine).await;
    })
    .await;
}

#[tokio::test]
async fn ipv6_subnets_of_one_network_share_a_port() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router(&api, json!({})).await;
        let slaac = json!({"cidr": "2001:db8:1::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"});
        let first = subnet(&api, "member", &lab.network, slaac).await;
        let second = subnet(&api, "member", &lab.network, json!({"cidr": "2001:db8:2::/64"})).await;
        attach(&api, &router_id, &lab.subnet).await;
        let one = attach(&api, &router_id, &first).await;
        let two = attach(&api, &router_id, &second).await;
        assert_eq!(one["port_id"], two["port_id"]);
        assert_eq!(two["subnet_ids"], json!([second]));
        let ports = ports_of(&api, &router_id).await;
        assert_eq!(ports.len(), 2);
        let shared = ports.iter().find(|port| port["id"] == one["port_id"]).expect("the IPv6 port");
        assert_eq!(
            shared["fixed_ips"],
            json!([{"subnet_id": first, "ip_address": "2001:db8:1::"},
                {"subnet_id": second, "ip_address": "2001:db8:2::"}])
        );

        // One of two subnets goes: the port stays.
        let removed =
            api.expect(200, "member", "PUT", &remove(&router_id), json!({"subnet_id": first})).await;
        assert_eq!(removed["port_id"], one["port_id"]);
        let ports = ports_of(&api, &router_id).await;
        let shared = ports.iter().find(|port| port["id"] == one["port_id"]).expect("the IPv6 port");
        assert_eq!(shared["fixed_ips"], json!([{"subnet_id": second, "ip_address": "2001:db8:2::"}]));
        api.expect(200, "member", "PUT", &remove(&router_id), json!({"subnet_id": second})).await;
        assert_eq!(ports_of(&api, &router_id).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_subnet_announced_by_another_router_is_refused() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router(&api, json!({})).await;
        let object = json!({"cidr": "2001:db8:1::/64", "ipv6_address_mode": "slaac"});
        let elsewhere = subnet(&api, "member", &lab.network, object).await;
        let body = json!({"subnet_id": elsewhere});
        let message = format!(
            "Bad router request: IPv6 subnet {elsewhere} configured to receive RAs from an external router cannot \
             be added to Neutron Router."
        );
        assert_eq!(
            api.refused(400, "member", "PUT", &add(&router_id), body).await,
            refusal("BadRequest", message)
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_not_attached_cannot_be_detached() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router(&api, json!({})).await;
        let plain = id(&port(&api, "member", &lab.network, json!({})).await);
        let network = network(&api, "member", json!({})).await;
        let stranger = subnet(&api, "member", &network, json!({"cidr": "10.9.0.0/24"})).await;
        let attached = attach(&api, &router_id, &lab.subnet).await["port_id"].clone();
        let port_id = attached.as_str().expect("an id");
        for (status, body, expected) in [
            (
                404,
                json!({"port_id": plain}),
                refusal(
                    "RouterInterfaceNotFound",
                    format!("Router {router_id} does not have an interface with id {plain}"),
                ),
            ),
            (
                404,
                json!({"subnet_id": stranger}),
                refusal(
                    "RouterInterfaceNotFoundForSubnet",
                    format!("Router {router_id} has no interface on subnet {stranger}"),
                ),
            ),
            (
                400,
                json!({"subnet_id": stranger, "port_id": port_id}),
                refusal(
                    "SubnetMismatchForPort",
                    format!("Subnet on port {port_id} does not match the requested subnet {stranger}."),
                ),
            ),
        ] {
            assert_eq!(api.refused(status, "member", "PUT", &remove(&router_id), body).await, expected);
        }
        assert_eq!(ports_of(&api, &router_id).await.len(), 1);
        let body = json!({"subnet_id": lab.subnet, "port_id": port_id});
        api.expect(200, "member", "PUT", &remove(&router_id), body).await;
        assert_eq!(ports_of(&api, &router_id).await.len(), 0);
    })
    .await;
}
