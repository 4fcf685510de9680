//! Leading floating IPs to ports.

use serde_json::{Value, json};

use super::{Floor, change, shown, url};
use crate::resources::floating_ip::store;
use crate::resources::router::tests::{attach, id, network, port, refusal, router, router_to, subnet};
use crate::testing::{NOWHERE, PROJECT, TestApi};

fn bad(reason: String) -> (String, String) {
    refusal("BadRequest", format!("Bad floatingip request: {reason}."))
}

#[tokio::test]
async fn a_floating_ip_leads_to_a_port_and_back() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let made = floor.float(&api, json!({"port_id": floor.port})).await;
        assert_eq!(made["port_id"], floor.port.as_str());
        assert_eq!(made["router_id"], floor.router.as_str());
        assert_eq!(made["fixed_ip_address"], "10.7.0.50");
        assert_eq!(made["status"], "DOWN");
        let path = format!("/v2.0/ports/{}", floor.port);
        let inner = api.expect(200, "member", "GET", &path, Value::Null).await["port"].take();
        assert_eq!(
            made["port_details"],
            json!({
                "name": "vm", "network_id": floor.lab.network, "mac_address": inner["mac_address"],
                "admin_state_up": true, "status": "DOWN", "device_id": "", "device_owner": "",
            })
        );
        assert_eq!(shown(&api, "member", &made).await, made);

        // Once more is no change; so is saying nothing of it.
        assert_eq!(change(&api, &made, json!({"port_id": floor.port})).await, made);
        assert_eq!(change(&api, &made, json!({"description": ""})).await, made);

        let parted = change(&api, &made, json!({"port_id": null})).await;
        for null in ["router_id", "port_id", "fixed_ip_address", "port_details"] {
            assert_eq!(parted[null], Value::Null, "{null}");
        }
        assert_eq!(parted["revision_number"], 2);
        change(&api, &made, json!({"port_id": floor.port})).await;
        assert_eq!(change(&api, &made, json!({})).await["port_id"], Value::Null, "an empty body parts");
        let again =
            change(&api, &made, json!({"port_id": floor.port, "fixed_ip_address": "10.7.0.50"})).await;
        assert_eq!(again["router_id"], floor.router.as_str());
    })
    .await;
}

#[tokio::test]
async fn disassociation_takes_a_reported_status_away() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let made = floor.float(&api, json!({"port_id": floor.port})).await;
        api.write(|tx| {
            Box::pin(async move {
                tx.execute("UPDATE floating_ips SET status = 'ACTIVE'", vec![]).await?;
                Ok(())
            })
        })
        .await;
        assert_eq!(shown(&api, "member", &made).await["status"], "ACTIVE");
        assert_eq!(change(&api, &made, json!({"description": "x"})).await["status"], "ACTIVE");
        assert_eq!(change(&api, &made, json!({"port_id": null})).await["status"], "DOWN");
    })
    .await;
}

/// What `l3-port-ip-change-not-allowed` says: the inner address stays, others may change.
#[tokio::test]
async fn the_address_a_floating_ip_leads_to_stays() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let made = floor.float(&api, json!({"port_id": floor.port})).await;
        let path = format!("/v2.0/ports/{}", floor.port);
        let addresses = |wanted: &[&str]| {
            let wanted: Vec<Value> = wanted.iter().map(|address| json!({"ip_address": address})).collect();
            json!({"port": {"fixed_ips": wanted}})
        };
        let (kind, message) = api.refused(400, "member", "PUT", &path, addresses(&["10.7.0.51"])).await;
        assert_eq!(kind, "BadRequest");
        assert!(message.contains("10.7.0.50"), "{message}");
        api.expect(200, "member", "PUT", &path, addresses(&["10.7.0.50", "10.7.0.51"])).await;
        api.expect(200, "member", "PUT", &path, addresses(&["10.7.0.50"])).await;
        change(&api, &made, json!({"port_id": null})).await;
        api.expect(200, "member", "PUT", &path, addresses(&["10.7.0.51"])).await;
    })
    .await;
}

