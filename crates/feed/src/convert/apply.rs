//! Putting records into [`Facts`] and taking them out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::key::kind_name;
use super::{BadRecord, Fact, parse_record, record_key};
use crate::facts::{FactKey, Facts};
use crate::proto;

impl Facts {
    /// Takes one record in. `Ok(Some(key))` when the fact under `key` is new or
    /// different, `Ok(None)` when it was the same already.
    ///
    /// # Errors
    /// [`BadRecord`] when it does not parse. The fact under its key, if there was
    /// one, is then gone: an older value would make the facts depend on history.
    pub fn apply_record(&mut self, record: &proto::Record) -> Result<Option<FactKey>, Box<BadRecord>> {
        match parse_record(record) {
            Ok(fact) => Ok(self.insert(fact)),
            Err(reason) => {
                let wire = record_key(record);
                let key = wire.as_ref().and_then(|key| FactKey::try_from(key).ok());
                if let Some(key) = &key {
                    self.remove(key);
                }
                let (kind, id) =
                    wire.map_or(("unknown", String::new()), |key| (kind_name(key.kind()), key.id));
                Err(Box::new(BadRecord { kind, id, key, reason }))
            }
        }
    }

    /// Puts a fact in; its key when that changed anything.
    pub fn insert(&mut self, fact: Fact) -> Option<FactKey> {
        let key = fact.key();
        let changed = match fact {
            Fact::Network(it) => put(&mut self.networks, it.id, it),
            Fact::Subnet(it) => put(&mut self.subnets, it.id, it),
            Fact::Port(it) => put(&mut self.ports, it.id, it),
            Fact::SecurityGroup(it) => put(&mut self.security_groups, it.id, it),
            Fact::SecurityGroupRule(it) => put(&mut self.security_group_rules, it.id, it),
            Fact::SecurityGroupMember(it) => {
                put(&mut self.security_group_members, (it.security_group_id, it.port_id), it)
            }
            Fact::Router(it) => put(&mut self.routers, it.id, it),
            Fact::FloatingIp(it) => put(&mut self.floating_ips, it.id, it),
            Fact::DhcpService(it) => self.dhcp_services.insert(it.network_id, it) != Some(it),
            Fact::AddressGroup(it) => put(&mut self.address_groups, it.id, it),
        };
        changed.then_some(key)
    }

    /// Takes a fact out; whether there was one.
    pub fn remove(&mut self, key: &FactKey) -> bool {
        match key {
            FactKey::Network(id) => self.networks.remove(id).is_some(),
            FactKey::Subnet(id) => self.subnets.remove(id).is_some(),
            FactKey::Port(id) => self.ports.remove(id).is_some(),
            FactKey::SecurityGroup(id) => self.security_groups.remove(id).is_some(),
            FactKey::SecurityGroupRule(id) => self.security_group_rules.remove(id).is_some(),
            FactKey::SecurityGroupMember(group, port) => {
                self.security_group_members.remove(&(*group, *port)).is_some()
            }
            FactKey::Router(id) => self.routers.remove(id).is_some(),
            FactKey::FloatingIp(id) => self.floating_ips.remove(id).is_some(),
            FactKey::DhcpService(id) => self.dhcp_services.remove(id).is_some(),
            FactKey::AddressGroup(id) => self.address_groups.remove(id).is_some(),
        }
    }

    /// Whether a fact is there.
    #[must_use]
    pub fn contains(&self, key: &FactKey) -> bool {
        match key {
            FactKey::Network(id) => self.networks.contains_key(id),
            FactKey::Subnet(id) => self.subnets.contains_key(id),
            FactKey::Port(id) => self.ports.contains_key(id),
            FactKey::SecurityGroup(id) => self.security_groups.contains_key(id),
            FactKey::SecurityGroupRule(id) => self.security_group_rules.contains_key(id),
            FactKey::SecurityGroupMember(group, port) => {
                self.security_group_members.contains_key(&(*group, *port))
            }
            FactKey::Router(id) => self.routers.contains_key(id),
            FactKey::FloatingIp(id) => self.floating_ips.contains_key(id),
            FactKey::DhcpService(id) => self.dhcp_services.contains_key(id),
            FactKey::AddressGroup(id) => self.address_groups.contains_key(id),
        }
    }

    /// Number of facts of all kinds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.networks.len()
            + self.subnets.len()
            + self.ports.len()
            + self.security_groups.len()
            + self.security_group_rules.len()
            + self.security_group_members.len()
            + self.routers.len()
            + self.floating_ips.len()
            + self.dhcp_services.len()
            + self.address_groups.len()
    }

    /// Whether there is no fact at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All facts as records, in a stable order.
    pub fn records(&self) -> impl Iterator<Item = proto::Record> + '_ {
        (self.networks.values().map(|it| proto::Record::from(&**it)))
            .chain(self.subnets.values().map(|it| (&**it).into()))
            .chain(self.security_groups.values().map(|it| (&**it).into()))
            .chain(self.security_group_rules.values().map(|it| (&**it).into()))
            .chain(self.security_group_members.values().map(|it| (&**it).into()))
            .chain(self.address_groups.values().map(|it| (&**it).into()))
            .chain(self.ports.values().map(|it| (&**it).into()))
            .chain(self.routers.values().map(|it| (&**it).into()))
            .chain(self.floating_ips.values().map(|it| (&**it).into()))
            .chain(self.dhcp_services.values().map(Into::into))
    }
}

/// Keeps the old value when it is equal, so that whoever shares it sees no change.
fn put<K: Ord, V: PartialEq>(map: &mut BTreeMap<K, Arc<V>>, key: K, value: V) -> bool {
    match map.get(&key) {
        Some(old) if **old == value => false,
        _ => {
            map.insert(key, Arc::new(value));
            true
        }
    }
}
