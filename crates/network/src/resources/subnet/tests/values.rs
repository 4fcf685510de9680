//! Values a client can get wrong, and those somebody gets wrong on purpose (N09).

use proptest::prelude::*;

use super::super::rules;
use super::*;

/// N09: name servers are addresses, few, and of the subnet's family; nothing else
/// gets past the check, whatever it is.
#[tokio::test]
async fn n09_name_servers_are_addresses() {
    let api = TestApi::new(Engine::Sqlite).await;
    let network_id = network(&api).await;
    for server in [
        json!("9.9.9.9\n"),
        json!("9.9.9.9 option"),
        json!("9.9.9"),
        json!("9.9.9.9/32"),
        json!("9.9.9.9,1.1.1.1"),
        json!("fe80::1%eth0"),
        json!("example.org"),
        json!(""),
        json!(" 9.9.9.9"),
        json!("0x9.9.9.9"),
        json!("९.9.9.9"),
        json!(9),
        json!(null),
        json!({"ip": "9.9.9.9"}),
        json!(["9.9.9.9"]),
        json!("9".repeat(10_000)),
        json!("\u{0}"),
    ] {
        let (kind, message) =
            refused(&api, 400, &network_id, "10.0.0.0/24", json!({"dns_nameservers": [server]})).await;
        assert_eq!(kind, "HTTPBadRequest", "{message}");
        assert!(message.starts_with("Invalid input for dns_nameservers. Reason: "), "{message}");
        assert!(message.len() < 1000, "the value is quoted in part");
    }
    for (servers, kind) in [
        (json!(["fd00::1"]), "InvalidInput"),
        (json!(["9.9.9.9", "9.9.9.9"]), "HTTPBadRequest"),
        (json!("9.9.9.9"), "HTTPBadRequest"),
        (
            json!(["1.0.0.1", "1.0.0.2", "1.0.0.3", "1.0.0.4", "1.0.0.5", "1.0.0.6"]),
            "DNSNameServersExhausted",
        ),
    ] {
        let (found, _) =
            refused(&api, 400, &network_id, "10.0.0.0/24", json!({"dns_nameservers": servers})).await;
        assert_eq!(found, kind, "{servers}");
    }
    let made = subnet(&api, &network_id, "10.0.0.0/24", json!({"dns_nameservers": null})).await;
    assert_eq!(made["dns_nameservers"], json!([]));
    let update = json!({"subnet": {"dns_nameservers": ["9.9.9.9; reboot"]}});
    api.refused(400, "member", "PUT", &path(&made), update).await;
}

proptest! {
    /// N09: what passes is an address in its canonical form.
    #[test]
    fn n09_any_text_is_an_address_or_refused(text in "\\PC*") {
        if let Ok(canonical) = rules::dns_nameservers(&json!([text])) {
            let address: std::net::IpAddr = text.parse().expect("an address passed the check");
            prop_assert_eq!(canonical, json!([address.to_string()]));
        }
    }

    /// N04, N09: what passes is a prefix in its canonical form.
    #[test]
    fn n09_any_text_is_a_prefix_or_refused(text in "[0-9a-f:./]{0,40}|\\PC{0,20}") {
        if let Ok(canonical) = rules::cidr(&json!(text)) {
            let net: ipnet::IpNet = text.parse().expect("a prefix passed the check");
            prop_assert_eq!(canonical, json!(net.trunc().to_string()));
        }
    }

    /// N09: routes are made of a prefix without host bits and an address.
    #[test]
    fn n09_any_route_is_typed_or_refused(destination in "[0-9./]{0,18}", nexthop in "[0-9.]{0,15}") {
        let route = json!([{"destination": destination, "nexthop": nexthop}]);
        if rules::host_routes(&route).is_ok() {
            let net: ipnet::IpNet = destination.parse().expect("a prefix passed the check");
            prop_assert_eq!(net, net.trunc());
            prop_assert!(nexthop.parse::<std::net::IpAddr>().is_ok());
        }
    }
}

