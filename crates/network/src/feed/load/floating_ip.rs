//! Floating IPs with all that is told of them.

use std::collections::BTreeMap;

use isospin_feed::proto::{FloatingIp, PortForwarding};
use isospin_store_kit::{Session, StoreError};

use super::{Of, each, qos, rows};
use crate::resources::port_forwarding::model::Protocol;

/// Floating IPs that lead somewhere, as a whole or by ports; others are no agent's
/// business.
pub(in crate::feed) async fn floating_ips(
    session: &mut Session,
    of: &Of,
) -> Result<Vec<FloatingIp>, StoreError> {
    let found = rows(
        session,
        "id, floating_ip_address, floating_network_id, router_id, fixed_ip_address, port_id",
        "floating_ips",
        of,
    )
    .await?;
    let carried: Vec<FloatingIp> = each("floating IP", found, |columns| {
        Ok(FloatingIp {
            id: columns.text()?,
            floating_ip_address: columns.text()?,
            floating_network_id: columns.text()?,
            router_id: columns.opt_text()?.unwrap_or_default(),
            fixed_ip_address: columns.opt_text()?.unwrap_or_default(),
            port_id: columns.opt_text()?.unwrap_or_default(),
            ..FloatingIp::default()
        })
    });
    let mut carried: BTreeMap<String, FloatingIp> = carried
        .into_iter()
        .filter(|floating_ip| !floating_ip.router_id.is_empty())
        .map(|floating_ip| (floating_ip.id.clone(), floating_ip))
        .collect();
    let forwarding = carried.values().filter(|floating_ip| floating_ip.port_id.is_empty());
    let ids = forwarding.map(|floating_ip| floating_ip.id.clone()).collect();
    for (id, forwarding) in port_forwardings(session, ids).await? {
        if let Some(floating_ip) = carried.get_mut(&id) {
            floating_ip.port_forwardings.push(forwarding);
        }
    }
    carried
        .retain(|_, floating_ip| !floating_ip.port_id.is_empty() || !floating_ip.port_forwardings.is_empty());
    let ids = carried.keys().cloned().collect();
    let found = rows(session, &format!("f.id, {}", qos::RULE), UNDER_RULES, &Of::Column("f.id", ids)).await?;
    for (id, asked) in qos::asked(found) {
        if let Some(floating_ip) = carried.get_mut(&id) {
            floating_ip.qos = Some(asked);
        }
    }
    Ok(carried.into_values().collect())
}

/// Floating IPs with the rules they are under: those of their own policy, else of
/// their network's.
const UNDER_RULES: &str = "floating_ips f LEFT JOIN floating_ip_qos_policies own ON own.floating_ip_id = f.id \
     LEFT JOIN network_qos_policies theirs ON theirs.network_id = f.floating_network_id \
     JOIN qos_rules q ON q.policy_id = COALESCE(own.policy_id, theirs.policy_id)";

/// Port forwardings of these floating IPs, each with the id of its own.
async fn port_forwardings(
    session: &mut Session,
    floating_ips: Vec<String>,
) -> Result<Vec<(String, PortForwarding)>, StoreError> {
    let found = rows(
        session,
        "floating_ip_id, protocol, internal_ip_address, external_first, external_last, internal_first, \
         internal_last, id",
        "port_forwardings",
        &Of::Column("floating_ip_id", floating_ips),
    )
    .await?;
    let mut forwardings = each("port forwarding", found, |columns| {
        let floating_ip = columns.text()?;
        let protocol: Protocol = columns.parse()?;
        let internal_ip_address = columns.text()?;
        let mut port = || {
            let port = columns.opt_int()?;
            Ok::<_, StoreError>(port.and_then(|port| u32::try_from(port).ok()).unwrap_or_default())
        };
        let forwarding = PortForwarding {
            protocol: protocol.number().into(),
            internal_ip_address,
            external_first: port()?,
            external_last: port()?,
            internal_first: port()?,
            internal_last: port()?,
        };
        Ok((columns.text()?, floating_ip, forwarding))
    });
    forwardings.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(forwardings.into_iter().map(|(_, floating_ip, forwarding)| (floating_ip, forwarding)).collect())
}
