//! Numbers of addresses, and how they follow from prefixes and ranges.

use ipnet::IpNet;
use isospin_types::{NetworkId, SubnetId};

use crate::ipam;
use crate::ranges::Range;

/// Addresses of a subnet, or of all subnets of a network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// What is handed out automatically; without pools every host address.
    pub total: u128,
    /// Addresses of ports.
    pub used: u128,
    /// Host addresses of the prefix.
    pub in_subnet: u128,
    pub in_pools: u128,
    pub used_in_pools: u128,
}

impl Counts {
    /// Those of a subnet with these pools, of whose addresses so many are in use, and
    /// so many of them inside of the pools.
    #[must_use]
    pub fn of(cidr: IpNet, pools: &[Range], used: u128, used_in_pools: u128) -> Self {
        let in_subnet = hosts(cidr);
        let in_pools = pools.iter().map(|pool| size(*pool)).fold(0, u128::saturating_add);
        let total = if pools.is_empty() { in_subnet } else { in_pools };
        Self { total, used, in_subnet, in_pools, used_in_pools }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            total: self.total.saturating_add(other.total),
            used: self.used.saturating_add(other.used),
            in_subnet: self.in_subnet.saturating_add(other.in_subnet),
            in_pools: self.in_pools.saturating_add(other.in_pools),
            used_in_pools: self.used_in_pools.saturating_add(other.used_in_pools),
        }
    }
}

/// All addresses of IPv6; of IPv4 those that are neither the network's nor broadcast.
fn hosts(cidr: IpNet) -> u128 {
    let all = size(Range { first: ipam::number(cidr.network()), last: ipam::number(cidr.broadcast()) });
    match cidr {
        IpNet::V4(net) if net.prefix_len() < 31 => all.saturating_sub(2),
        _ => all,
    }
}

fn size(range: Range) -> u128 {
    (range.last - range.first).saturating_add(1)
}

/// A subnet and its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetAvailability {
    pub subnet_id: SubnetId,
    pub name: String,
    pub cidr: IpNet,
    pub counts: Counts,
}

/// A network, its subnets and their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    pub network_id: NetworkId,
    pub name: String,
    pub project_id: String,
    /// Oldest first.
    pub subnets: Vec<SubnetAvailability>,
}

impl Availability {
    /// The sums over all subnets.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.subnets.iter().map(|subnet| subnet.counts).fold(Counts::default(), Counts::plus)
    }
}
