//! Which addresses a port gets.

use serde_json::{Value, json};

use super::{Lab, addresses, id, network, number, path, port, refused_port, refused_update, subnet, update};
use crate::testing::{NOWHERE, TestApi};

#[tokio::test]
async fn one_address_of_each_family_and_one_for_each_automatic_subnet() {
    TestApi::on_each_engine(|api| async move {
        let net = network(&api, "member", json!({})).await;
        for cidr in ["10.1.0.0/24", "fd00:1::/64"] {
            subnet(&api, "member", &net, json!({"cidr": cidr})).await;
        }
        for cidr in ["fd00:a::/64", "fd00:b::/64"] {
            let modes = json!({"cidr": cidr, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac", "enable_dhcp": true});
            subnet(&api, "member", &net, modes).await;
        }
        let made = port(&api, "member", &net, json!({"mac_address": "fa:16:3e:1f:94:4b"})).await;
        // Automatic subnets of one second are in the order of their ids.
        let mut found = addresses(&made);
        found[2..].sort();
        assert_eq!(
            found,
            ["10.1.0.2", "fd00:1::1", "fd00:a::f816:3eff:fe1f:944b", "fd00:b::f816:3eff:fe1f:944b"]
        );
        // Naming other addresses keeps those made from the MAC.
        let named = port(
            &api,
            "member",
            &net,
            json!({"fixed_ips": [{"ip_address": "10.1.0.9"}], "mac_address": "fa:16:3e:00:00:01"}),
        )
        .await;
        let mut found = addresses(&named);
        found[1..].sort();
        assert_eq!(
            found,
            ["10.1.0.9", "fd00:a::f816:3eff:fe00:1", "fd00:b::f816:3eff:fe00:1"]
        );
        let none = port(&api, "member", &net, json!({"fixed_ips": []})).await;
        assert_eq!(addresses(&none), Vec::<String>::new());
        assert_eq!(none["ip_allocation"], "none");
        let (kind, _) =
            refused_port(&api, 400, "member", &net, json!({"fixed_ips": [{"ip_address": "fd00:a::5"}]})).await;
        assert_eq!(kind, "AllocationOnAutoAddressSubnet");
    })
    .await;
}

#[tokio::test]
async fn the_next_subnet_serves_when_the_first_is_full() {
    TestApi::on_each_engine(|api| async move {
        let net = network(&api, "member", json!({})).await;
        subnet(&api, "member", &net, json!({"cidr": "10.1.0.0/30", "gateway_ip": "10.1.0.1"})).await;
        subnet(&api, "member", &net, json!({"cidr": "10.2.0.0/30", "gateway_ip": "10.2.0.1"})).await;
        let mut found = addresses(&port(&api, "member", &net, json!({})).await);
        found.extend(addresses(&port(&api, "member", &net, json!({})).await));
        found.sort();
        assert_eq!(found, ["10.1.0.2", "10.2.0.2"]);
        let (kind, message) = refused_port(&api, 409, "member", &net, json!({})).await;
        assert_eq!(kind, "IpAddressGenerationFailure");
        assert_eq!(message, format!("No more IP addresses available on network {net}."));
        assert_eq!(number(&api, "SELECT COUNT(*) FROM ports").await, 2, "nothing is half done");
    })
    .await;
}

#[tokio::test]
async fn wrong_addresses_are_refused_by_kind() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        port(&api, "member", &lab.network, json!({"fixed_ips": [{"ip_address": "10.7.0.50"}]})).await;
        let cases = [
            (409, json!([{"subnet_id": lab.subnet, "ip_address": "10.7.0.50"}]), "IpAddressAlreadyAllocated"),
            (409, json!([{"ip_address": "10.7.0.50"}]), "IpAddressAlreadyAllocated"),
            (400, json!([{"ip_address": "10.9.0.1"}]), "InvalidIpForNetwork"),
            (400, json!([{"subnet_id": lab.subnet, "ip_address": "10.9.0.1"}]), "InvalidIpForSubnet"),
            (400, json!([{"subnet_id": lab.subnet, "ip_address": "10.7.0.0"}]), "InvalidIpForSubnet"),
            (400, json!([{"ip_address": "10.7.0.255"}]), "InvalidIpForSubnet"),
            (400, json!([{"subnet_id": NOWHERE}]), "InvalidInput"),
            (400, json!([{}]), "InvalidInput"),
            (400, json!([{"ip_address": "10.7.0.300"}]), "HTTPBadRequest"),
            (400, json!("10.7.0.3"), "HTTPBadRequest"),
            (400, json!([{"address": "10.7.0.3"}]), "HTTPBadRequest"),
        ];
        for (status, fixed_ips, expected) in cases {
            let object = json!({ "fixed_ips": fixed_ips });
            let (kind, message) = refused_port(&api, status, "member", &lab.network, object.clone()).await;
            assert_eq!(kind, expected, "{object}: {message}");
        }
        let (_, message) = refused_port(
            &api,
            409,
            "member",
            &lab.network,
            json!({"fixed_ips": [{"ip_address": "10.7.0.50"}]}),
        )
        .await;
        assert_eq!(message, format!("IP address 10.7.0.50 already allocated in subnet {}", lab.subnet));
        let bare = network(&api, "member", json!({})).await;
        let (kind, _) =
            refused_port(&api, 400, "member", &bare, json!({"fixed_ips": [{"ip_address": "10.0.0.1"}]}))
                .await;
        assert_eq!(kind, "InvalidInput");
        assert_eq!(addresses(&port(&api, "member", &bare, json!({})).await), Vec::<String>::new());
        assert_eq!(number(&api, "SELECT COUNT(*) FROM ports").await, 2, "refused ports leave no row");
    })
    .await;
}

