//! The metadata service at 169.254.169.254, in process.
//!
//! Two ways lead here: through a router, whose namespace redirects port 80 of
//! the address to port 9697 of its own, and, on subnets without a router, through
//! the DHCP namespace, which has the address itself (given by [`crate::dhcp`]).
//! In each such namespace of this host a socket is opened; the namespaces
//! themselves belong to the other mechanisms.
//!
//! Guarantees: an instance is known by the network it asks through and its source
//! address, by nothing it says; what is not known is not found; a namespace made
//! anew gets a new socket. Nothing on the host is changed: sockets are the
//! agent's own, so this mechanism reports no changes.

mod ec2;
mod index;
mod listener;
mod openstack;
mod responder;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use isospin_feed::facts::{FactKey, Facts, Port};
use isospin_host_io::{HostError, Namespace};
use isospin_types::{NetworkId, PortId, RouterId};
use parking_lot::RwLock;

use crate::config::AgentConfig;
use crate::converge::{Mechanism, PassReport, Scope};
use crate::dhcp::isolation::RouterAddresses;
use crate::dhcp::{self, METADATA_ADDRESS, Wanted};

use index::{Door, Index};
use listener::{Listening, Shared};
use responder::Site;

/// Where a router's namespace sends requests for port 80.
const ROUTER_PORT: u16 = 9697;
const HTTP_PORT: u16 = 80;

/// The metadata mechanism of a host.
pub struct Metadata {
    host: String,
    shared: Arc<Shared>,
    listening: BTreeMap<Door, Listening>,
    routers: RouterAddresses,
    /// Networks served here with a subnet that has no router.
    isolated: BTreeSet<NetworkId>,
    /// Ports of the cloud itself: only they can change which networks these are.
    trusted: BTreeSet<PortId>,
}

impl Metadata {
    /// A mechanism that has seen nothing yet.
    #[must_use]
    pub fn new(config: &AgentConfig) -> Self {
        let site =
            Site { availability_zone: config.availability_zone.clone(), domain: config.dns_domain.clone() };
        Self {
            host: config.host.clone(),
            shared: Arc::new(Shared { index: RwLock::new(Index::default()), site }),
            listening: BTreeMap::new(),
            routers: RouterAddresses::default(),
            isolated: BTreeSet::new(),
            trusted: BTreeSet::new(),
        }
    }

    async fn run(&mut self, facts: &Facts, scope: &Scope) -> PassReport {
        match scope {
            Scope::Everything => self.learn_all(facts),
            Scope::Touched { facts: keys, .. } => self.learn(facts, keys),
        }
        let wanted: BTreeSet<Door> = facts
            .routers
            .keys()
            .map(|router| Door::Router(*router))
            .chain(self.isolated.iter().map(|network| Door::Network(*network)))
            .collect();
        self.listening.retain(|door, _| wanted.contains(door));
        let mut report = PassReport::default();
        for door in wanted {
            // A namespace that went and came is noticed by looking at everything.
            let alive = self.listening.get(&door).is_some_and(Listening::is_alive);
            if alive && *scope != Scope::Everything {
                continue;
            }
            if let Err(error) = self.listen(door).await {
                tracing::warn!(?door, reason = %error.reason(), "metadata is not served");
                report.retry = true;
            }
        }
        report
    }

    fn learn_all(&mut self, facts: &Facts) {
        let index = Index::of(facts);
        *self.shared.index.write() = index;
        self.routers = RouterAddresses::default();
        self.trusted.clear();
        facts.ports.values().for_each(|port| self.learn_port(port));
        self.find_isolated(facts);
    }

    fn learn(&mut self, facts: &Facts, keys: &BTreeSet<FactKey>) {
        let mut served_may_differ = false;
        let shared = self.shared.clone();
        let mut index = shared.index.write();
        for key in keys {
            index.learn(facts, *key);
            match *key {
                FactKey::Port(id) => {
                    served_may_differ |= self.trusted.remove(&id);
                    self.routers.remove(id);
                    if let Some(port) = facts.ports.get(&id) {
                        self.learn_port(port);
                        served_may_differ |= port.is_trusted();
                    }
                }
                FactKey::Network(_) | FactKey::Subnet(_) | FactKey::DhcpService(_) => {
                    served_may_differ = true;
                }
                FactKey::SecurityGroup(_)
                | FactKey::SecurityGroupRule(_)
                | FactKey::SecurityGroupMember(..)
                | FactKey::AddressGroup(_)
                | FactKey::Router(_)
                | FactKey::FloatingIp(_) => {}
            }
        }
        drop(index);
        if served_may_differ {
            self.find_isolated(facts);
        }
    }

    fn learn_port(&mut self, port: &Port) {
        if port.is_trusted() {
            self.trusted.insert(port.id);
            self.routers.set(port);
        }
    }

    fn find_isolated(&mut self, facts: &Facts) {
        let networks = facts.dhcp_services.keys().copied();
        self.isolated = networks.filter(|network| self.is_isolated(facts, *network)).collect();
    }

    /// Whether DHCP gives the network's port the metadata address.
    fn is_isolated(&self, facts: &Facts, network: NetworkId) -> bool {
        let Wanted::Here(_, port) = dhcp::wanted(facts, network, &self.host) else { return false };
        let mut subnets = port.fixed_ips.iter().filter_map(|fixed| facts.subnets.get(&fixed.subnet_id));
        subnets.any(|subnet| subnet.enable_dhcp && self.routers.is_isolated(subnet))
    }

    /// Opens the door's socket unless it is open. A namespace that is not there
    /// is no failure: who makes it will, and that is noticed.
    async fn listen(&mut self, door: Door) -> Result<(), HostError> {
        let (name, address, port) = match door {
            Door::Router(router) => (router_namespace(router), Ipv4Addr::UNSPECIFIED, ROUTER_PORT),
            Door::Network(network) => (dhcp::namespace_name(network), METADATA_ADDRESS, HTTP_PORT),
        };
        let Some(namespace) = Namespace::open(&name)? else {
            self.listening.remove(&door);
            return Ok(());
        };
        if self.listening.get(&door).is_some_and(|open| open.is_alive_in(namespace.inode())) {
            return Ok(());
        }
        // The old one must not keep the old namespace alive.
        self.listening.remove(&door);
        let open = listener::listen(&namespace, address, port, door, self.shared.clone()).await?;
        self.listening.insert(door, open);
        Ok(())
    }
}

/// `qrouter-<router id>`.
fn router_namespace(router: RouterId) -> String {
    format!("qrouter-{router}")
}

impl Mechanism for Metadata {
    fn party(&self) -> &'static str {
        "metadata"
    }

    fn pass<'a>(
        &'a mut self,
        facts: &'a Facts,
        scope: &'a Scope,
        _may_sweep: bool,
    ) -> BoxFuture<'a, PassReport> {
        self.run(facts, scope).boxed()
    }
}
