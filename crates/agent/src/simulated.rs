//! Mechanisms that touch nothing: every port, router and floating IP of the host is
//! at once as the facts want it.
//!
//! For people who test clients (`isospin up --agent simulated`, which needs no root)
//! and for tests with hundreds of hosts. Session, replica, loop and reports are the
//! real ones.

use std::collections::BTreeSet;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use isospin_feed::facts::{FactKey, Facts, FloatingIp, Port};

use crate::config::Role;
use crate::converge::{Item, ItemState, Mechanism, PassReport, Scope};

/// One party of a simulated host.
#[derive(Debug)]
pub struct Simulated {
    role: Role,
    host: String,
}

/// All parties of a simulated host.
#[must_use]
pub fn mechanisms(host: &str, roles: &BTreeSet<Role>) -> Vec<Box<dyn Mechanism>> {
    let party = |role: &Role| Box::new(Simulated::new(*role, host)) as Box<dyn Mechanism>;
    roles.iter().map(party).collect()
}

impl Simulated {
    /// The party that does `role` on `host`.
    #[must_use]
    pub fn new(role: Role, host: &str) -> Self {
        Self { role, host: host.to_owned() }
    }

    /// All items of this party, as the facts want them.
    #[must_use]
    pub fn items(&self, facts: &Facts) -> Vec<Item> {
        match self.role {
            Role::L2 => facts.ports.values().filter_map(|port| self.port(facts, port)).collect(),
            Role::Dhcp => {
                let networks = facts.dhcp_services.keys().map(|id| item(FactKey::DhcpService(*id), true));
                networks.chain(facts.ports.values().filter_map(|port| self.port(facts, port))).collect()
            }
            Role::L3 => {
                let routers = facts.routers.values();
                let routers = routers.map(|it| item(FactKey::Router(it.id), it.admin_state_up));
                routers.chain(facts.floating_ips.values().filter_map(|it| floating(facts, it))).collect()
            }
            // Nothing waits for metadata.
            Role::Metadata => Vec::new(),
        }
    }

    /// The items the touched facts may have changed.
    fn touched(&self, facts: &Facts, touched: &BTreeSet<FactKey>) -> Vec<Item> {
        // These two decide for others, which are not touched themselves.
        let wide = |key: &FactKey| matches!(key, FactKey::DhcpService(_) | FactKey::Router(_));
        if touched.iter().any(wide) {
            return self.items(facts);
        }
        let narrow = |key: &FactKey| match (self.role, key) {
            (Role::L2 | Role::Dhcp, FactKey::Port(id)) => self.port(facts, facts.ports.get(id)?),
            (Role::L3, FactKey::FloatingIp(id)) => floating(facts, facts.floating_ips.get(id)?),
            _ => None,
        };
        touched.iter().filter_map(narrow).collect()
    }

    fn port(&self, facts: &Facts, port: &Port) -> Option<Item> {
        let key = FactKey::Port(port.id);
        match self.role {
            Role::L2 => (port.host == self.host).then(|| item(key, port.admin_state_up)),
            Role::Dhcp => facts.dhcp_services.contains_key(&port.network_id).then(|| item(key, true)),
            Role::L3 | Role::Metadata => None,
        }
    }
}

/// One whose router is not here is another host's.
fn floating(facts: &Facts, it: &FloatingIp) -> Option<Item> {
    facts.routers.contains_key(&it.router_id).then(|| item(FactKey::FloatingIp(it.id), true))
}

fn item(key: FactKey, up: bool) -> Item {
    Item { key, state: if up { ItemState::Up } else { ItemState::Down } }
}

impl Mechanism for Simulated {
    fn party(&self) -> &'static str {
        self.role.name()
    }

    fn pass<'a>(
        &'a mut self,
        facts: &'a Facts,
        scope: &'a Scope,
        _may_sweep: bool,
    ) -> BoxFuture<'a, PassReport> {
        async move {
            let items = match scope {
                Scope::Everything => self.items(facts),
                Scope::Touched { facts: touched, .. } => self.touched(facts, touched),
            };
            PassReport { items, ..PassReport::default() }
        }
        .boxed()
    }
}
