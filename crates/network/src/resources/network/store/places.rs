//! What follows from where networks are.

use std::fmt::Write as _;

use isospin_api_kit::list::ListQuery;
use isospin_store_kit::query::Select;
use isospin_store_kit::{ChangeKind, StoreError, Tx, Value, values};
use isospin_types::NetworkId;

use super::super::{PHYSICAL_NETWORK, SEGMENTATION_ID, TYPE_OF_SEGMENT};
use crate::Settings;
use crate::drivers::{self, NetworkType};

/// Keeps networks that have a segment as the filters on `provider:*` say.
pub(super) fn filter(select: &mut Select, list: &ListQuery) {
    let mut conditions = Vec::new();
    for (attribute, wanted) in &list.own {
        let (column, values): (_, Vec<Value>) = match *attribute {
            TYPE_OF_SEGMENT => ("network_type", wanted.iter().map(Value::from).collect()),
            PHYSICAL_NETWORK => ("physical_network", wanted.iter().map(Value::from).collect()),
            SEGMENTATION_ID => (
                "segmentation_id",
                // No segment has a negative id.
                wanted.iter().map(|id| Value::from(id.trim().parse::<i64>().unwrap_or(-1))).collect(),
            ),
            _ => continue,
        };
        let names = select.bind_list(values);
        conditions.push(format!("{column} IN ({names})"));
    }
    if !conditions.is_empty() {
        let conditions = conditions.join(" AND ");
        select.condition(format!("networks.id IN (SELECT network_id FROM segments WHERE {conditions})"));
    }
}

/// Gives networks whose MTU nobody chose the one that follows from settings and
/// segments, the least of them: one network after a change of its segments, all of
/// them when a server starts.
///
/// # Errors
/// The store's.
pub async fn follow_segments(
    tx: &mut Tx,
    settings: &Settings,
    network_id: Option<NetworkId>,
) -> Result<(), StoreError> {
    let mut values = Vec::new();
    let mut cases = String::new();
    for network_type in NetworkType::ALL {
        values.extend(values![network_type.as_str(), drivers::max_mtu(settings, network_type)]);
        let (name, mtu) = (values.len() - 1, values.len());
        let _ = write!(cases, " WHEN ${name} THEN CAST(${mtu} AS BIGINT)");
    }
    let only = match network_id {
        Some(id) => {
            values.extend(values![id]);
            format!(" AND id = ${}", values.len())
        }
        None => String::new(),
    };
    let least = format!(
        "(SELECT MIN(CASE network_type{cases} END) FROM segments WHERE segments.network_id = networks.id)"
    );
    let sql = format!(
        "UPDATE networks SET mtu = {least} WHERE NOT mtu_given AND mtu <> {least}{only} RETURNING id"
    );
    for row in tx.rows(&sql, values).await? {
        tx.record("network", ChangeKind::Set, row.columns().text()?);
    }
    Ok(())
}
