//! DHCP for the networks this host serves, in process (driver `native`).
//!
//! Per network: namespace `qdhcp-<network id>` with one end of a veth pair,
//! `ns-<port id[:11]>`, which has the DHCP port's Ethernet address and fixed IPs;
//! the other end, `tap<port id[:11]>`, stays on the host for the bridge. One task
//! per network answers DHCPv4 and DHCPv6 from leases that are all known in
//! advance: one entry per port. Subnets without a router also have
//! 169.254.169.254 on the device, where [`crate::metadata`] listens.
//!
//! No DNS server runs here: clients of a subnet without `dns_nameservers` get none.
//!
//! Guarantees: a network on a healthy host is not touched; one network's failure
//! stops no other's; a changed port costs one entry of its network's leases;
//! only namespaces that carry our mark are ever removed. Not done: relays, BOOTP,
//! prefix delegation, addresses for unknown clients.

mod served;

mod apply;
mod intent;
pub(crate) mod isolation;
mod observe;
mod plan;

mod encode;
mod extra;
mod frame;
mod leases;
mod names;
mod serve;
mod server4;
mod server6;
mod wire4;
mod wire6;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use isospin_feed::facts::{FactKey, Facts, Network, Port, Subnet};
use isospin_host_io::{HostError, Links, Namespace, Place};
use isospin_types::{NetworkId, PortId, SubnetId};

use crate::config::AgentConfig;
use crate::converge::{Item, ItemState, Mechanism, PassReport, Scope};

use intent::Settings;
pub(crate) use intent::{METADATA_ADDRESS, Wanted, namespace_name, wanted};
use isolation::RouterAddresses;
use observe::Door;
use served::{DhcpError, Served};

/// The DHCP mechanism of a host.
pub struct Dhcp {
    settings: Settings,
    software_checksums: bool,
    /// The host's own devices; opened by the first pass.
    host: Option<Links>,
    served: BTreeMap<NetworkId, Served>,
    /// Networks to try again in the next pass.
    failed: BTreeSet<NetworkId>,
    routers: RouterAddresses,
    /// Where ports and subnets belong: facts that are gone no longer say.
    network_of_port: HashMap<PortId, NetworkId>,
    network_of_subnet: HashMap<SubnetId, NetworkId>,
}

/// What a pass has to look at, and what it has to report beside that.
#[derive(Debug, Default)]
struct Work {
    networks: BTreeSet<NetworkId>,
    ports: BTreeSet<PortId>,
    /// Report every port, not only the changed ones.
    all_ports: bool,
}

impl Dhcp {
    /// A mechanism that has seen nothing yet.
    #[must_use]
    pub fn new(config: &AgentConfig) -> Self {
        Self {
            settings: Settings::of(config),
            software_checksums: config.wiring.is_in_userspace(),
            host: None,
            served: BTreeMap::new(),
            failed: BTreeSet::new(),
            routers: RouterAddresses::default(),
            network_of_port: HashMap::new(),
            network_of_subnet: HashMap::new(),
        }
    }

    async fn run(&mut self, facts: &Facts, scope: &Scope, may_sweep: bool) -> PassReport {
        let mut report = PassReport::default();
        let retried = std::mem::take(&mut self.failed);
        let mut work = match scope {
            Scope::Everything => self.learn_all(facts),
            Scope::Touched { facts: keys, links } => self.learn(facts, keys, links),
        };
        work.networks.extend(retried);
        for network in &work.networks {
            let before = self.is_running(*network);
            self.one(facts, *network, may_sweep, &mut report).await;
            // Ports that were passed over while their network was not served.
            work.all_ports |= !before && self.is_running(*network);
        }
        if *scope == Scope::Everything && may_sweep {
            self.sweep(facts, &mut report).await;
        }
        self.report_ports(facts, &work, &mut report);
        report.retry = !self.failed.is_empty();
        report
    }

    fn is_running(&self, network: NetworkId) -> bool {
        self.served.get(&network).is_some_and(Served::is_running)
    }

