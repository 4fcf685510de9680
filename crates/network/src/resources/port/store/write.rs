//! Changing and removing ports.

use isospin_api_kit::{Fault, now_seconds};
use isospin_store_kit::{ChangeKind, Tx, Value, values};
use serde_json::{Map, Value as Json, json};

use super::super::model::{AddressPair, DhcpOption, Port};
use super::addresses;
use super::binding::pending_anew;
use super::inactive::FORGET;
use crate::background::nova::outbox::{self, Event};
use crate::quota;
use crate::resources::qos_policy::bindings::Holder;

const UPDATE: &str = "UPDATE ports SET name = $1, description = $2, mac_address = $3, admin_state_up = $4, \
     status = $5, device_id = $6, device_owner = $7, port_security_enabled = $8, dns_name = $9, \
     ip_allocation = $10, allowed_address_pairs = $11, extra_dhcp_opts = $12, binding_host = $13, \
     binding_vnic_type = $14, binding_profile = $15, binding_vif_type = $16, binding_vif_details = $17, \
     binding_segment_id = $18, data_plane_status = $19, device_profile = $20, hardware_offload_type = $21, \
     hints = $22, numa_affinity_policy = $23, propagate_uplink_status = $24, trusted = $25, updated_at = $26, \
     revision_number = $27, dns_domain = $28 WHERE id = $29";

/// Writes a changed port: its row, groups and open parties. Addresses are written
/// by [`super::set_addresses`]. A port that did not change is left alone; else the
/// revision goes up and followers are told. A new MAC is one that [`super::has_mac`]
/// has not found.
///
/// # Errors
/// The store's.
pub async fn save(tx: &mut Tx, before: &Port, port: &mut Port) -> Result<(), Fault> {
    if before == port {
        return Ok(());
    }
    port.revision_number = before.revision_number + 1;
    port.updated_at = now_seconds();
    let mut statements = vec![(UPDATE, row(port))];
    if before.security_groups != port.security_groups {
        statements.push(("DELETE FROM port_security_groups WHERE port_id = $1", values![port.id]));
        statements.extend(port.security_groups.iter().map(|group| {
            (
                "INSERT INTO port_security_groups (port_id, security_group_id) VALUES ($1, $2)",
                values![port.id, *group],
            )
        }));
    }
    if before.qos_policy_id != port.qos_policy_id {
        statements.push(Holder::Port.statement(port.id, port.qos_policy_id));
    }
    if before.status != port.status || before.binding.host != port.binding.host {
        statements.extend(pending_anew(port));
    }
    if before.binding.host != port.binding.host {
        statements.push((FORGET, values![port.id, &port.binding.host]));
    }
    tx.execute_many_later(statements).await?;
    if port.is_of_an_instance() {
        if let Some(event) = Event::of_status(before.status.as_str(), port.status.as_str()) {
            outbox::note(tx, event, port.id).await?;
        }
        outbox::note(tx, Event::Changed, port.id).await?;
    }
    tx.record_in("port", ChangeKind::Set, port.id, port.network_id);
    Ok(())
}

/// Removes a port: rows, addresses, tags, quota. Whoever refers to it is released before:
/// see [`remove`](crate::resources::port::remove).
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, port: &Port) -> Result<(), Fault> {
    if port.is_of_an_instance() {
        outbox::note(tx, Event::Deleted, port.id).await?;
    }
    addresses::release(tx, port.id, &port.fixed_ips).await?;
    tx.execute_many_later(vec![
        ("DELETE FROM tags WHERE resource_id = $1", values![port.id]),
        ("DELETE FROM ports WHERE id = $1", values![port.id]),
    ])
    .await?;
    quota::give_back(tx, &port.project_id, "port", 1).await?;
    tx.record_in("port", ChangeKind::Deleted, port.id, port.network_id);
    Ok(())
}

fn row(port: &Port) -> Vec<Value> {
    let binding = &port.binding;
    values![
        &port.name,
        &port.description,
        port.mac_address,
        port.admin_state_up,
        port.status.as_str(),
        &port.device_id,
        &port.device_owner,
        port.port_security_enabled,
        &port.dns_name,
        port.ip_allocation.as_str(),
        pairs_json(&port.allowed_address_pairs),
        options_json(&port.extra_dhcp_opts),
        &binding.host,
        &binding.vnic_type,
        object_json(&binding.profile),
        &binding.vif_type,
        object_json(&binding.vif_details),
        binding.segment_id,
        port.data_plane_status.clone(),
        port.card.device_profile.clone(),
        port.card.hardware_offload_type.clone(),
        port.card.hints.as_ref().map(object_json),
        port.card.numa_affinity_policy.clone(),
        port.card.propagate_uplink_status,
        port.card.trusted,
        &port.updated_at,
        port.revision_number,
        &port.dns_domain,
        port.id,
    ]
}

pub(super) fn pairs_json(pairs: &[AddressPair]) -> String {
    if pairs.is_empty() {
        return "[]".to_owned();
    }
    let items: Vec<Json> = pairs
        .iter()
        .map(|pair| {
            json!({"mac_address": pair.mac_address.to_string(), "ip_address": pair.ip_address.to_string()})
        })
        .collect();
    Json::Array(items).to_string()
}

pub(super) fn options_json(options: &[DhcpOption]) -> String {
    if options.is_empty() {
        return "[]".to_owned();
    }
    let items: Vec<Json> = options
        .iter()
        .map(|option| {
            json!({"opt_name": option.name, "opt_value": option.value, "ip_version": option.ip_version})
        })
        .collect();
    Json::Array(items).to_string()
}

pub(super) fn object_json(object: &Map<String, Json>) -> String {
    if object.is_empty() { "{}".to_owned() } else { Json::Object(object.clone()).to_string() }
}
