//! Who is who: the rules that keep one tenant from another's metadata.

use isospin_feed::facts::FactKey;
use isospin_types::{NetworkId, SubnetId};
use proptest::prelude::*;

use super::{add_floating, add_router, get, shared};
use crate::dhcp::testing::{Cloud, port, subnet_id};
use crate::metadata::index::{Door, Index};

const ID: &str = "/latest/meta-data/instance-id";

fn instance(cloud: &mut Cloud, device: &str, mac: &str, address: &str) -> isospin_types::PortId {
    let id = cloud.add_instance(mac, address);
    cloud.change_port(id, |port| port.device_id = device.to_owned());
    id
}

/// CVE-2013-6419: only the network asked through and the source address say who asks.
#[test]
fn n01_the_same_address_in_two_networks_is_two_instances() {
    let (mut cloud, mut other) = (Cloud::new(), Cloud::new());
    instance(&mut cloud, "mine", "fa:16:3e:00:00:05", "10.0.0.5");
    instance(&mut other, "theirs", "fa:16:3e:00:00:06", "10.0.0.5");
    cloud.facts.ports.extend(other.facts.ports.clone());
    cloud.facts.networks.extend(other.facts.networks.clone());
    let shared = shared(&cloud);
    let ask = |network, source: &str| get(&shared, Door::Network(network), source, ID);
    assert_eq!(ask(cloud.network, "10.0.0.5").as_deref(), Some("mine"));
    assert_eq!(ask(other.network, "10.0.0.5").as_deref(), Some("theirs"));
    assert_eq!(ask(NetworkId::random(), "10.0.0.5"), None);
    for source in ["10.0.0.6", "10.0.0.2", "::ffff:10.0.0.6", "127.0.0.1"] {
        assert_eq!(ask(cloud.network, source), None, "{source}");
    }
}

#[test]
fn n01_a_router_knows_only_the_subnets_it_has_a_leg_in() {
    let mut cloud = Cloud::new();
    instance(&mut cloud, "mine", "fa:16:3e:00:00:05", "10.0.0.5");
    let beside = SubnetId::random();
    cloud.add_subnet(beside, "10.0.1.0/24", |_| ());
    let hidden = instance(&mut cloud, "hidden", "fa:16:3e:00:00:06", "10.0.1.5");
    cloud.change_port(hidden, |port| port.fixed_ips[0].subnet_id = beside);
    let leg = cloud.add_router();
    let router = add_router(&mut cloud, &[leg]);
    let blind = add_router(&mut cloud, &[]);
    let shared = shared(&cloud);
    assert_eq!(get(&shared, Door::Router(router), "10.0.0.5", ID).as_deref(), Some("mine"));
    assert_eq!(get(&shared, Door::Router(router), "10.0.1.5", ID), None);
    assert_eq!(get(&shared, Door::Router(router), "10.0.0.1", ID), None, "a port of the cloud itself");
    assert_eq!(get(&shared, Door::Router(blind), "10.0.0.5", ID), None);
}

/// A device id is free text: claiming another's brings nothing of the other.
#[test]
fn n01_a_claimed_device_id_shows_no_foreign_port() {
    let mut cloud = Cloud::new();
    let victim = instance(&mut cloud, "victim", "fa:16:3e:00:00:05", "10.0.0.5");
    let thief = instance(&mut cloud, "victim", "fa:16:3e:00:00:06", "10.0.0.6");
    cloud.change_port(thief, |port| port.project_id = "thieves".to_owned());
    let second = instance(&mut cloud, "victim", "fa:16:3e:00:00:07", "10.0.0.7");
    let shared = shared(&cloud);
    let data = |source| {
        get(&shared, Door::Network(cloud.network), source, "/openstack/latest/network_data.json")
            .expect("found")
    };
    let of_thief = data("10.0.0.6");
    assert!(of_thief.contains(&thief.to_string()) && !of_thief.contains(&victim.to_string()), "{of_thief}");
    let of_victim = data("10.0.0.5");
    assert!(
        of_victim.contains(&second.to_string()) && !of_victim.contains(&thief.to_string()),
        "{of_victim}"
    );
}

