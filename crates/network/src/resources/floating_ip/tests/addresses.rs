//! Which external address a floating IP gets.

use serde_json::json;

use super::Floor;
use crate::resources::router::tests::{refusal, subnet};
use crate::testing::TestApi;

#[tokio::test]
async fn only_managers_choose_the_address() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let wanted = json!({"floating_ip_address": "172.24.0.99"});
        assert_eq!(floor.refused(&api, 403, "member", wanted.clone()).await.0, "PolicyNotAuthorized");
        let mut object = wanted.clone();
        object["floating_network_id"] = json!(floor.lab.external);
        let made = api.create("manager", "/v2.0/floatingips", "floatingip", object).await;
        assert_eq!(made["floating_ip_address"], "172.24.0.99");

        let taken = format!(
            "Unable to complete operation for network {}. The IP address 172.24.0.99 is in use.",
            floor.lab.external
        );
        assert_eq!(floor.refused(&api, 409, "manager", wanted).await, refusal("IpAddressInUse", taken));
        let outside = json!({"floating_ip_address": "192.0.2.1"});
        assert_eq!(floor.refused(&api, 400, "admin", outside).await.0, "InvalidIpForNetwork");
        let v6 = json!({"floating_ip_address": "2001:db8::5"});
        assert_eq!(
            floor.refused(&api, 400, "admin", v6).await,
            refusal("BadRequest", "Bad floatingip request: 2001:db8::5 is not an IPv4 address.")
        );
        // Inside the subnet but outside its pools.
        let mut beyond = json!({"floating_ip_address": "172.24.0.5"});
        beyond["floating_network_id"] = json!(floor.lab.external);
        api.create("admin", "/v2.0/floatingips", "floatingip", beyond).await;
    })
    .await;
}

#[tokio::test]
async fn a_named_subnet_gives_the_address() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let second = subnet(&api, "admin", &floor.lab.external, json!({"cidr": "198.51.100.0/24"})).await;
        let v6 = subnet(&api, "admin", &floor.lab.external, json!({"cidr": "2001:db8::/64"})).await;
        let made = floor.float(&api, json!({"subnet_id": second})).await;
        assert_eq!(made["floating_ip_address"], "198.51.100.2");
        let first = json!({"subnet_id": floor.lab.external_subnet});
        assert_eq!(floor.float(&api, first).await["floating_ip_address"], "172.24.0.11");
        let message = format!("Unable to find any IP address on external network {}.", floor.lab.external);
        assert_eq!(
            floor.refused(&api, 400, "member", json!({"subnet_id": v6})).await,
            refusal("ExternalIpAddressExhausted", message)
        );
        let inner = json!({"subnet_id": floor.lab.subnet});
        assert_eq!(floor.refused(&api, 400, "member", inner).await.0, "InvalidInput");
    })
    .await;
}

#[tokio::test]
async fn the_next_subnet_follows_when_one_is_used_up() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let external =
            crate::resources::router::tests::network(&api, "admin", json!({"router:external": true})).await;
        let tiny = json!({"cidr": "192.0.2.0/30", "enable_dhcp": false, "gateway_ip": "192.0.2.1"});
        subnet(&api, "admin", &external, tiny).await;
        let reserved = json!({"cidr": "203.0.113.0/24", "service_types": ["network:router_gateway"]});
        subnet(&api, "admin", &external, reserved).await;
        let object = json!({"floating_network_id": external});
        let first = api.create("member", "/v2.0/floatingips", "floatingip", object.clone()).await;
        assert_eq!(first["floating_ip_address"], "192.0.2.2");
        let full =
            api.refused(409, "member", "POST", "/v2.0/floatingips", json!({"floatingip": object})).await;
        let message = format!("No more IP addresses available on network {external}.");
        assert_eq!(full, refusal("IpAddressGenerationFailure", message));

        subnet(&api, "admin", &external, json!({"cidr": "198.51.100.0/24"})).await;
        let next = api.create("member", "/v2.0/floatingips", "floatingip", object.clone()).await;
        assert_eq!(next["floating_ip_address"], "198.51.100.2");
        let own = json!({"cidr": "203.0.114.0/24", "service_types": ["network:floatingip"]});
        subnet(&api, "admin", &external, own).await;
        let next = api.create("member", "/v2.0/floatingips", "floatingip", object).await;
        assert_eq!(next["floating_ip_address"], "203.0.114.2");
        drop(floor);
    })
    .await;
}

#[tokio::test]
async fn names_are_checked_and_kept() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let made = floor.float(&api, json!({"dns_name": "Www", "dns_domain": "Example.org."})).await;
        assert_eq!(made["dns_name"], "www");
        assert_eq!(made["dns_domain"], "example.org.");
        for object in [
            json!({"dns_name": "-x"}),
            json!({"dns_name": "a b"}),
            json!({"dns_name": "a..b"}),
            json!({"dns_domain": "bad domain."}),
        ] {
            assert_eq!(floor.refused(&api, 400, "member", object).await.0, "HTTPBadRequest");
        }
    })
    .await;
}