#[tokio::test]
async fn addresses_outside_the_pools_are_for_the_owner_of_the_network() {
    TestApi::on_each_engine(|api| async move {
        let net = network(&api, "admin", json!({"shared": true})).await;
        let pools = json!([{"start": "10.7.0.100", "end": "10.7.0.101"}]);
        subnet(&api, "admin", &net, json!({"cidr": "10.7.0.0/24", "allocation_pools": pools})).await;
        let outside = json!({"fixed_ips": [{"ip_address": "10.7.0.9"}]});
        refused_port(&api, 403, "member", &net, outside.clone()).await;
        let made = port(&api, "admin", &net, outside.clone()).await;
        assert_eq!(addresses(&made), ["10.7.0.9"]);
        let (kind, _) = refused_port(&api, 409, "admin", &net, outside).await;
        assert_eq!(kind, "IpAddressAlreadyAllocated");
        // Given back, it is not added to the pool.
        api.expect(204, "admin", "DELETE", &path(&id(&made)), Value::Null).await;
        assert_eq!(number(&api, "SELECT COUNT(*) FROM free_addresses").await, 1);
        port(&api, "member", &net, json!({})).await;
        port(&api, "member", &net, json!({})).await;
        refused_port(&api, 409, "member", &net, json!({})).await;
    })
    .await;
}

#[tokio::test]
async fn several_addresses_of_one_subnet_and_service_types() {
    TestApi::on_each_engine(|api| async move {
        let net = network(&api, "admin", json!({})).await;
        let plain = subnet(&api, "admin", &net, json!({"cidr": "10.1.0.0/24"})).await;
        subnet(&api, "admin", &net, json!({"cidr": "10.2.0.0/24", "service_types": ["compute:special"]}))
            .await;
        let several =
            json!({"fixed_ips": [{"subnet_id": plain}, {"subnet_id": plain}, {"ip_address": "10.1.0.2"}]});
        assert_eq!(
            addresses(&port(&api, "admin", &net, several).await),
            ["10.1.0.3", "10.1.0.4", "10.1.0.2"],
            "a named address is not given to another entry"
        );
        let special = port(&api, "admin", &net, json!({"device_owner": "compute:special"})).await;
        assert_eq!(addresses(&special), ["10.2.0.2"]);
        let other = port(&api, "admin", &net, json!({"device_owner": "compute:nova"})).await;
        assert_eq!(addresses(&other), ["10.1.0.5"]);
    })
    .await;
}

