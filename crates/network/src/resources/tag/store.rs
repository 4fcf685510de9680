//! SQL for tags.

use std::collections::HashMap;

use isospin_store_kit::query::Select;
use isospin_store_kit::{Session, StoreError, Value, values};

/// Forgets the tags of a resource; for the statement batch that deletes it.
pub const FORGET: &str = "DELETE FROM tags WHERE resource_id = $1";

/// The tags of one resource, in order.
///
/// # Errors
/// The store's.
pub async fn of(session: &mut Session, resource_id: &str) -> Result<Vec<String>, StoreError> {
    let rows = session.rows(OF, values![resource_id]).await?;
    rows.into_iter().map(|row| row.columns().text()).collect()
}

/// The query behind [`of`], for batches.
pub const OF: &str = "SELECT tag FROM tags WHERE resource_id = $1 ORDER BY tag";

/// The tags of several resources, each in order; resources without any are absent.
///
/// # Errors
/// The store's.
pub async fn of_many(
    session: &mut Session,
    resource_ids: impl IntoIterator<Item = Value>,
) -> Result<HashMap<String, Vec<String>>, StoreError> {
    let ids: Vec<Value> = resource_ids.into_iter().collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut select = Select::new("resource_id, tag", "tags");
    select.one_of("resource_id", ids);
    select.order_by("resource_id", false).order_by("tag", false);
    let (sql, values) = select.build();
    let mut tags: HashMap<String, Vec<String>> = HashMap::new();
    for row in session.rows(&sql, values).await? {
        let mut columns = row.columns();
        tags.entry(columns.text()?).or_default().push(columns.text()?);
    }
    Ok(tags)
}