    /// Learns routers and leases anew; every network is to be looked at.
    fn learn_all(&mut self, facts: &Facts) -> Work {
        self.routers = RouterAddresses::default();
        self.network_of_subnet =
            facts.subnets.values().map(|subnet| (subnet.id, subnet.network_id)).collect();
        self.network_of_port = facts.ports.values().map(|port| (port.id, port.network_id)).collect();
        let mut ports: HashMap<NetworkId, Vec<&Port>> = HashMap::new();
        for port in facts.ports.values() {
            self.routers.set(port);
            ports.entry(port.network_id).or_default().push(port);
        }
        for (network, served) in &mut self.served {
            served.replace_leases(ports.get(network).map_or(&[], Vec::as_slice));
        }
        let networks = facts.dhcp_services.keys().chain(self.served.keys()).copied().collect();
        Work { networks, ports: BTreeSet::new(), all_ports: true }
    }

    /// Learns what changed.
    fn learn(&mut self, facts: &Facts, keys: &BTreeSet<FactKey>, links: &BTreeSet<String>) -> Work {
        let mut work = Work::default();
        for key in keys {
            match *key {
                FactKey::Network(network) | FactKey::DhcpService(network) => {
                    work.networks.insert(network);
                }
                FactKey::Subnet(subnet) => work.networks.extend(self.learn_subnet(facts, subnet)),
                FactKey::Port(port) => {
                    work.ports.insert(port);
                    work.networks.extend(self.learn_port(facts, port));
                }
                FactKey::SecurityGroup(_)
                | FactKey::SecurityGroupRule(_)
                | FactKey::SecurityGroupMember(..)
                | FactKey::AddressGroup(_)
                | FactKey::Router(_)
                | FactKey::FloatingIp(_) => {}
            }
        }
        for (network, served) in &self.served {
            if !served.is_running() || links.iter().any(|link| served.has_device(link)) {
                work.networks.insert(*network);
            }
        }
        work
    }

    fn learn_subnet(&mut self, facts: &Facts, subnet: SubnetId) -> Option<NetworkId> {
        match facts.subnets.get(&subnet) {
            Some(fact) => {
                self.network_of_subnet.insert(subnet, fact.network_id);
                Some(fact.network_id)
            }
            None => self.network_of_subnet.remove(&subnet),
        }
    }

    /// Changes the port's lease; returns its network when that needs a look,
    /// because the port is the DHCP port or a router's.
    fn learn_port(&mut self, facts: &Facts, port: PortId) -> Option<NetworkId> {
        let fact = facts.ports.get(&port);
        let (network, router) = match fact {
            Some(fact) => {
                self.network_of_port.insert(port, fact.network_id);
                (fact.network_id, self.routers.set(fact))
            }
            None => (self.network_of_port.remove(&port)?, self.routers.remove(port).is_some()),
        };
        let mut serving = facts.dhcp_services.get(&network).is_some_and(|service| service.port_id == port);
        if let Some(served) = self.served.get_mut(&network) {
            serving |= served.is_served_by(port);
            match fact {
                Some(fact) => served.set_lease(fact),
                None => served.remove_lease(port),
            }
        }
        (serving || router).then_some(network)
    }

    /// Brings one network to what it should be, and says how that went.
    async fn one(&mut self, facts: &Facts, network: NetworkId, may_sweep: bool, report: &mut PassReport) {
        let state = match wanted(facts, network, &self.settings.host) {
            Wanted::Here(fact, port) => self.serve(facts, &fact, &port, may_sweep, report).await,
            Wanted::Not if may_sweep => self.stop(facts, network, report).await,
            Wanted::Not | Wanted::Unknown => return,
        };
        let key = FactKey::DhcpService(network);
        match state {
            Ok(state) => report.items.extend(state.map(|state| Item { key, state })),
            Err(error) => {
                let reason = error.reason();
                tracing::warn!(%network, %reason, "DHCP of the network is not as it should be");
                self.failed.insert(network);
                report.items.push(Item { key, state: ItemState::Failed(reason) });
            }
        }
    }

