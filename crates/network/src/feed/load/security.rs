//! Security groups, their rules, and members of groups that rules name.

use std::collections::BTreeMap;

use isospin_feed::proto::{AddressGroup, Port, SecurityGroup, SecurityGroupMember, SecurityGroupRule};
use isospin_store_kit::{Session, StoreError};

use super::{Of, each, rows};

/// Security groups, without their rules.
pub(in crate::feed) async fn security_groups(
    session: &mut Session,
    of: &Of,
) -> Result<Vec<SecurityGroup>, StoreError> {
    let found = rows(session, "id, stateful", "security_groups", of).await?;
    Ok(each("security group", found, |columns| {
        Ok(SecurityGroup { id: columns.text()?, stateful: columns.flag()? })
    }))
}

/// Rules of security groups.
pub(in crate::feed) async fn rules(
    session: &mut Session,
    of: &Of,
) -> Result<Vec<SecurityGroupRule>, StoreError> {
    let found = rows(
        session,
        "id, security_group_id, direction, ethertype, protocol, port_range_min, port_range_max, remote_ip_prefix, \
         remote_group_id, remote_address_group_id",
        "security_group_rules",
        of,
    )
    .await?;
    Ok(each("security group rule", found, |columns| {
        let (id, security_group_id) = (columns.text()?, columns.text()?);
        let ingress = columns.text()? == "ingress";
        let ip_version = if columns.text()? == "IPv6" { 6 } else { 4 };
        let protocol = columns.opt_text()?.map(|name| protocol_number(&name));
        let port = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
        Ok(SecurityGroupRule {
            id,
            security_group_id,
            ingress,
            ip_version,
            protocol,
            port_range_min: port(columns.opt_int()?),
            port_range_max: port(columns.opt_int()?),
            remote_ip_prefix: columns.opt_text()?.unwrap_or_default(),
            remote_group_id: columns.opt_text()?.unwrap_or_default(),
            remote_address_group_id: columns.opt_text()?.unwrap_or_default(),
        })
    }))
}

/// Address groups of these ids with their addresses.
pub(in crate::feed) async fn address_groups(
    session: &mut Session,
    ids: Vec<String>,
) -> Result<Vec<AddressGroup>, StoreError> {
    let found = rows(session, "id", "address_groups", &Of::Column("id", ids.clone())).await?;
    let mut groups: BTreeMap<String, Vec<String>> =
        each("address group", found, |columns| Ok((columns.text()?, Vec::new()))).into_iter().collect();
    let of = Of::Column("address_group_id", ids);
    let found = rows(session, "address_group_id, address", "address_group_addresses", &of).await?;
    for (id, address) in each("address", found, |columns| Ok((columns.text()?, columns.text()?))) {
        groups.entry(id).or_default().push(address);
    }
    let group = |(id, mut addresses): (String, Vec<String>)| {
        addresses.sort_unstable();
        AddressGroup { id, addresses }
    };
    Ok(groups.into_iter().map(group).collect())
}

/// The number of a protocol the API accepts by name (reference/network-api-core
/// §8). An unknown name becomes 256, which no agent accepts: the rule is set
/// aside there and opens nothing.
fn protocol_number(name: &str) -> u32 {
    const NAMES: &[(&str, u32)] = &[
        ("hopopt", 0),
        ("icmp", 1),
        ("igmp", 2),
        ("ipip", 4),
        ("tcp", 6),
        ("egp", 8),
        ("udp", 17),
        ("dccp", 33),
        ("ipv6-encap", 41),
        ("ipv6-route", 43),
        ("ipv6-frag", 44),
        ("rsvp", 46),
        ("gre", 47),
        ("esp", 50),
        ("ah", 51),
        ("ipv6-icmp", 58),
        ("icmpv6", 58),
        ("ipv6-nonxt", 59),
        ("ipv6-opts", 60),
        ("ospf", 89),
        ("vrrp", 112),
        ("pgm", 113),
        ("sctp", 132),
        ("udplite", 136),
        ("ip", 0),
    ];
    name.parse()
        .ok()
        .or_else(|| NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number))
        .unwrap_or(256)
}

/// Members of groups used as remote groups: derived from their ports.
pub(in crate::feed) fn members<'p>(
    ports: impl Iterator<Item = &'p Port>,
    wanted: impl Fn(&str) -> bool,
) -> Vec<SecurityGroupMember> {
    let mut members = Vec::new();
    for port in ports {
        for group in port.security_group_ids.iter().filter(|group| wanted(group)) {
            let mut addresses: Vec<String> =
                port.fixed_ips.iter().map(|fixed| fixed.ip_address.clone()).collect();
            addresses.extend(port.allowed_address_pairs.iter().map(|pair| pair.ip_address.clone()));
            members.push(SecurityGroupMember {
                id: format!("{group}/{}", port.id),
                security_group_id: group.clone(),
                port_id: port.id.clone(),
                addresses,
            });
        }
    }
    members
}