#[tokio::test]
async fn host_routes_are_prefix_and_address() {
    let api = TestApi::new(Engine::Sqlite).await;
    let network_id = network(&api).await;
    let route = |destination: &str, nexthop: &str| json!({"destination": destination, "nexthop": nexthop});
    for (routes, kind) in [
        (json!([route("10.99.0.1/24", "10.0.0.9")]), "HTTPBadRequest"),
        (json!([route("10.99.0.0", "10.0.0.9")]), "HTTPBadRequest"),
        (json!([route("127.0.0.0/8", "10.0.0.9")]), "HTTPBadRequest"),
        (json!([route("10.99.0.0/24", "x")]), "HTTPBadRequest"),
        (json!([{"destination": "10.99.0.0/24"}]), "HTTPBadRequest"),
        (json!([{"destination": "10.99.0.0/24", "nexthop": "10.0.0.9", "more": 1}]), "HTTPBadRequest"),
        (json!(["10.99.0.0/24"]), "HTTPBadRequest"),
        (json!("10.99.0.0/24"), "HTTPBadRequest"),
        (json!([route("10.99.0.0/24", "10.0.0.9"), route("10.99.0.0/24", "10.0.0.9")]), "HTTPBadRequest"),
        (json!([route("fd00::/64", "fd00::1")]), "InvalidInput"),
        (json!([route("10.99.0.0/24", "fd00::1")]), "InvalidInput"),
        ((0..21).map(|n| route(&format!("10.99.{n}.0/24"), "10.0.0.9")).collect(), "HostRoutesExhausted"),
    ] {
        let (found, message) =
            refused(&api, 400, &network_id, "10.0.0.0/24", json!({"host_routes": routes})).await;
        assert_eq!(found, kind, "{routes}: {message}");
    }
    let routes = json!([route("10.99.1.0/24", "10.0.0.9"), route("10.98.0.0/24", "10.0.0.8")]);
    let made = subnet(&api, &network_id, "10.0.0.0/24", json!({"host_routes": routes})).await;
    assert_eq!(made["host_routes"], routes, "in the order given");
}

#[tokio::test]
async fn ipv6_modes_fit_the_subnet_and_each_other() {
    let api = TestApi::new(Engine::Sqlite).await;
    let network_id = network(&api).await;
    let slaac = json!({"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"});
    for (cidr, more, kind) in [
        ("10.0.0.0/24", slaac.clone(), "InvalidInput"),
        ("fd00::/80", slaac.clone(), "InvalidInput"),
        ("fd00::/64", json!({"ipv6_address_mode": "slaac", "enable_dhcp": false}), "InvalidInput"),
        (
            "fd00::/64",
            json!({"ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"}),
            "InvalidInput",
        ),
        ("fd00::/64", json!({"ipv6_ra_mode": "magic"}), "HTTPBadRequest"),
    ] {
        let (found, message) = refused(&api, 400, &network_id, cidr, more.clone()).await;
        assert_eq!(found, kind, "{cidr} {more}: {message}");
    }
    let made = subnet(&api, &network_id, "fd00::/64", slaac).await;
    let off = json!({"subnet": {"enable_dhcp": false}});
    let (_, message) = api.refused(400, "member", "PUT", &path(&made), off).await;
    assert_eq!(message, "Invalid input for operation: Cannot disable enable_dhcp with ipv6 attributes set.");
    let stateful = json!({"ipv6_ra_mode": "dhcpv6-stateful", "ipv6_address_mode": "dhcpv6-stateful"});
    subnet(&api, &network_id, "fd00:1::/80", stateful).await;
}

#[tokio::test]
async fn service_types_are_owners_and_for_administrators() {
    let api = TestApi::new(Engine::Sqlite).await;
    let network_id = network(&api).await;
    let typed =
        |service_type: &str| body(&network_id, "10.0.0.0/24", json!({"service_types": [service_type]}));
    let (kind, _) = api.refused(403, "member", "POST", "/v2.0/subnets", typed("compute:nova")).await;
    assert_eq!(kind, "PolicyNotAuthorized");
    let refused = api.refused(400, "admin", "POST", "/v2.0/subnets", typed("printer")).await;
    let message = "Subnet service type printer does not correspond to a valid device owner.";
    assert_eq!(refused, ("InvalidSubnetServiceType".to_owned(), message.to_owned()));
    let made = api.expect(201, "admin", "POST", "/v2.0/subnets", typed("network:router_gateway")).await;
    assert_eq!(made["subnet"]["service_types"], json!(["network:router_gateway"]));
}
