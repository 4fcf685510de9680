//! Bindings a port has beside its present one: each waits on its host until it is
//! activated. No host is told of them; as in Neutron, the wiring begins with the
//! activation.

use isospin_api_kit::Fault;
use isospin_store_kit::{Session, StoreError, Tx, Value, values};
use isospin_types::PortId;

use super::super::model::Binding;
use super::read::json;
use super::write::object_json;

/// The bindings that wait, by host.
///
/// # Errors
/// The store's.
pub async fn inactive(session: &mut Session, port_id: PortId) -> Result<Vec<Binding>, StoreError> {
    let rows = session
        .rows(
            "SELECT host, vnic_type, profile, vif_type, vif_details, segment_id FROM inactive_bindings \
             WHERE port_id = $1 ORDER BY host",
            values![port_id],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let mut columns = row.columns();
            Ok(Binding {
                host: columns.text()?,
                vnic_type: columns.text()?,
                profile: json(&columns.text()?)?,
                vif_type: columns.text()?,
                vif_details: json(&columns.text()?)?,
                segment_id: columns.opt_parse()?,
            })
        })
        .collect()
}

/// Stores a new binding that waits.
///
/// # Errors
/// The store's.
pub async fn add_inactive(tx: &mut Tx, port_id: PortId, binding: &Binding) -> Result<(), Fault> {
    tx.execute_later(
        "INSERT INTO inactive_bindings (vnic_type, profile, vif_type, vif_details, segment_id, port_id, host) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        row(port_id, binding),
    )
    .await?;
    Ok(())
}

/// Stores a changed binding that waits.
///
/// # Errors
/// The store's.
pub async fn replace_inactive(tx: &mut Tx, port_id: PortId, binding: &Binding) -> Result<(), Fault> {
    tx.execute_later(
        "UPDATE inactive_bindings SET vnic_type = $1, profile = $2, vif_type = $3, vif_details = $4, \
         segment_id = $5 WHERE port_id = $6 AND host = $7",
        row(port_id, binding),
    )
    .await?;
    Ok(())
}

/// Removes a binding that waits.
///
/// # Errors
/// The store's.
pub async fn remove_inactive(tx: &mut Tx, port_id: PortId, host: &str) -> Result<(), Fault> {
    tx.execute_later(FORGET, values![port_id, host]).await?;
    Ok(())
}

/// A port that moves to a host is not also waiting there.
pub(super) const FORGET: &str = "DELETE FROM inactive_bindings WHERE port_id = $1 AND host = $2";

fn row(port_id: PortId, binding: &Binding) -> Vec<Value> {
    values![
        &binding.vnic_type,
        object_json(&binding.profile),
        &binding.vif_type,
        object_json(&binding.vif_details),
        binding.segment_id,
        port_id,
        &binding.host,
    ]
}