#[tokio::test]
async fn one_address_has_one_floating_ip_of_a_network() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let first = floor.float(&api, json!({"port_id": floor.port})).await;
        let (kind, message) = floor.refused(&api, 409, "member", json!({"port_id": floor.port})).await;
        assert_eq!(kind, "FloatingIPPortAlreadyAssociated");
        assert!(message.starts_with("Cannot associate floating IP 172.24.0.12 ("), "{message}");
        let end = format!(
            ") with port {} using fixed IP 10.7.0.50, as that fixed IP already has a floating IP on external \
             network {}. Blocked by floatingip {}.",
            floor.port,
            floor.lab.external,
            id(&first)
        );
        assert!(message.ends_with(&end), "{message}");
        // Nothing was left behind: the address is still free.
        let second = floor.float(&api, json!({})).await;
        assert_eq!(second["floating_ip_address"], "172.24.0.12");
        let body = json!({"floatingip": {"port_id": floor.port}});
        let refused = api.refused(409, "member", "PUT", &url(&second), body).await;
        assert_eq!(refused.0, "FloatingIPPortAlreadyAssociated");
        assert!(refused.1.ends_with(&end), "{}", refused.1);
    })
    .await;
}

#[tokio::test]
async fn without_a_router_between_there_is_no_way() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let apart = network(&api, "member", json!({})).await;
        let apart_subnet = subnet(&api, "member", &apart, json!({"cidr": "10.60.0.0/24"})).await;
        let lonely = id(&port(&api, "member", &apart, json!({})).await);
        let message = format!(
            "External network {} is not reachable from subnet {apart_subnet}.  Therefore, cannot associate Port \
             {lonely} with a Floating IP.",
            floor.lab.external
        );
        let expected = refusal("ExternalGatewayForFloatingIPNotFound", message);
        assert_eq!(floor.refused(&api, 404, "member", json!({"port_id": lonely})).await, expected);
        // A router without gateway does not help.
        let inner = router(&api, json!({})).await;
        attach(&api, &inner, &apart_subnet).await;
        let free = floor.float(&api, json!({})).await;
        let body = json!({"floatingip": {"port_id": lonely}});
        assert_eq!(api.refused(404, "member", "PUT", &url(&free), body).await, expected);
        let other = format!("/v2.0/routers/{inner}");
        let gateway = json!({"router": {"external_gateway_info": {"network_id": floor.lab.external}}});
        api.expect(200, "member", "PUT", &other, gateway).await;
        assert_eq!(change(&api, &free, json!({"port_id": lonely})).await["router_id"], inner.as_str());
    })
    .await;
}

#[tokio::test]
async fn the_router_that_is_the_gateway_is_preferred() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        for _ in 0..4 {
            let side = router_to(&api, &floor.lab.external).await;
            let leg = id(&port(&api, "member", &floor.lab.network, json!({})).await);
            let path = crate::resources::router::tests::add(&side);
            api.expect(200, "member", "PUT", &path, json!({"port_id": leg})).await;
        }
        let made = floor.float(&api, json!({"port_id": floor.port})).await;
        assert_eq!(made["router_id"], floor.router.as_str());
    })
    .await;
}