    async fn serve(
        &mut self,
        facts: &Facts,
        network: &Network,
        port: &Port,
        may_sweep: bool,
        report: &mut PassReport,
    ) -> Result<Option<ItemState>, DhcpError> {
        let host = self.host().await?;
        let subnets: Vec<Arc<Subnet>> =
            facts.subnets.values().filter(|subnet| subnet.network_id == network.id).cloned().collect();
        let intent = intent::intent(network, port, &subnets, &self.routers, &self.settings);
        let served = self.served.entry(network.id).or_insert_with(|| {
            let ports = facts.ports.values().filter(|port| port.network_id == network.id);
            Served::new(network, port.id, intent.clone(), ports.map(|port| &**port))
        });
        report.changes += served.converge(&host, port.id, intent, may_sweep).await?;
        Ok(Some(ItemState::Up))
    }

    /// Ends the service of a network that is not wanted here any more. A service
    /// that another host took over is told to be down here.
    async fn stop(
        &mut self,
        facts: &Facts,
        network: NetworkId,
        report: &mut PassReport,
    ) -> Result<Option<ItemState>, DhcpError> {
        let was_here = self.served.remove(&network).is_some();
        remove_if_ours(&namespace_name(network), &self.settings.mark, report).await?;
        let moved = was_here && facts.dhcp_services.contains_key(&network);
        Ok(moved.then_some(ItemState::Down))
    }

    /// The door to the host's own devices.
    async fn host(&mut self) -> Result<Links, HostError> {
        if let Some(links) = &self.host {
            return Ok(links.clone());
        }
        let links = Links::open(&Place::Host).await?.with_software_checksums(self.software_checksums);
        Ok(self.host.insert(links).clone())
    }

    /// Removes namespaces of ours whose network no fact wants here.
    async fn sweep(&mut self, facts: &Facts, report: &mut PassReport) {
        let names = match Namespace::list() {
            Ok(names) => names,
            Err(error) => {
                tracing::warn!(reason = %error.reason(), "namespaces are not swept");
                return;
            }
        };
        for name in names {
            let network = name.strip_prefix("qdhcp-").and_then(|id| id.parse::<NetworkId>().ok());
            let Some(network) = network else { continue };
            let unwanted = matches!(wanted(facts, network, &self.settings.host), Wanted::Not);
            if unwanted && let Err(error) = remove_if_ours(&name, &self.settings.mark, report).await {
                tracing::warn!(%name, reason = %error.reason(), "the namespace is not removed");
                self.failed.insert(network);
            }
        }
    }

    /// Ports of served networks have their lease. Ports of the cloud itself do
    /// not wait for DHCP.
    fn report_ports(&self, facts: &Facts, work: &Work, report: &mut PassReport) {
        let mut add = |port: &Port| {
            if !port.is_trusted() && self.is_running(port.network_id) {
                report.items.push(Item { key: FactKey::Port(port.id), state: ItemState::Up });
            }
        };
        if work.all_ports {
            facts.ports.values().for_each(|port| add(port));
        } else {
            work.ports.iter().filter_map(|port| facts.ports.get(port)).for_each(|port| add(port));
        }
    }
}

async fn remove_if_ours(name: &str, mark: &str, report: &mut PassReport) -> Result<(), DhcpError> {
    let Some(door) = Door::open(name).await? else { return Ok(()) };
    if door.is_marked(mark).await? {
        apply::remove(door).await?;
        report.changes += 1;
        report.swept += 1;
    }
    Ok(())
}

impl Mechanism for Dhcp {
    fn party(&self) -> &'static str {
        "dhcp"
    }

    fn pass<'a>(
        &'a mut self,
        facts: &'a Facts,
        scope: &'a Scope,
        may_sweep: bool,
    ) -> BoxFuture<'a, PassReport> {
        self.run(facts, scope, may_sweep).boxed()
    }
}
