//! Where the ports of a trunk are, and its status, which follows theirs.
//!
//! A trunk is wherever its parent is: its other ports are bound there with it, and let go
//! with it. Nothing is kept of how far its wiring is but the status of each port.

use isospin_api_kit::Fault;
use isospin_store_kit::query::Select;
use isospin_store_kit::{StoreError, Tx, Value, values};
use isospin_types::PortId;

use super::model::SUBPORT;
use crate::App;
use crate::resources::port;
use crate::resources::port::model::Port;

/// Ports named in one statement at most.
const IDS: usize = 8192;

/// The rows of a trunk by its parent, with one of its ports each.
const CARRIED: &str =
    "SELECT s.port_id FROM trunks t LEFT JOIN trunk_subports s ON s.trunk_id = t.id WHERE t.port_id = $1";

/// What the ports of a trunk make of its status. A parent nobody has wired, or that cannot
/// be, carries nobody.
const STATUS: &str = "(SELECT CASE \
     WHEN parent.binding_host = '' OR parent.binding_vif_type = 'binding_failed' THEN 'DOWN' \
     WHEN EXISTS (SELECT 1 FROM trunk_subports s JOIN ports p ON p.id = s.port_id \
         WHERE s.trunk_id = trunks.id AND p.binding_vif_type = 'binding_failed') THEN 'ERROR' \
     WHEN parent.status <> 'ACTIVE' THEN 'DOWN' \
     WHEN EXISTS (SELECT 1 FROM trunk_subports s JOIN ports p ON p.id = s.port_id \
         WHERE s.trunk_id = trunks.id AND p.status = 'ERROR') THEN 'DEGRADED' \
     WHEN EXISTS (SELECT 1 FROM trunk_subports s JOIN ports p ON p.id = s.port_id \
         WHERE s.trunk_id = trunks.id AND p.status <> 'ACTIVE' AND p.admin_state_up = TRUE) THEN 'BUILD' \
     ELSE 'ACTIVE' END FROM ports parent WHERE parent.id = trunks.port_id)";

/// Lets the trunk of a changed port follow it: the ports it is the parent of to its host.
///
/// # Errors
/// The store's.
pub async fn follow(tx: &mut Tx, app: &App, before: &Port, port: &Port) -> Result<(), Fault> {
    let has_moved = before.binding.host != port.binding.host;
    if !has_moved && before.status == port.status {
        return Ok(());
    }
    let carried = tx.rows(CARRIED, values![port.id]).await?;
    if carried.is_empty() && port.device_owner != SUBPORT {
        return Ok(());
    }
    if has_moved {
        let ids = carried.into_iter().map(|row| row.columns().opt_parse::<PortId>());
        let ids: Vec<PortId> = ids.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        for mut found in port::store::found_many(tx, &ids).await? {
            port::store::bind(tx, app, &mut found.port, &port.binding.host).await?;
        }
    }
    restate(tx, &[Value::from(port.id)]).await?;
    Ok(())
}

/// Gives the trunks these ports are parts of the status their ports make.
///
/// # Errors
/// The store's.
pub async fn restate(tx: &mut Tx, ports: &[Value]) -> Result<(), StoreError> {
    for ids in ports.chunks(IDS) {
        let of = |columns: &str, table: &str| {
            let mut select = Select::new(columns, table);
            select.one_of("port_id", ids.to_vec());
            select.build()
        };
        // Both name the same values by the same numbers.
        let ((parents, named), (carried, _)) = (of("id", "trunks"), of("trunk_id", "trunk_subports"));
        let sql = format!(
            "UPDATE trunks SET status = {STATUS} WHERE (id IN ({parents}) OR id IN ({carried})) AND status <> {STATUS}"
        );
        tx.execute_later(&sql, named).await?;
    }
    Ok(())
}
