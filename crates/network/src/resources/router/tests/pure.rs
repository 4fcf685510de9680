//! Rules as functions.

use ipnet::IpNet;
use isospin_types::{NetworkId, PortId, RouterId, SubnetId};
use proptest::prelude::*;

use crate::resources::router::model::{Connected, Leg, Route};
use crate::resources::router::rules;

fn net(text: &str) -> IpNet {
    text.parse().expect("a CIDR")
}

fn connected(cidr: &str) -> Connected {
    Connected {
        subnet_id: SubnetId::random(),
        network_id: NetworkId::random(),
        cidr: net(cidr),
        port_id: Some(PortId::random()),
    }
}

fn route(destination: &str, nexthop: &str) -> Route {
    Route { destination: net(destination), nexthop: nexthop.parse().expect("an address") }
}

#[test]
fn prefixes_of_one_family_overlap_when_one_holds_the_other() {
    let check = |one: &str, other: &str| {
        rules::check_new_subnets(&[connected(one)], &[(SubnetId::random(), net(other))]).is_err()
    };
    for (one, other, overlapping) in [
        ("10.0.0.0/24", "10.0.0.0/24", true),
        ("10.0.0.0/24", "10.0.0.128/25", true),
        ("10.0.0.128/25", "10.0.0.0/24", true),
        ("10.0.0.0/25", "10.0.0.128/25", false),
        ("0.0.0.0/0", "192.0.2.0/24", true),
        ("::/0", "192.0.2.0/24", false),
        ("2001:db8::/32", "2001:db8:1::/64", true),
        ("2001:db8::/64", "2001:db8:0:1::/64", false),
    ] {
        assert_eq!(check(one, other), overlapping, "{one} {other}");
    }
}

#[test]
fn routes_are_checked_against_all_legs() {
    let legs = [
        Leg { cidr: net("10.7.0.0/24"), address: "10.7.0.1".parse().expect("an address") },
        Leg { cidr: net("fd00::/64"), address: "fd00::".parse().expect("an address") },
    ];
    let id = RouterId::random();
    let check = |routes: &[Route], most| {
        rules::check_routes(id, routes, &legs, most).map_err(|fault| fault.kind.name())
    };
    let good = [route("10.9.0.0/24", "10.7.0.9"), route("2001:db8::/64", "fd00::9")];
    assert_eq!(check(&good, 2), Ok(()));
    assert_eq!(check(&good, 1), Err("RoutesExhausted"));
    assert_eq!(check(&[route("10.9.0.0/24", "10.8.0.9")], 9), Err("InvalidRoutes"));
    assert_eq!(check(&[route("2001:db8::/64", "fd00::")], 9), Err("InvalidRoutes"));
    assert_eq!(check(&[], 0), Ok(()));
}

proptest! {
    #[test]
    fn adding_and_removing_routes_are_inverse(
        current in prop::collection::hash_set(any::<u8>(), 0..20),
        added in prop::collection::hash_set(any::<u8>(), 0..20),
    ) {
        let of = |numbers: &std::collections::HashSet<u8>| -> Vec<Route> {
            numbers.iter().map(|n| route(&format!("10.{n}.0.0/16"), "192.0.2.1")).collect()
        };
        let (current, added) = (of(&current), of(&added));
        let fresh: Vec<Route> = added.iter().filter(|route| !current.contains(route)).copied().collect();
        let with = rules::with_routes(&current, &added);
        prop_assert!(added.iter().all(|route| with.contains(route)));
        prop_assert_eq!(with.len(), current.len() + fresh.len());
        prop_assert_eq!(rules::without_routes(&with, &fresh), current);
    }
}
