//! What one host was told, and how a batch of changes alters it.
//!
//! [`View::step`] works in memory, in proportion to what changed. First it counts
//! anew what the host's ports, rules and routers need; where that alters *which*
//! objects the host needs (a first port on a network, a new group, a router that
//! moved here) it says [`Step::Recompute`] instead of being clever: the session then
//! computes the snapshot again and sends the difference. Only otherwise does it look
//! for what to tell.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};

use isospin_feed::proto::{Kind, Network, Port, Record, SecurityGroupRule, record::Fact};
use prost::Message as _;

use super::Key;
use super::hub::Batch;
use super::load::{self, key, tells_all_ports};
use super::needs::{Counts, Peers};
use super::snapshot::Snapshot;
use crate::drivers::tunnel;

/// What to tell the agent.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Difference {
    pub set: Vec<Record>,
    pub removed: Vec<Key>,
}

impl Difference {
    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.removed.is_empty()
    }
}

/// The outcome of one batch.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Tell(Difference),
    /// Nothing was told; the view must [`View::adopt`] a snapshot before its next step.
    Recompute,
}

/// What is remembered of a port the host knows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct KnownPort {
    network: String,
    host: String,
    /// Address of the tunnel to the port's host; "" when it is this one.
    peer: String,
    /// Of ports bound here only: nobody asks for those of others.
    segment: String,
    groups: Vec<String>,
}

/// What one host was told.
#[derive(Debug, Default)]
pub(super) struct View {
    host: String,
    /// Hash of the encoded record, by key.
    sent: HashMap<Key, u64>,
    ports: HashMap<String, KnownPort>,
    /// Networks with a port here, without their peers.
    networks: BTreeMap<String, Network>,
    peers: Peers,
    /// Ports bound here by network, by segment, and by group.
    bound: Counts,
    segments: Counts,
    groups: Counts,
    /// Rules that name a remote group, by that group.
    remote: Counts,
    /// Rules that name an address group, by that group.
    addresses: Counts,
    /// Remote group and address group of each rule that has one.
    rules: HashMap<String, (String, String)>,
    routers: BTreeSet<String>,
}

impl View {
    pub(super) fn new(host: &str) -> Self {
        Self { host: host.to_owned(), ..Self::default() }
    }

    /// Takes a snapshot as what the host is to know; the difference from before.
    pub(super) fn adopt(&mut self, snapshot: &Snapshot) -> Difference {
        let host = std::mem::take(&mut self.host);
        let before = std::mem::take(&mut self.sent);
        *self = Self { host, ..Self::default() };
        let mut difference = Difference::default();
        for record in &snapshot.records {
            self.remember(record);
            let Some(key) = key(record) else { continue };
            let hash = hash(record);
            if before.get(&key) != Some(&hash) {
                difference.set.push(record.clone());
            }
            self.sent.insert(key, hash);
        }
        self.peers.changed();
        self.needs_changed();
        difference.removed = before.into_keys().filter(|key| !self.sent.contains_key(key)).collect();
        difference.removed.sort();
        difference
    }

    /// Snapshots name networks before the ports on them.
    fn remember(&mut self, record: &Record) {
        match &record.fact {
            Some(Fact::Network(network)) => {
                let network = Network { tunnel_peers: Vec::new(), ..network.clone() };
                self.networks.insert(network.id.clone(), network);
            }
            Some(Fact::Port(port)) => self.count_port(&port.id, Some(port)),
            Some(Fact::SecurityGroupRule(rule)) => self.count_rule(&rule.id, Some(rule)),
            Some(Fact::Router(router)) => {
                self.routers.insert(router.id.clone());
            }
            _ => {}
        }
    }

    /// Applies a batch.
    pub(super) fn step(&mut self, batch: &Batch) -> Step {
        if batch.incomplete || self.alters_networks(batch) || self.alters_routers(batch) {
            return Step::Recompute;
        }
        if self.alters_tunnels(batch) {
            return Step::Recompute;
        }
        for (id, port) in &batch.ports {
            self.count_port(id, port.as_ref());
        }
        for (id, rule) in &batch.rules {
            let used = rule.as_ref().filter(|rule| self.groups.has(&rule.security_group_id));
            self.count_rule(id, used);
        }
        let with_new_peers = self.peers.changed();
        if self.needs_changed() {
            return Step::Recompute;
        }
        let mut difference = Difference::default();
        self.tell_networks(batch, with_new_peers, &mut difference);
        self.tell_ports(batch, &mut difference);
        self.tell_groups(batch, &mut difference);
        self.tell_routers(batch, &mut difference);
        Step::Tell(difference)
    }

