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
fn subnets_of_a_router_have_no_address_in_common() {
    for (other, refused) in [("10.0.0.0/25", true), ("10.0.1.0/24", false)] {
        let new = [(SubnetId::random(), net(other))];
        assert_eq!(rules::check_new_subnets(&[connected("10.0.0.0/24")], &new).is_err(), refused, "{other}");
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
