//! Who stands in the way of a change: looked up to be named in the refusal.

use isospin_api_kit::Fault;
use isospin_store_kit::{Session, StoreError, Value};

/// The first ids a statement finds; it selects and sorts by one column.
///
/// # Errors
/// The store's.
pub async fn named(session: &mut Session, sql: &str, values: Vec<Value>) -> Result<Vec<String>, StoreError> {
    let rows = session.rows(&format!("{sql} LIMIT {}", Fault::NAMED), values).await?;
    rows.into_iter().map(|row| row.columns().text()).collect()
}

#[cfg(test)]
mod tests;