    /// Whether a network the host has ports on goes, or tells other ports than before.
    fn alters_networks(&self, batch: &Batch) -> bool {
        batch.networks.iter().any(|(id, after)| match (self.networks.get(id), after) {
            (Some(before), Some(after)) => {
                let mut after = after.clone();
                load::place(&mut after, |segment| self.segments.has(segment));
                tells_all_ports(before) != tells_all_ports(&after)
                    || before.network_type != after.network_type
            }
            (Some(_), None) => true,
            (None, _) => false,
        })
    }

    fn alters_routers(&self, batch: &Batch) -> bool {
        batch.routers.iter().any(|(id, router)| {
            let here = router.as_ref().is_some_and(|(_, host)| *host == self.host);
            here != self.routers.contains(id)
        })
    }

    /// Whether the way to a port the host knows has another address now.
    fn alters_tunnels(&self, batch: &Batch) -> bool {
        if batch.tunnels.is_empty() {
            return false;
        }
        self.ports.values().any(|port| match batch.tunnels.get(&port.host) {
            Some(_) if port.host == self.host => true,
            Some(address) => address.as_deref().unwrap_or_default() != port.peer,
            None => false,
        })
    }

    /// Whether since the last call something became needed, or is needed no more.
    fn needs_changed(&mut self) -> bool {
        // All of them must forget what changed.
        let changed = [
            self.bound.changed(),
            self.segments.changed(),
            self.groups.changed(),
            self.remote.changed(),
            self.addresses.changed(),
        ];
        changed.contains(&true)
    }

    fn is_told(&self, port: &Port) -> bool {
        port.host == self.host || self.networks.get(&port.network_id).is_some_and(tells_all_ports)
    }

    /// Counts a port as it is now instead of as it was.
    fn count_port(&mut self, id: &str, port: Option<&Port>) {
        if let Some(before) = self.ports.remove(id) {
            self.peers.drop_one(&before.network, &before.peer);
            if before.host == self.host {
                self.bound.drop_one(&before.network);
                self.segments.drop_one(&before.segment);
                before.groups.iter().for_each(|group| self.groups.drop_one(group));
            }
        }
        let Some(port) = port.filter(|port| self.is_told(port)) else { return };
        let here = port.host == self.host;
        let known = KnownPort {
            network: port.network_id.clone(),
            host: port.host.clone(),
            peer: if here { String::new() } else { port.tunnel_ip.clone() },
            segment: if here { port.segment_id.clone() } else { String::new() },
            groups: if here { port.security_group_ids.clone() } else { Vec::new() },
        };
        if here {
            self.bound.add_one(&known.network);
            self.segments.add_one(&known.segment);
            known.groups.iter().for_each(|group| self.groups.add_one(group));
        }
        let is_tunnelled = |network: &Network| tunnel::NAMES.contains(&network.network_type.as_str());
        if self.networks.get(&known.network).is_some_and(is_tunnelled) {
            self.peers.add_one(&known.network, &known.peer);
        }
        self.ports.insert(id.to_owned(), known);
    }

    /// Counts a rule as it is now instead of as it was.
    fn count_rule(&mut self, id: &str, rule: Option<&SecurityGroupRule>) {
        let none = (String::new(), String::new());
        let before = self.rules.remove(id).unwrap_or_else(|| none.clone());
        let after = rule.map_or_else(
            || none.clone(),
            |rule| (rule.remote_group_id.clone(), rule.remote_address_group_id.clone()),
        );
        for (counts, before, after) in
            [(&mut self.remote, &before.0, &after.0), (&mut self.addresses, &before.1, &after.1)]
        {
            if !before.is_empty() {
                counts.drop_one(before);
            }
            if !after.is_empty() {
                counts.add_one(after);
            }
        }
        if after != none {
            self.rules.insert(id.to_owned(), after);
        }
    }

