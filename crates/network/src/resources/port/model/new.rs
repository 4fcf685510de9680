//! A port to be made.

use std::net::IpAddr;
use std::sync::Arc;

use isospin_types::{MacAddr, PortId, QosPolicyId, SecurityGroupId, SubnetId};
use serde_json::{Map, Value};

use super::{Card, DhcpOption, PairAddress};
use crate::resources::network::model::Network;

/// One wanted entry of `fixed_ips`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedIp {
    pub subnet_id: Option<SubnetId>,
    pub ip: Option<IpAddr>,
}

/// The addresses a port shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addresses {
    /// One IPv4, one IPv6 from a pool, and one EUI-64 for each automatic subnet.
    Automatic,
    /// These (and the EUI-64 ones, unless the list is empty).
    Exactly(Vec<WantedIp>),
}

/// What is needed to make a port. Start from [`NewPort::on`].
#[derive(Debug, Clone)]
pub struct NewPort {
    pub id: PortId,
    /// "" = the cloud's own: no quota.
    pub project_id: String,
    /// Whether the port is counted only, as one the cloud makes by itself.
    pub unlimited: bool,
    pub network: Arc<Network>,
    pub name: String,
    pub description: String,
    /// `None` = generated.
    pub mac_address: Option<MacAddr>,
    pub addresses: Addresses,
    pub device_id: String,
    pub device_owner: String,
    pub admin_state_up: bool,
    /// `None` = what the network says. Always off for `network:*` owners.
    pub port_security: Option<bool>,
    /// `None` = the project's default group, when port security is on.
    pub security_groups: Option<Vec<SecurityGroupId>>,
    pub allowed_address_pairs: Vec<NewAddressPair>,
    pub extra_dhcp_opts: Vec<DhcpOption>,
    pub qos_policy_id: Option<QosPolicyId>,
    pub dns_name: String,
    pub dns_domain: String,
    /// Host to bind to; "" = none.
    pub host: String,
    pub vnic_type: String,
    pub profile: Map<String, Value>,
    pub card: Card,
    pub tags: Vec<String>,
}

/// An address pair whose MAC may still be the port's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NewAddressPair {
    pub ip_address: PairAddress,
    pub mac_address: Option<MacAddr>,
}

impl NewPort {
    /// A plain port with every default.
    #[must_use]
    pub fn on(network: impl Into<Arc<Network>>, project_id: impl Into<String>) -> Self {
        Self {
            id: PortId::random(),
            project_id: project_id.into(),
            unlimited: false,
            network: network.into(),
            name: String::new(),
            description: String::new(),
            mac_address: None,
            addresses: Addresses::Automatic,
            device_id: String::new(),
            device_owner: String::new(),
            admin_state_up: true,
            port_security: None,
            security_groups: None,
            allowed_address_pairs: Vec::new(),
            extra_dhcp_opts: Vec::new(),
            qos_policy_id: None,
            dns_name: String::new(),
            dns_domain: String::new(),
            host: String::new(),
            vnic_type: "normal".to_owned(),
            profile: Map::new(),
            card: Card::default(),
            tags: Vec::new(),
        }
    }
}
