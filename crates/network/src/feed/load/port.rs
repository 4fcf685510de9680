//! Ports with their addresses, groups, and what their policies ask of the host.

use std::collections::BTreeMap;

use isospin_feed::proto::{AddressPair, DhcpOption, FixedIp, Port};
use isospin_store_kit::{Columns, Session, StoreError};

use super::{Of, each, field, objects, qos, select};

/// Ports with all that is told of them: four queries, whatever their number.
pub(in crate::feed) async fn ports(session: &mut Session, of: &Of) -> Result<Vec<Port>, StoreError> {
    let mut ports = Vec::new();
    for portion in of.portions() {
        ports.append(&mut portion_of_ports(session, &portion).await?);
    }
    Ok(ports)
}

async fn portion_of_ports(session: &mut Session, of: &Of) -> Result<Vec<Port>, StoreError> {
    let (sql, values) = select(
        "p.id, p.name, p.network_id, p.project_id, p.mac_address, p.device_id, p.device_owner, p.admin_state_up, \
         p.port_security_enabled, p.allowed_address_pairs, p.extra_dhcp_opts, p.binding_host, p.dns_name, \
         p.binding_segment_id, a.tunnel_ip, t.port_id, x.segmentation_id",
        // Only who is on a segment in tunnels is reached through a tunnel.
        "ports p LEFT JOIN segments s ON s.id = p.binding_segment_id \
         LEFT JOIN agents a ON a.host = p.binding_host AND a.tunnel_ip <> '' AND s.network_type IN ('vxlan', 'gre', 'geneve') \
         LEFT JOIN trunk_subports x ON x.port_id = p.id LEFT JOIN trunks t ON t.id = x.trunk_id",
        of,
    );
    let (address_sql, address_values) = select(
        "x.port_id, x.subnet_id, x.ip_address",
        "port_addresses x JOIN ports p ON p.id = x.port_id",
        of,
    );
    let address_sql = format!("{address_sql} ORDER BY x.port_id, x.ordinal");
    let (group_sql, group_values) = select(
        "x.port_id, x.security_group_id",
        "port_security_groups x JOIN ports p ON p.id = x.port_id",
        of,
    );
    let (rule_sql, rule_values) = select(&format!("p.id, {}", qos::RULE), UNDER_RULES, of);
    let queries = vec![
        (sql.as_str(), values),
        (address_sql.as_str(), address_values),
        (group_sql.as_str(), group_values),
        (rule_sql.as_str(), rule_values),
    ];
    let mut answers = session.rows_many(queries).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default();
    let mut by_id: BTreeMap<String, Port> =
        each("port", next(), port).into_iter().map(|port| (port.id.clone(), port)).collect();
    let addresses = each("address of a port", next(), |columns| {
        let port_id = columns.text()?;
        Ok((port_id, FixedIp { subnet_id: columns.text()?, ip_address: columns.text()? }))
    });
    for (port_id, fixed_ip) in addresses {
        if let Some(port) = by_id.get_mut(&port_id) {
            port.fixed_ips.push(fixed_ip);
        }
    }
    let groups = each("group of a port", next(), |columns| Ok((columns.text()?, columns.text()?)));
    for (port_id, group) in groups {
        if let Some(port) = by_id.get_mut(&port_id) {
            port.security_group_ids.push(group);
        }
    }
    for (port_id, asked) in qos::asked(next()) {
        if let Some(port) = by_id.get_mut(&port_id) {
            port.qos = Some(asked);
        }
    }
    Ok(by_id.into_values().map(complete).collect())
}

/// Ports with the rules they are under: those of their own policy, else of their
/// network's, which is not for ports of the cloud itself.
const UNDER_RULES: &str = "ports p LEFT JOIN port_qos_policies own ON own.port_id = p.id \
     LEFT JOIN network_qos_policies theirs ON theirs.network_id = p.network_id \
     AND p.device_owner NOT LIKE 'network:%' \
     JOIN qos_rules q ON q.policy_id = COALESCE(own.policy_id, theirs.policy_id)";

fn port(columns: &mut Columns) -> Result<Port, StoreError> {
    let mut port = Port {
        id: columns.text()?,
        name: columns.text()?,
        network_id: columns.text()?,
        project_id: columns.text()?,
        mac_address: columns.text()?,
        device_id: columns.text()?,
        device_owner: columns.text()?,
        admin_state_up: columns.flag()?,
        port_security_enabled: columns.flag()?,
        ..Port::default()
    };
    port.allowed_address_pairs = objects(&columns.text()?)
        .iter()
        .map(|pair| AddressPair {
            ip_address: field(pair, "ip_address"),
            mac_address: field(pair, "mac_address"),
        })
        .collect();
    port.extra_dhcp_opts = objects(&columns.text()?)
        .iter()
        .map(|option| DhcpOption {
            name: field(option, "opt_name"),
            value: field(option, "opt_value"),
            ip_version: option["ip_version"].as_u64().and_then(|v| u32::try_from(v).ok()).unwrap_or(4),
        })
        .collect();
    port.host = columns.text()?;
    port.hostname = columns.text()?;
    port.segment_id = columns.opt_text()?.unwrap_or_default();
    port.tunnel_ip = columns.opt_text()?.unwrap_or_default();
    port.parent_port_id = columns.opt_text()?.unwrap_or_default();
    port.parent_vlan = columns.opt_int()?.and_then(|vlan| u32::try_from(vlan).ok()).unwrap_or_default();
    Ok(port)
}

/// Gives the port the host name of its first address when it has none of its own.
fn complete(mut port: Port) -> Port {
    port.security_group_ids.sort();
    if port.hostname.is_empty()
        && let Some(first) = port.fixed_ips.first()
    {
        port.hostname = format!("host-{}", first.ip_address.replace(['.', ':'], "-"));
    }
    port
}
