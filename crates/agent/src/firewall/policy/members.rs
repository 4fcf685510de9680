//! Addresses of the members of security groups.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use isospin_feed::facts::Facts;
use isospin_types::SecurityGroupId;

use super::shapes::{Span, merged};

/// The members of one group. Single addresses, nearly all there are, live in
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

/// The members of each named group; a group without any has an empty entry.
pub(super) fn of(facts: &Facts, named: BTreeSet<SecurityGroupId>) -> BTreeMap<SecurityGroupId, Members> {
    let mut wide: BTreeMap<SecurityGroupId, Vec<IpNet>> = BTreeMap::new();
    let mut result: BTreeMap<SecurityGroupId, Members> =
        named.into_iter().map(|group| (group, Members::default())).collect();
    for ((group, _), member) in &facts.security_group_members {
        let Some(members) = result.get_mut(group) else { continue };
        for net in &member.addresses {
            if net.prefix_len() == net.max_prefix_len() {
                members.single.insert(net.addr());
            } else {
                wide.entry(*group).or_default().push(net.trunc());
            }
        }
    }
    for (group, nets) in wide {
        if let Some(members) = result.get_mut(&group) {
            // One merge per version: spans never mix them.
            let (v4, v6): (Vec<IpNet>, Vec<IpNet>) =
                nets.into_iter().partition(|net| matches!(net, IpNet::V4(_)));
            members.spans = merged(v4).into_iter().chain(merged(v6)).collect();
        }
    }
    result
}
