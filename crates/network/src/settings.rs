//! What an operator sets for the Network API. Defaults are those of the reference
//! (network-api-core §9, §29).

use std::collections::{BTreeMap, BTreeSet};

use crate::resources;

/// A range of segmentation ids, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentRange {
    pub first: u32,
    pub last: u32,
}

/// Limits for projects without their own; -1 = unlimited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaDefaults {
    pub by_resource: BTreeMap<&'static str, i64>,
}

impl Default for QuotaDefaults {
    fn default() -> Self {
        Self { by_resource: resources::counted().map(|kind| (kind.name, kind.default)).collect() }
    }
}

/// Settings of one server; the same on all servers of a region.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Types tried in order for networks of projects; of "local", "vlan", "vxlan", "gre", "geneve".
    pub tenant_network_types: Vec<String>,
    /// Free ids for automatic allocation on vxlan.
    pub vxlan_ranges: Vec<SegmentRange>,
    /// The same on gre and geneve.
    pub gre_ranges: Vec<SegmentRange>,
    pub geneve_ranges: Vec<SegmentRange>,
    /// Physical network -> ranges for automatic allocation on vlan; a physical
    /// network without ranges is known but only used by name.
    pub vlan_ranges: BTreeMap<String, Vec<SegmentRange>>,
    /// Physical networks usable for flat networks; "*" = any.
    pub flat_networks: BTreeSet<String>,
    /// MTU of the physical networks, bytes.
    pub global_physnet_mtu: u32,
    /// MTU of the underlay of tunnels, bytes; 0 = as above.
    pub path_mtu: u32,
    /// Domain of DNS assignments, without final dot.
    pub dns_domain: String,
    pub quotas: QuotaDefaults,
    pub max_dns_nameservers: usize,
    pub max_subnet_host_routes: usize,
    pub max_routes: usize,
    pub max_allowed_address_pairs: usize,
    /// Objects on a page at most; 0 = as many as asked for.
    pub pagination_max_limit: u64,
    pub enable_snat_by_default: bool,
    /// Seconds without heartbeat after which an agent counts as down.
    pub agent_down_time: u32,
    pub default_availability_zone: String,
    /// Whether Nova is told what becomes of instances' ports.
    pub nova_events: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tenant_network_types: vec!["vxlan".to_owned()],
            vxlan_ranges: vec![SegmentRange { first: 1, last: 16_777_215 }],
            gre_ranges: Vec::new(),
            geneve_ranges: Vec::new(),
            vlan_ranges: BTreeMap::new(),
            flat_networks: ["*".to_owned()].into(),
            global_physnet_mtu: 1500,
            path_mtu: 0,
            dns_domain: "openstacklocal".to_owned(),
            quotas: QuotaDefaults::default(),
            max_dns_nameservers: 5,
            max_subnet_host_routes: 20,
            max_routes: 30,
            max_allowed_address_pairs: 10,
            pagination_max_limit: 0,
            enable_snat_by_default: true,
            agent_down_time: 75,
            nova_events: false,
            default_availability_zone: "nova".to_owned(),
        }
    }
}
