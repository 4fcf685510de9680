//! Transactions from what is to what should be. Pure.

use std::collections::{BTreeMap, BTreeSet};

use isospin_host_io::ovsdb::{map, named, set, uuid};
use isospin_types::{NetworkId, PortId};
use serde_json::{Value, json};

use super::OpenVSwitchConfig;
use super::intent::{Bridge, Intent, Tap, Uplink, Way};
use super::observe::{self, CARRIED, MARK, Observed};
use crate::firewall::openflow::DEAD_VLAN;

/// What to do to the database, in one transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    pub operations: Vec<Value>,
    /// Objects made, changed or removed.
    pub changes: u64,
    /// Those removed.
    pub swept: u64,
    names: usize,
}

/// A port to make.
struct New<'a> {
    bridge: &'a str,
    name: &'a str,
    kind: &'a str,
    options: Value,
    interface_ids: Value,
    /// It asks the switch for this one.
    number: Option<u32>,
    /// Columns of the port.
    tag: Option<u16>,
    other_config: Value,
}

/// The plan.
#[must_use]
pub fn plan(
    intent: &Intent,
    observed: &Observed,
    switch: &OpenVSwitchConfig,
    (vlans, numbers): (&BTreeMap<NetworkId, u16>, &BTreeMap<PortId, u32>),
    may_sweep: bool,
) -> Plan {
    let mut plan = Plan::default();
    for (name, bridge) in &intent.bridges {
        plan.bridge(name, bridge, observed, switch);
    }
    for (name, uplink) in &intent.uplinks {
        plan.uplink(name, uplink, observed);
    }
    let carried = carried(intent, vlans);
    // Who is carried by another has no port of its own.
    for (id, tap) in intent.taps.iter().filter(|(_, tap)| tap.carrier.is_none()) {
        if let (Some(vlan), Some(way)) = (vlans.get(&tap.network), intent.networks.get(&tap.network)) {
            let mut other_config = other_config(tap, *vlan, way);
            other_config.push((CARRIED, carried.get(id).cloned().unwrap_or_default()));
            let placed = (*vlan, numbers.get(id).copied());
            plan.tap((*id, tap), placed, other_config, observed, switch);
        }
    }
    plan.close(intent, observed, switch);
    if may_sweep {
        plan.sweep(intent, observed, switch);
    }
    plan
}

impl Plan {
    fn fresh(&mut self) -> usize {
        self.names += 1;
        self.names
    }

    fn push(&mut self, operation: Value) {
        self.operations.push(operation);
    }

    fn bridge(&mut self, name: &str, bridge: &Bridge, observed: &Observed, switch: &OpenVSwitchConfig) {
        let Some(present) = observed.bridges.get(name) else {
            // What belongs into it follows when it is there.
            self.new_bridge(name, bridge, observed, switch);
            return;
        };
        if !bridge.is_physical && present.fail_mode != "secure" {
            self.change("Bridge", &present.uuid, json!({"fail_mode": "secure"}));
        }
        if let Some(interface) = &bridge.interface
            && !observed.ports.contains_key(interface)
            && observed.devices.contains(interface)
        {
            self.new_port(
                &present.uuid,
                New {
                    bridge: name,
                    name: interface,
                    kind: "",
                    options: map([]),
                    interface_ids: map([]),
                    number: None,
                    tag: None,
                    other_config: map([]),
                },
            );
        }
    }

    fn new_bridge(&mut self, name: &str, bridge: &Bridge, observed: &Observed, switch: &OpenVSwitchConfig) {
        let at = self.fresh();
        let (row, port, interface) = (format!("bridge{at}"), format!("port{at}"), format!("interface{at}"));
        self.push(json!({"op": "insert", "table": "Interface", "uuid-name": interface,
            "row": {"name": name, "type": "internal"}}));
        self.push(json!({"op": "insert", "table": "Port", "uuid-name": port,
            "row": {"name": name, "interfaces": named(&interface)}}));
        self.push(json!({"op": "insert", "table": "Bridge", "uuid-name": row, "row": {
            "name": name,
            "ports": named(&port),
            "datapath_type": switch.datapath_type.name(),
            "fail_mode": "secure",
            "protocols": set(["OpenFlow10", "OpenFlow13", "OpenFlow14"].map(Value::from)),
            "external_ids": map([(MARK, bridge.role.clone())]),
        }}));
        self.push(json!({"op": "mutate", "table": "Open_vSwitch",
            "where": [["_uuid", "==", uuid(&observed.root)]],
            "mutations": [["bridges", "insert", set([named(&row)])]]}));
        self.changes += 1;
    }

