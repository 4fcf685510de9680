//! Who asks: from where a request came in and its source address to an instance.
//!
//! The network a connection came in by and the address it came from are all that
//! identifies an instance (N01, N02); the bridge lets a port send only from its
//! own addresses. An address two ports claim, which happens only while facts are
//! on their way, identifies nobody.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use isospin_feed::facts::{FactKey, Facts, FixedIp, FloatingIp, Network, Port, Router, Subnet};
use isospin_types::{FloatingIpId, NetworkId, PortId, RouterId, SubnetId};

/// Where a request comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// The namespace of a router: clients are on the subnets it has a leg in.
    Router(RouterId),
    /// The DHCP namespace of a network.
    Network(NetworkId),
}

/// One network card of an instance.
#[derive(Debug, Clone)]
pub struct Card {
    pub port: Arc<Port>,
    pub network: Option<Arc<Network>>,
    /// In the order of the port's fixed IPs.
    pub addresses: Vec<(FixedIp, Arc<Subnet>)>,
    pub floating: Vec<Arc<FloatingIp>>,
}

/// Everything known of an instance.
#[derive(Debug, Clone)]
pub struct Instance {
    /// The address it asked from.
    pub source: IpAddr,
    /// Its cards, by port id; those of the same device and project.
    pub cards: Vec<Card>,
    /// Which card it asked by.
    pub asking: PortId,
}

impl Instance {
    /// The card it asked by.
    #[must_use]
    pub fn card(&self) -> Option<&Card> {
        self.cards.iter().find(|card| card.port.id == self.asking)
    }
}

type Device = (String, String);

/// Facts by what a request asks of them.
#[derive(Debug, Default, PartialEq)]
pub struct Index {
    ports: HashMap<PortId, Arc<Port>>,
    by_address: HashMap<(NetworkId, IpAddr), BTreeSet<PortId>>,
    /// By project and device: a device id alone can be claimed by any project.
    by_device: HashMap<Device, BTreeSet<PortId>>,
    networks: HashMap<NetworkId, Arc<Network>>,
    subnets: HashMap<SubnetId, Arc<Subnet>>,
    routers: HashMap<RouterId, Arc<Router>>,
    floating: HashMap<PortId, BTreeMap<FloatingIpId, Arc<FloatingIp>>>,
    port_of_floating: HashMap<FloatingIpId, PortId>,
}

