//! Addresses of the groups that rules name as the other end.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::shapes::{Span, merged};
use crate::firewall::rule::Named;
use ipnet::IpNet;
use isospin_feed::facts::Facts;
use isospin_types::PortId;
use uuid::Uuid;

/// The addresses of one group. Single addresses, nearly all there are, live in
/// hash sets where adding one costs the same however many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    pub single: BTreeSet<IpAddr>,
    pub spans: BTreeSet<Span>,
}

impl Members {
    /// Whether every entry here is in `other` too.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.single.is_subset(&other.single) && self.spans.is_subset(&other.spans)
    }

    /// Whether the address is a member's.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.single.contains(&ip) || self.spans.iter().any(|span| span.contains(ip))
    }
}

/// The addresses of a named group; none of one that is not known.
pub(super) fn of(facts: &Facts, named: Named) -> Members {
    let mut collected = Collected::default();
    match named {
        Named::Members(group) => {
            let first = (group, PortId::from(Uuid::nil()));
            let last = (group, PortId::from(Uuid::max()));
            for member in facts.security_group_members.range(first..=last).map(|(_, member)| member) {
                collected.add(&member.addresses);
            }
        }
        Named::Addresses(group) => {
            if let Some(group) = facts.address_groups.get(&group) {
                collected.add(&group.addresses);
            }
        }
    }
    collected.finish()
}

/// Addresses of a group being gathered.
#[derive(Default)]
struct Collected {
    single: BTreeSet<IpAddr>,
    wide: Vec<IpNet>,
}

impl Collected {
    fn add(&mut self, addresses: &BTreeSet<IpNet>) {
        for net in addresses {
            if net.prefix_len() == net.max_prefix_len() {
                self.single.insert(net.addr());
            } else {
                self.wide.push(net.trunc());
            }
        }
    }

    fn finish(self) -> Members {
        // One merge per version: spans never mix them.
        let (v4, v6): (Vec<IpNet>, Vec<IpNet>) =
            self.wide.into_iter().partition(|net| matches!(net, IpNet::V4(_)));
        Members { single: self.single, spans: merged(v4).into_iter().chain(merged(v6)).collect() }
    }
}
