//! Taking many addresses of a subnet with two statements for each range touched.

use std::net::IpAddr;

use isospin_store_kit::{StoreError, Tx, values};
use isospin_types::SubnetId;

use super::{edit, from_number, stored_range};
use crate::ranges::{Edit, Range};

/// Takes the first `count` free addresses of the subnet's pools, in order; fewer
/// when no more are free.
///
/// # Errors
/// The store's.
pub async fn take_several(tx: &mut Tx, subnet_id: SubnetId, count: usize) -> Result<Vec<IpAddr>, StoreError> {
    let mut taken = Vec::with_capacity(count);
    while taken.len() < count {
        let sql =
            "SELECT first_key, last_key FROM free_addresses WHERE subnet_id = $1 ORDER BY first_key LIMIT 1";
        let Some(row) = tx.row(sql, values![subnet_id]).await? else { break };
        let range = stored_range(row)?;
        let missing = u128::try_from(count - taken.len()).unwrap_or(u128::MAX);
        let last = range.last.min(range.first.saturating_add(missing - 1));
        let first = range.first;
        let change = if last == range.last {
            Edit::Delete(first)
        } else {
            Edit::Replace { first, with: Range { first: last + 1, last: range.last } }
        };
        edit(tx, subnet_id, vec![change]).await?;
        taken.extend((first..=last).map(from_number));
    }
    Ok(taken)
}