#[tokio::test]
async fn n15_addresses_of_a_late_attachment_are_checked_as_at_creation() {
    TestApi::on_each_engine(|api| async move {
        let net = network(&api, "admin", json!({"shared": true})).await;
        let pools = json!([{"start": "10.7.0.100", "end": "10.7.0.200"}]);
        let sub =
            subnet(&api, "admin", &net, json!({"cidr": "10.7.0.0/24", "allocation_pools": pools})).await;
        let victim = port(&api, "admin", &net, json!({"fixed_ips": [{"ip_address": "10.7.0.5"}]})).await;
        let late = id(&port(&api, "member", &net, json!({"fixed_ips": []})).await);
        // A member of the shared network names no addresses, in or outside the pool.
        for address in ["10.7.0.5", "10.7.0.6", "10.7.0.150"] {
            let wanted = json!({"fixed_ips": [{"subnet_id": sub, "ip_address": address}]});
            refused_update(&api, 403, "member", &late, wanted).await;
        }
        // Nor does the administrator take one that is in use, or none of the subnet's.
        let wanted = |address: &str| json!({"fixed_ips": [{"ip_address": address}]});
        let (kind, _) = refused_update(&api, 409, "admin", &late, wanted("10.7.0.5")).await;
        assert_eq!(kind, "IpAddressAlreadyAllocated");
        let (kind, _) = refused_update(&api, 400, "admin", &late, wanted("10.8.0.5")).await;
        assert_eq!(kind, "InvalidIpForNetwork");
        let (kind, _) = refused_update(&api, 400, "admin", &late, wanted("10.7.0.255")).await;
        assert_eq!(kind, "InvalidIpForSubnet");
        assert_eq!(addresses(&super::shown(&api, "admin", &late).await), Vec::<String>::new());
        assert_eq!(addresses(&super::shown(&api, "admin", &id(&victim)).await), ["10.7.0.5"]);
        let changed = update(&api, "admin", &late, wanted("10.7.0.6")).await;
        assert_eq!(addresses(&changed), ["10.7.0.6"]);
        assert_eq!(changed["ip_allocation"], "immediate");
    })
    .await;
}

#[tokio::test]
async fn an_update_replaces_the_list_and_keeps_what_is_in_both() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let made = id(&port(&api, "member", &lab.network, json!({})).await);
        let both = json!({"fixed_ips": [{"ip_address": "10.7.0.2"}, {"ip_address": "10.7.0.20"}]});
        assert_eq!(addresses(&update(&api, "member", &made, both).await), ["10.7.0.2", "10.7.0.20"]);
        let order = json!({"fixed_ips": [{"ip_address": "10.7.0.20"}, {"subnet_id": lab.subnet}]});
        assert_eq!(addresses(&update(&api, "member", &made, order).await), ["10.7.0.20", "10.7.0.2"]);
        assert_eq!(addresses(&super::shown(&api, "member", &made).await), ["10.7.0.20", "10.7.0.2"]);
        let one = json!({"fixed_ips": [{"ip_address": "10.7.0.20"}]});
        assert_eq!(addresses(&update(&api, "member", &made, one).await), ["10.7.0.20"]);
        let next = port(&api, "member", &lab.network, json!({})).await;
        assert_eq!(addresses(&next), ["10.7.0.2"], "what was dropped is free");
        assert_eq!(
            addresses(&update(&api, "member", &made, json!({"fixed_ips": []})).await),
            Vec::<String>::new()
        );
        assert_eq!(number(&api, "SELECT COUNT(*) FROM port_addresses").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_new_mac_moves_the_addresses_made_from_it() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let modes = json!({"cidr": "fd00:a::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac", "enable_dhcp": true});
        subnet(&api, "member", &lab.network, modes).await;
        let object = json!({"mac_address": "fa:16:3e:00:00:01", "allowed_address_pairs": [{"ip_address": "10.9.0.1"}]});
        let made = id(&port(&api, "member", &lab.network, object).await);
        let changed = update(&api, "manager", &made, json!({"mac_address": "fa:16:3e:00:00:02"})).await;
        assert_eq!(addresses(&changed), ["10.7.0.2", "fd00:a::f816:3eff:fe00:2"]);
        assert_eq!(changed["allowed_address_pairs"][0]["mac_address"], "fa:16:3e:00:00:02");
        refused_update(&api, 403, "member", &made, json!({"mac_address": "fa:16:3e:00:00:03"})).await;
        let again = update(&api, "manager", &made, json!({"mac_address": null})).await;
        assert_ne!(again["mac_address"], "fa:16:3e:00:00:02");
        assert_eq!(addresses(&again).len(), 2);
        let taken = port(&api, "member", &lab.network, json!({})).await["mac_address"].take();
        let (kind, message) = refused_update(&api, 409, "manager", &made, json!({ "mac_address": taken.clone() })).await;
        assert_eq!(kind, "MacAddressInUse");
        assert!(message.contains(taken.as_str().expect("a MAC")), "{message}");
        let (kind, _) = refused_port(&api, 409, "member", &lab.network, json!({ "mac_address": taken })).await;
        assert_eq!(kind, "MacAddressInUse");
    })
    .await;
}