#[tokio::test]
async fn the_fixed_address_must_be_the_ports_own() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let v6 = subnet(&api, "member", &floor.lab.network, json!({"cidr": "2001:db8:7::/64"})).await;
        let make = async |ips: Value| id(&port(&api, "member", &floor.lab.network, json!({"fixed_ips": ips})).await);
        let two = make(json!([{"ip_address": "10.7.0.60"}, {"ip_address": "10.7.0.61"}])).await;
        let none = make(json!([])).await;
        let only6 = make(json!([{"subnet_id": v6}])).await;
        for (object, expected) in [
            (
                json!({"fixed_ip_address": "10.7.0.50"}),
                bad("fixed_ip_address cannot be specified without a port_id".to_owned()),
            ),
            (
                json!({"port_id": floor.port, "fixed_ip_address": "10.7.0.51"}),
                bad(format!("Port {} does not have fixed ip 10.7.0.51", floor.port)),
            ),
            (
                json!({"port_id": only6, "fixed_ip_address": "2001:db8:7::1"}),
                bad("Cannot process floating IP association with 2001:db8:7::1, since that is not an IPv4 address"
                    .to_owned()),
            ),
            (
                json!({"port_id": two}),
                bad(format!(
                    "Port {two} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when \
                     assigning a floating IP"
                )),
            ),
            (
                json!({"port_id": none}),
                bad(format!("Cannot add floating IP to port {none} that has no fixed IPv4 addresses")),
            ),
            (
                json!({"port_id": only6}),
                bad(format!("Cannot add floating IP to port {only6} that has no fixed IPv4 addresses")),
            ),
        ] {
            assert_eq!(floor.refused(&api, 400, "member", object).await, expected);
        }
        let named = floor.float(&api, json!({"port_id": two, "fixed_ip_address": "10.7.0.61"})).await;
        assert_eq!(named["fixed_ip_address"], "10.7.0.61");
        // The other address of the port is free for another floating IP, and naming
        // the port alone keeps the one in use.
        floor.float(&api, json!({"port_id": two, "fixed_ip_address": "10.7.0.60"})).await;
        assert_eq!(change(&api, &named, json!({"port_id": two})).await, named);
        let body = json!({"floatingip": {"fixed_ip_address": "10.7.0.60"}});
        api.refused(400, "member", "PUT", &url(&named), body).await;
    })
    .await;
}

#[tokio::test]
async fn ports_of_others_and_of_dhcp_have_none() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let unknown = refusal("PortNotFound", format!("Port {NOWHERE} could not be found."));
        assert_eq!(floor.refused(&api, 404, "member", json!({"port_id": NOWHERE})).await, unknown);
        let theirs = refusal("PortNotFound", format!("Port {} could not be found.", floor.port));
        assert_eq!(floor.refused(&api, 404, "other", json!({"port_id": floor.port})).await, theirs);

        let shared = network(&api, "member", json!({})).await;
        subnet(&api, "member", &shared, json!({"cidr": "10.70.0.0/24"})).await;
        let guest = json!({"project_id": crate::testing::OTHER_PROJECT});
        let guest = id(&port(&api, "admin", &shared, guest).await);
        let expected = bad(format!(
            "Cannot create floating IP and bind it to Port {guest}, since that is owned by a different project"
        ));
        assert_eq!(floor.refused(&api, 400, "member", json!({"port_id": guest})).await, expected);
        let free = floor.float(&api, json!({})).await;
        let expected = bad(format!(
            "Port {guest} is associated with a different project than Floating IP {} and therefore cannot be bound",
            id(&free)
        ));
        let body = json!({"floatingip": {"port_id": guest}});
        assert_eq!(api.refused(400, "member", "PUT", &url(&free), body).await, expected);

        let dhcp = json!({"device_owner": "network:dhcp", "project_id": PROJECT});
        let dhcp = id(&port(&api, "admin", &floor.lab.network, dhcp).await);
        assert_eq!(
            floor.refused(&api, 400, "member", json!({"port_id": dhcp})).await,
            bad(format!("Port {dhcp} is unable to be assigned a floating IP"))
        );
    })
    .await;
}

#[tokio::test]
async fn a_port_that_goes_is_left_by_its_floating_ips() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let made = floor.float(&api, json!({"port_id": floor.port})).await;
        let port_id = floor.port.parse().expect("an id");
        // A stranger may not cut somebody's floating IP off.
        let refused = api
            .store()
            .write("test", move |tx| {
                Box::pin(async move { store::disassociate_port(tx, Some("somebody"), port_id).await })
            })
            .await;
        assert_eq!(refused.map_err(|fault| fault.kind.name()), Err("FipAssociated"));
        assert_eq!(shown(&api, "member", &made).await, made);

        api.expect(204, "member", "DELETE", &format!("/v2.0/ports/{}", floor.port), Value::Null).await;
        let left = shown(&api, "member", &made).await;
        assert_eq!(left["port_id"], Value::Null);
        assert_eq!(left["status"], "DOWN");
        assert_eq!(left["revision_number"], 2);
    })
    .await;
}