#[test]
fn n01_an_address_two_ports_claim_is_nobodys() {
    let mut cloud = Cloud::new();
    instance(&mut cloud, "one", "fa:16:3e:00:00:05", "10.0.0.5");
    let second = instance(&mut cloud, "two", "fa:16:3e:00:00:06", "10.0.0.5");
    assert_eq!(get(&shared(&cloud), Door::Network(cloud.network), "10.0.0.5", ID), None);
    cloud.facts.ports.remove(&second);
    assert_eq!(get(&shared(&cloud), Door::Network(cloud.network), "10.0.0.5", ID).as_deref(), Some("one"));
}

#[test]
fn an_allowed_address_is_not_an_identity() {
    let mut cloud = Cloud::new();
    let id = instance(&mut cloud, "mine", "fa:16:3e:00:00:05", "10.0.0.5");
    cloud.change_port(id, |port| {
        let (ip, mac) = ("10.0.0.200/32".parse().expect("net"), port.mac);
        port.allowed_address_pairs = vec![isospin_feed::facts::AddressPair { ip, mac }];
    });
    assert_eq!(get(&shared(&cloud), Door::Network(cloud.network), "10.0.0.200", ID), None);
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Change {
    SetPort { slot: usize, address: u8, device: u8 },
    RemovePort { slot: usize },
    SetFloating { slot: usize, address: u8 },
    RemoveFloating { slot: usize },
    Router { legs: u8 },
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (0usize..6, 3u8..9, 0u8..3).prop_map(|(slot, address, device)| Change::SetPort { slot, address, device }),
        1 => (0usize..6).prop_map(|slot| Change::RemovePort { slot }),
        2 => (0usize..6, 1u8..5).prop_map(|(slot, address)| Change::SetFloating { slot, address }),
        1 => (0usize..6).prop_map(|slot| Change::RemoveFloating { slot }),
        1 => (0u8..64).prop_map(|legs| Change::Router { legs }),
    ]
}

proptest! {
    /// Learning change by change ends where learning everything at once does.
    #[test]
    fn learning_by_changes_equals_learning_anew(history in proptest::collection::vec(change(), 0..40)) {
        let mut cloud = Cloud::new();
        let mut index = Index::of(&cloud.facts);
        let ports: Vec<_> = (0..6).map(|_| port("fa:16:3e:00:00:05", "10.0.0.9")).collect();
        let mut floating = [None; 6];
        for step in history {
            let key = match step {
                Change::SetPort { slot, address, device } => {
                    let mut port = ports[slot].clone();
                    port.fixed_ips[0].ip_address = format!("10.0.0.{address}").parse().expect("address");
                    port.fixed_ips[0].subnet_id = subnet_id();
                    port.device_id = ["", "a", "b"][usize::from(device)].to_owned();
                    FactKey::Port(cloud.add_port(port))
                }
                Change::RemovePort { slot } => {
                    cloud.facts.ports.remove(&ports[slot].id);
                    FactKey::Port(ports[slot].id)
                }
                Change::SetFloating { slot, address } => {
                    let id = add_floating(&mut cloud, ports[slot].id, &format!("10.77.77.{address}"));
                    floating[slot] = Some(id);
                    FactKey::FloatingIp(id)
                }
                Change::RemoveFloating { slot } => {
                    let Some(id) = floating[slot].take() else { continue };
                    cloud.facts.floating_ips.remove(&id);
                    FactKey::FloatingIp(id)
                }
                Change::Router { legs } => {
                    let chosen = (0..6).filter(|slot| legs & (1 << slot) != 0).map(|slot| ports[slot].id);
                    let chosen: Vec<_> = chosen.collect();
                    FactKey::Router(add_router(&mut cloud, &chosen))
                }
            };
            index.learn(&cloud.facts, key);
            prop_assert_eq!(&index, &Index::of(&cloud.facts));
        }
    }
}