    fn tell_networks(&mut self, batch: &Batch, mut touched: BTreeSet<String>, difference: &mut Difference) {
        for (id, network) in &batch.networks {
            if let (Some(known), Some(network)) = (self.networks.get_mut(id), network) {
                known.clone_from(network);
                load::place(known, |segment| self.segments.has(segment));
                touched.insert(id.clone());
            }
        }
        for id in touched {
            if let Some(network) = self.networks.get(&id) {
                let network = Network { tunnel_peers: self.peers.of(&id), ..network.clone() };
                self.set(Fact::Network(network), difference);
            }
        }
        for (id, subnet) in &batch.subnets {
            match subnet {
                Some(subnet) if self.networks.contains_key(&subnet.network_id) => {
                    self.set(Fact::Subnet(subnet.clone()), difference);
                }
                _ => self.remove(Kind::Subnet, id, difference),
            }
        }
        for (network, services) in &batch.dhcp {
            match services.iter().find(|(_, host)| *host == self.host) {
                Some((service, _)) => self.set(Fact::DhcpService(service.clone()), difference),
                None => self.remove(Kind::DhcpService, network, difference),
            }
        }
    }

    fn tell_ports(&mut self, batch: &Batch, difference: &mut Difference) {
        for (id, port) in &batch.ports {
            match port {
                Some(port) if self.is_told(port) => self.set(Fact::Port(port.clone()), difference),
                _ => self.remove(Kind::Port, id, difference),
            }
            self.tell_members(id, port.as_ref(), difference);
        }
    }

    /// Membership of one port in the remote groups this host needs.
    fn tell_members(&mut self, id: &str, port: Option<&Port>, difference: &mut Difference) {
        let members = load::members(port.into_iter(), |group| self.remote.has(group));
        let gone: Vec<String> = self
            .remote
            .keys()
            .filter(|group| !members.iter().any(|member| member.security_group_id == **group))
            .map(|group| format!("{group}/{id}"))
            .collect();
        for member in gone {
            self.remove(Kind::SecurityGroupMember, &member, difference);
        }
        for member in members {
            self.set(Fact::SecurityGroupMember(member), difference);
        }
    }

    fn tell_groups(&mut self, batch: &Batch, difference: &mut Difference) {
        for (id, group) in &batch.groups {
            match group {
                Some(group) if self.groups.has(id) => {
                    self.set(Fact::SecurityGroup(group.clone()), difference);
                }
                _ => self.remove(Kind::SecurityGroup, id, difference),
            }
        }
        for (id, rule) in &batch.rules {
            match rule {
                Some(rule) if self.groups.has(&rule.security_group_id) => {
                    self.set(Fact::SecurityGroupRule(rule.clone()), difference);
                }
                _ => self.remove(Kind::SecurityGroupRule, id, difference),
            }
        }
        for (id, group) in &batch.address_groups {
            match group {
                Some(group) if self.addresses.has(id) => {
                    self.set(Fact::AddressGroup(group.clone()), difference);
                }
                _ => self.remove(Kind::AddressGroup, id, difference),
            }
        }
    }

    fn tell_routers(&mut self, batch: &Batch, difference: &mut Difference) {
        for (router, host) in batch.routers.values().flatten() {
            if *host == self.host {
                self.set(Fact::Router(router.clone()), difference);
            }
        }
        for (id, floating_ip) in &batch.floating_ips {
            match floating_ip {
                Some(floating_ip) if self.routers.contains(&floating_ip.router_id) => {
                    self.set(Fact::FloatingIp(floating_ip.clone()), difference);
                }
                _ => self.remove(Kind::FloatingIp, id, difference),
            }
        }
    }

    fn set(&mut self, fact: Fact, difference: &mut Difference) {
        let record = Record { fact: Some(fact) };
        let Some(key) = key(&record) else { return };
        let hash = hash(&record);
        if self.sent.insert(key, hash) != Some(hash) {
            difference.set.push(record);
        }
    }

    fn remove(&mut self, kind: Kind, id: &str, difference: &mut Difference) {
        let key = (kind as i32, id.to_owned());
        if self.sent.remove(&key).is_some() {
            difference.removed.push(key);
        }
    }
}

fn hash(record: &Record) -> u64 {
    let mut hasher = DefaultHasher::new();
    record.encode_to_vec().hash(&mut hasher);
    hasher.finish()
}