impl Index {
    /// The index of all facts.
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        let mut index = Self::default();
        facts.ports.values().for_each(|port| index.add_port(port));
        index.networks.extend(facts.networks.iter().map(|(id, fact)| (*id, fact.clone())));
        index.subnets.extend(facts.subnets.iter().map(|(id, fact)| (*id, fact.clone())));
        index.routers.extend(facts.routers.iter().map(|(id, fact)| (*id, fact.clone())));
        facts.floating_ips.values().for_each(|floating| index.add_floating(floating));
        index
    }

    /// Learns one changed fact.
    pub fn learn(&mut self, facts: &Facts, key: FactKey) {
        match key {
            FactKey::Port(id) => {
                self.remove_port(id);
                facts.ports.get(&id).into_iter().for_each(|port| self.add_port(port));
            }
            FactKey::FloatingIp(id) => {
                self.remove_floating(id);
                facts.floating_ips.get(&id).into_iter().for_each(|floating| self.add_floating(floating));
            }
            FactKey::Network(id) => set(&mut self.networks, id, facts.networks.get(&id)),
            FactKey::Subnet(id) => set(&mut self.subnets, id, facts.subnets.get(&id)),
            FactKey::Router(id) => set(&mut self.routers, id, facts.routers.get(&id)),
            FactKey::SecurityGroup(_)
            | FactKey::SecurityGroupRule(_)
            | FactKey::SecurityGroupMember(..)
            | FactKey::AddressGroup(_)
            | FactKey::DhcpService(_) => {}
        }
    }

    /// The instance that asks through `door` from `source`.
    #[must_use]
    pub fn find(&self, door: Door, source: IpAddr) -> Option<Instance> {
        let source = source.to_canonical();
        let found = match door {
            Door::Network(network) => self.holders(network, source, |_| true),
            Door::Router(router) => self.behind(router, source),
        };
        let mut found = found.into_iter();
        let (port, None) = (found.next()?, found.next()) else { return None };
        Some(self.instance(port, source))
    }

    /// Ports with the address on the subnets the router has a leg in.
    fn behind(&self, router: RouterId, source: IpAddr) -> BTreeMap<PortId, &Arc<Port>> {
        let mut found = BTreeMap::new();
        let router = self.routers.get(&router);
        let legs = router.into_iter().flat_map(|router| &router.interface_port_ids);
        for leg in legs.filter_map(|leg| self.ports.get(leg)) {
            let on_leg = |subnet: SubnetId| leg.fixed_ips.iter().any(|fixed| fixed.subnet_id == subnet);
            found.extend(self.holders(leg.network_id, source, on_leg));
        }
        found
    }

    /// Instances' ports of the network with the address on a subnet that will do.
    fn holders(
        &self,
        network: NetworkId,
        source: IpAddr,
        on: impl Fn(SubnetId) -> bool,
    ) -> BTreeMap<PortId, &Arc<Port>> {
        let ids = self.by_address.get(&(network, source));
        let ports = ids.into_iter().flatten().filter_map(|id| self.ports.get(id));
        let holds = |port: &&Arc<Port>| {
            let fixed = port.fixed_ips.iter().find(|fixed| fixed.ip_address == source);
            !port.is_trusted() && fixed.is_some_and(|fixed| on(fixed.subnet_id))
        };
        ports.filter(holds).map(|port| (port.id, port)).collect()
    }

    fn instance(&self, (asking, port): (PortId, &Arc<Port>), source: IpAddr) -> Instance {
        let siblings = device_of(port).and_then(|device| self.by_device.get(&device));
        let cards: Vec<Card> = match siblings {
            Some(ids) => ids.iter().filter_map(|id| self.ports.get(id)).map(|port| self.card(port)).collect(),
            None => vec![self.card(port)],
        };
        Instance { source, cards, asking }
    }

    fn card(&self, port: &Arc<Port>) -> Card {
        let with_subnet = |fixed: &FixedIp| Some((*fixed, self.subnets.get(&fixed.subnet_id)?.clone()));
        Card {
            port: port.clone(),
            network: self.networks.get(&port.network_id).cloned(),
            addresses: port.fixed_ips.iter().filter_map(with_subnet).collect(),
            floating: self.floating.get(&port.id).into_iter().flat_map(BTreeMap::values).cloned().collect(),
        }
    }

    fn add_port(&mut self, port: &Arc<Port>) {
        for fixed in &port.fixed_ips {
            self.by_address.entry((port.network_id, fixed.ip_address)).or_default().insert(port.id);
        }
        if let Some(device) = device_of(port) {
            self.by_device.entry(device).or_default().insert(port.id);
        }
        self.ports.insert(port.id, port.clone());
    }

    fn remove_port(&mut self, id: PortId) {
        let Some(port) = self.ports.remove(&id) else { return };
        for fixed in &port.fixed_ips {
            remove_from(&mut self.by_address, &(port.network_id, fixed.ip_address), id);
        }
        if let Some(device) = device_of(&port) {
            remove_from(&mut self.by_device, &device, id);
        }
    }

    fn add_floating(&mut self, floating: &Arc<FloatingIp>) {
        // One that only forwards ports is not the instance's address.
        let Some(fixed) = floating.fixed else { return };
        self.port_of_floating.insert(floating.id, fixed.port_id);
        self.floating.entry(fixed.port_id).or_default().insert(floating.id, floating.clone());
    }

    fn remove_floating(&mut self, id: FloatingIpId) {
        let Some(port) = self.port_of_floating.remove(&id) else { return };
        if let Some(of_port) = self.floating.get_mut(&port) {
            of_port.remove(&id);
            if of_port.is_empty() {
                self.floating.remove(&port);
            }
        }
    }
}

fn set<K: std::hash::Hash + Eq, V>(map: &mut HashMap<K, Arc<V>>, key: K, fact: Option<&Arc<V>>) {
    match fact {
        Some(fact) => map.insert(key, fact.clone()),
        None => map.remove(&key),
    };
}

fn remove_from<K: std::hash::Hash + Eq>(map: &mut HashMap<K, BTreeSet<PortId>>, key: &K, id: PortId) {
    if let Some(ids) = map.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            map.remove(key);
        }
    }
}

/// Ports of one device; `None` for a port that stands alone.
fn device_of(port: &Port) -> Option<Device> {
    let device = (port.project_id.clone(), port.device_id.clone());
    (!port.device_id.is_empty() && !port.is_trusted()).then_some(device)
}
