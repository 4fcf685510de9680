//! The database of Open vSwitch and the devices of the host as plain values.

use std::collections::{BTreeMap, BTreeSet};

use isospin_host_io::ovsdb::{Row, Tables};
use isospin_types::{NetworkId, PortId};

use super::intent::Tap;

/// Columns that are watched, by table.
pub const WATCHED: [(&str, &[&str]); 4] = [
    ("Open_vSwitch", &["bridges"]),
    ("Bridge", &["name", "ports", "datapath_type", "fail_mode", "external_ids"]),
    ("Port", &["name", "interfaces", "tag", "other_config", "external_ids"]),
    ("Interface", &["name", "type", "options", "ofport", "ofport_request", "external_ids", "error"]),
];

/// Key in `other_config` of a trunk's port: `<network>=<local VLAN>` of those whose frames
/// it carries.
pub const CARRIED: &str = "carried";

/// Key of our mark in `external_ids`.
pub const MARK: &str = "isospin";

/// A bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bridge {
    pub uuid: String,
    pub datapath_type: String,
    pub fail_mode: String,
    pub external_ids: BTreeMap<String, String>,
}

/// A port with its interface (bonds are none of ours).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Port {
    pub name: String,
    pub uuid: String,
    pub interface_uuid: String,
    pub bridge: String,
    pub tag: Option<i64>,
    pub other_config: BTreeMap<String, String>,
    /// Of the port.
    pub external_ids: BTreeMap<String, String>,
    pub kind: String,
    pub options: BTreeMap<String, String>,
    /// `None` until the switch has it.
    pub ofport: Option<u32>,
    /// The number its maker would have it have.
    pub requested: Option<u32>,
    /// Of the interface.
    pub interface_ids: BTreeMap<String, String>,
    /// Why the switch cannot have it.
    pub error: String,
}

impl Port {
    /// Whether we made it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.external_ids.contains_key(MARK)
    }
}

/// What is on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Of the rows, while they come from one connection to the database.
    pub version: Option<u64>,
    /// The only row of table Open_vSwitch.
    pub root: String,
    pub bridges: BTreeMap<String, Bridge>,
    /// By name.
    pub ports: BTreeMap<String, Port>,
    /// Names of ports by the port of the cloud their maker named, `iface-id`, and the bridge.
    pub(super) claimed: BTreeMap<(PortId, String), String>,
    /// Devices of the kernel.
    pub devices: BTreeSet<String>,
}

impl Observed {
    /// Reads the copy of the database.
    #[must_use]
    pub fn of(tables: &Tables) -> Self {
        let mut observed = Self::default();
        for (id, root) in tables.rows("Open_vSwitch") {
            id.clone_into(&mut observed.root);
            for bridge in root.uuids("bridges") {
                if let Some(row) = tables.row("Bridge", bridge) {
                    observed.add_bridge(tables, bridge, row);
                }
            }
        }
        for port in observed.ports.values() {
            if let Some(id) = port.interface_ids.get("iface-id").and_then(|id| id.parse().ok()) {
                // Of two the first stays.
                observed.claimed.entry((id, port.bridge.clone())).or_insert_with(|| port.name.clone());
            }
        }
        observed
    }

    fn add_bridge(&mut self, tables: &Tables, id: &str, row: &Row) {
        let name = row.text("name");
        let bridge = Bridge {
            uuid: id.to_owned(),
            datapath_type: row.text("datapath_type").to_owned(),
            fail_mode: row.word("fail_mode").to_owned(),
            external_ids: row.map("external_ids"),
        };
        self.bridges.insert(name.to_owned(), bridge);
        for port_id in row.uuids("ports") {
            let Some(port) = tables.row("Port", port_id) else { continue };
            let interfaces = port.uuids("interfaces");
            let Some(interface_id) = interfaces.first().copied() else { continue };
            let Some(interface) = tables.row("Interface", interface_id) else { continue };
            // -1: the switch could not open it (N30).
            let number = |column| interface.number(column).and_then(|number| u32::try_from(number).ok());
            let port = Port {
                name: port.text("name").to_owned(),
                uuid: port_id.to_owned(),
                interface_uuid: interface_id.to_owned(),
                bridge: name.to_owned(),
                tag: port.number("tag"),
                other_config: port.map("other_config"),
                external_ids: port.map("external_ids"),
                kind: interface.text("type").to_owned(),
                options: interface.map("options"),
                ofport: number("ofport"),
                requested: number("ofport_request"),
                interface_ids: interface.map("external_ids"),
                error: interface.word("error").to_owned(),
            };
            self.ports.insert(port.name.clone(), port);
        }
    }

    /// The port on the bridge that carries this port of the cloud: the one its maker
    /// named so, else the one with its device name.
    #[must_use]
    pub fn port_of(&self, bridge: &str, id: PortId, device: &str) -> Option<&Port> {
        let named = self.claimed.get(&(id, bridge.to_owned())).and_then(|name| self.ports.get(name));
        named.or_else(|| self.ports.get(device).filter(|port| port.bridge == bridge))
    }

    /// The port on the bridge that carries the frames of a tap.
    #[must_use]
    pub fn carrier_of(&self, bridge: &str, id: PortId, tap: &Tap) -> Option<&Port> {
        match &tap.carrier {
            Some(carrier) => self.port_of(bridge, carrier.port, &carrier.device),
            None => self.port_of(bridge, id, &tap.device),
        }
    }

    /// Number of a port on its bridge.
    #[must_use]
    pub fn ofport(&self, name: &str) -> Option<u32> {
        self.ports.get(name)?.ofport
    }

    /// The local VLANs ports carry, by network: their own, and those of the ports whose
    /// frames they carry.
    #[must_use]
    pub fn vlans(&self) -> BTreeMap<NetworkId, u16> {
        let kept = |network: &str, vlan: &str| Some((network.parse().ok()?, vlan.parse().ok()?));
        let own = |port: &Port| kept(port.other_config.get("net_uuid")?, port.other_config.get("tag")?);
        let carried = |port: &Port| -> Vec<(NetworkId, u16)> {
            let text = port.other_config.get(CARRIED).map(String::as_str).unwrap_or_default();
            text.split_whitespace()
                .filter_map(|part| part.split_once('='))
                .filter_map(|(a, b)| kept(a, b))
                .collect()
        };
        let carried = self.ports.values().flat_map(carried);
        carried.chain(self.ports.values().filter_map(own)).collect()
    }
}