    fn uplink(&mut self, name: &str, uplink: &Uplink, observed: &Observed) {
        let options = || map(uplink.options.iter().map(|(key, value)| (*key, value.clone())));
        let Some(bridge) = observed.bridges.get(&uplink.bridge) else { return };
        match observed.ports.get(name) {
            None => self.new_port(
                &bridge.uuid,
                New {
                    bridge: &uplink.bridge,
                    name,
                    kind: uplink.kind,
                    options: options(),
                    interface_ids: map([]),
                    number: None,
                    tag: None,
                    other_config: map([]),
                },
            ),
            Some(port) => {
                let same = port.options.len() == uplink.options.len()
                    && uplink.options.iter().all(|(key, value)| port.options.get(*key) == Some(value));
                if !same || port.kind != uplink.kind {
                    let row = json!({"type": uplink.kind, "options": options()});
                    self.change("Interface", &port.interface_uuid, row);
                }
            }
        }
    }

    /// A tap: put into the bridge when its device is there, and tagged.
    fn tap(
        &mut self,
        (id, tap): (PortId, &Tap),
        (vlan, number): (u16, Option<u32>),
        mut other_config: Vec<(&'static str, String)>,
        observed: &Observed,
        switch: &OpenVSwitchConfig,
    ) {
        let Some(bridge) = observed.bridges.get(&switch.integration_bridge) else { return };
        match observed.port_of(&switch.integration_bridge, id, &tap.device) {
            Some(port) => {
                // Nothing said is nothing carried.
                other_config.retain(|(key, value)| !value.is_empty() || port.other_config.contains_key(*key));
                let wanted: BTreeMap<String, String> =
                    other_config.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
                let kept = wanted.iter().all(|(key, value)| port.other_config.get(key) == Some(value));
                if port.tag != Some(i64::from(vlan)) || !kept {
                    let mut all = port.other_config.clone();
                    all.extend(wanted);
                    let all = map(all.iter().map(|(key, value)| (key.as_str(), value.clone())));
                    self.change("Port", &port.uuid, json!({"tag": vlan, "other_config": all}));
                }
            }
            None if observed.devices.contains(&tap.device) => {
                other_config.retain(|(_, value)| !value.is_empty());
                let interface_ids = map([
                    ("iface-id", id.to_string()),
                    ("iface-status", "active".to_owned()),
                    ("attached-mac", tap.mac.to_string()),
                ]);
                self.new_port(
                    &bridge.uuid,
                    New {
                        bridge: &switch.integration_bridge,
                        name: &tap.device,
                        kind: "",
                        options: map([]),
                        interface_ids,
                        number,
                        tag: Some(vlan),
                        other_config: map(other_config),
                    },
                );
            }
            None => {}
        }
    }

    /// Ports that are down are on the dead VLAN.
    fn close(&mut self, intent: &Intent, observed: &Observed, switch: &OpenVSwitchConfig) {
        for (id, device) in &intent.closed {
            if let Some(port) = observed.port_of(&switch.integration_bridge, *id, device)
                && port.tag != Some(i64::from(DEAD_VLAN))
            {
                self.change("Port", &port.uuid, json!({"tag": DEAD_VLAN}));
            }
        }
    }

    /// Ports of ours that no fact wants, or whose device has gone.
    fn sweep(&mut self, intent: &Intent, observed: &Observed, switch: &OpenVSwitchConfig) {
        let closed: BTreeSet<&str> = intent.closed.values().map(String::as_str).collect();
        let taps: BTreeSet<&str> = intent.taps.values().map(|tap| tap.device.as_str()).collect();
        let wanted = |port: &observe::Port| {
            let name = port.name.as_str();
            let interface = |bridge: &Bridge| bridge.interface.as_deref() == Some(name);
            intent.uplinks.contains_key(name)
                || intent.bridges.values().any(interface)
                || closed.contains(name)
                || (taps.contains(name) && observed.devices.contains(name))
        };
        let bridges = [&switch.integration_bridge, &switch.tunnel_bridge];
        let ours = observed.ports.values().filter(|port| bridges.contains(&&port.bridge) && port.is_ours());
        for port in ours.filter(|port| !wanted(port)) {
            let Some(bridge) = observed.bridges.get(&port.bridge) else { continue };
            self.push(
                json!({"op": "mutate", "table": "Bridge", "where": [["_uuid", "==", uuid(&bridge.uuid)]],
                "mutations": [["ports", "delete", set([uuid(&port.uuid)])]]}),
            );
            self.changes += 1;
            self.swept += 1;
        }
    }

    fn change(&mut self, table: &str, id: &str, row: Value) {
        self.push(json!({"op": "update", "table": table, "where": [["_uuid", "==", uuid(id)]], "row": row}));
        self.changes += 1;
    }

    fn new_port(&mut self, bridge_uuid: &str, new: New<'_>) {
        let at = self.fresh();
        let (port, interface) = (format!("port{at}"), format!("interface{at}"));
        let mut row = json!({"name": new.name, "type": new.kind, "options": new.options,
            "external_ids": new.interface_ids});
        if let (Some(number), Some(row)) = (new.number, row.as_object_mut()) {
            row.insert("ofport_request".to_owned(), Value::from(number));
        }
        self.push(json!({"op": "insert", "table": "Interface", "uuid-name": interface, "row": row}));
        let mut row = json!({
            "name": new.name,
            "interfaces": named(&interface),
            "other_config": new.other_config,
            "external_ids": map([(MARK, new.bridge.to_owned())]),
        });
        if let (Some(tag), Some(row)) = (new.tag, row.as_object_mut()) {
            row.insert("tag".to_owned(), Value::from(tag));
        }
        self.push(json!({"op": "insert", "table": "Port", "uuid-name": port, "row": row}));
        self.push(json!({"op": "mutate", "table": "Bridge", "where": [["_uuid", "==", uuid(bridge_uuid)]],
            "mutations": [["ports", "insert", set([named(&port)])]]}));
        self.changes += 1;
    }
}

/// The local VLANs of the networks whose frames ports carry for others, by the port that does.
fn carried(intent: &Intent, vlans: &BTreeMap<NetworkId, u16>) -> BTreeMap<PortId, String> {
    let mut networks: BTreeMap<PortId, BTreeSet<NetworkId>> = BTreeMap::new();
    for tap in intent.taps.values() {
        if let Some(carrier) = &tap.carrier {
            networks.entry(carrier.port).or_default().insert(tap.network);
        }
    }
    let said = |networks: BTreeSet<NetworkId>| {
        let known = networks.iter().filter_map(|network| Some(format!("{network}={}", vlans.get(network)?)));
        known.collect::<Vec<_>>().join(" ")
    };
    networks.into_iter().map(|(port, networks)| (port, said(networks))).collect()
}

/// What lets a restarted agent, and operators, know the network of a port.
fn other_config(tap: &Tap, vlan: u16, way: &Way) -> Vec<(&'static str, String)> {
    let mut config = vec![("net_uuid", tap.network.to_string()), ("tag", vlan.to_string())];
    match way {
        Way::None => config.push(("network_type", "local".to_owned())),
        Way::Physical { bridge, vlan } => {
            let kind = if vlan.is_some() { "vlan" } else { "flat" };
            config.push(("network_type", kind.to_owned()));
            config.push(("physical_network", bridge.clone()));
            config.extend(vlan.map(|id| ("segmentation_id", id.to_string())));
        }
        Way::Tunnel { kind, id } => {
            config.push(("network_type", kind.name().to_owned()));
            config.push(("segmentation_id", id.to_string()));
        }
    }
    config
}
