//! The simulated parties: looking where something changed ends at the same as
//! looking at everything.

use std::collections::{BTreeMap, BTreeSet};

use isospin_feed::convert::Fact;
use isospin_feed::facts::{DhcpService, FactKey, Facts, Fixed, FloatingIp, Router};
use proptest::prelude::*;
use uuid::Uuid;

use super::rig::port;
use crate::config::Role;
use crate::converge::{ItemState, Mechanism, Scope};
use crate::simulated::Simulated;

fn id<T: From<Uuid>>(n: u8) -> T {
    Uuid::from_u128(u128::from(n)).into()
}

/// A step: set or remove one of a few facts.
fn step() -> impl Strategy<Value = (Fact, bool)> {
    let fact = prop_oneof![
        (0..4_u8, 0..2_u8, any::<(bool, bool)>()).prop_map(|(n, network, (here, up))| {
            let mut port = port(n);
            port.network_id = id(network);
            port.host = if here { "h1" } else { "h2" }.to_owned();
            port.admin_state_up = up;
            Fact::Port(port)
        }),
        (0..2_u8).prop_map(|n| Fact::DhcpService(DhcpService { network_id: id(n), port_id: id(100) })),
        (0..2_u8, any::<bool>()).prop_map(|(n, admin_state_up)| {
            Fact::Router(Router {
                id: id(n),
                name: String::new(),
                project_id: String::new(),
                admin_state_up,
                enable_snat: true,
                gateway_port_id: None,
                interface_port_ids: BTreeSet::new(),
                routes: Vec::new(),
                conntrack_helpers: BTreeSet::new(),
                gateway_qos: Default::default(),
                metering: Default::default(),
            })
        }),
        (0..3_u8, 0..2_u8).prop_map(|(n, router)| {
            Fact::FloatingIp(FloatingIp {
                id: id(n),
                router_id: id(router),
                floating_ip_address: [10, 0, 0, n].into(),
                fixed: Some(Fixed { ip_address: [10, 1, 0, n].into(), port_id: id(n) }),
                floating_network_id: id(0),
                port_forwardings: Vec::new(),
                qos: Default::default(),
            })
        }),
    ];
    (fact, prop::bool::weighted(0.7))
}

proptest! {
    #[test]
    fn incremental_looks_end_at_the_same_as_a_full_one(steps in prop::collection::vec(step(), 1..20)) {
        for role in [Role::L2, Role::L3, Role::Dhcp, Role::Metadata] {
            let mut party = Simulated::new(role, "h1");
            let mut facts = Facts::default();
            let mut known: BTreeMap<FactKey, ItemState> = BTreeMap::new();
            for (fact, set) in &steps {
                let key = fact.key();
                if *set {
                    facts.insert(fact.clone());
                } else {
                    facts.remove(&key);
                }
                let scope = Scope::Touched { facts: BTreeSet::from([key]), links: BTreeSet::new() };
                let report = futures::executor::block_on(party.pass(&facts, &scope, true));
                prop_assert_eq!(report.changes, 0);
                known.extend(report.items.into_iter().map(|item| (item.key, item.state)));
            }
            let full = party.items(&facts);
            for item in &full {
                prop_assert_eq!(known.get(&item.key), Some(&item.state), "{:?} {:?}", role, item.key);
            }
        }
    }
}
