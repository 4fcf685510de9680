//! SQL for flavors: a constant number of queries.

use std::collections::HashMap;

use isospin_api_kit::Fault;
use isospin_api_kit::list::ListQuery;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Tx, Value, values};
use isospin_types::{FlavorId, ServiceProfileId};

use super::model::Flavor;
use super::{TABLE, not_found};
use crate::{blockers, page};

const SELECTED: &str = "flavors.id, flavors.name, flavors.description, flavors.service_type, flavors.enabled";

fn read(row: Row) -> Result<Flavor, StoreError> {
    let mut columns = row.columns();
    Ok(Flavor {
        id: columns.parse()?,
        name: columns.text()?,
        description: columns.text()?,
        service_type: columns.text()?,
        enabled: columns.flag()?,
        profiles: Vec::new(),
    })
}

async fn with_profiles(session: &mut Session, rows: Vec<Row>) -> Result<Vec<Flavor>, StoreError> {
    let mut flavors = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<Value> = flavors.iter().map(|flavor| Value::from(flavor.id)).collect();
    let mut profiles: HashMap<FlavorId, Vec<ServiceProfileId>> = HashMap::new();
    for batch in ids.chunks(page::BATCH) {
        let mut select = Select::new("flavor_id, profile_id", "flavor_profiles");
        select.one_of("flavor_id", batch.to_vec());
        select.order_by("ordinal", false);
        let (sql, values) = select.build();
        for row in session.rows(&sql, values).await? {
            let mut columns = row.columns();
            profiles.entry(columns.parse()?).or_default().push(columns.parse()?);
        }
    }
    for flavor in &mut flavors {
        flavor.profiles = profiles.remove(&flavor.id).unwrap_or_default();
    }
    Ok(flavors)
}

/// The flavor of this id.
///
/// # Errors
/// The store's.
pub async fn get(session: &mut Session, id: FlavorId) -> Result<Option<Flavor>, StoreError> {
    let mut select = Select::new(SELECTED, "flavors");
    select.one_of("flavors.id", values![id]);
    let (sql, values) = select.build();
    let rows = session.rows(&sql, values).await?;
    Ok(with_profiles(session, rows).await?.pop())
}

/// One page of flavors.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(session: &mut Session, query: &ListQuery) -> Result<Vec<Flavor>, Fault> {
    let select = Select::new(SELECTED, "flavors");
    let rows = page::rows(session, query, &TABLE, select, |marker| not_found(marker)).await?;
    Ok(with_profiles(session, rows).await?)
}

/// Stores a new flavor with its profiles.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, new: &Flavor) -> Result<(), StoreError> {
    tx.execute_later(
        "INSERT INTO flavors (id, name, description, service_type, enabled) VALUES ($1, $2, $3, $4, $5)",
        values![new.id, &new.name, &new.description, &new.service_type, new.enabled],
    )
    .await?;
    set_profiles(tx, new).await
}

/// Stores a changed flavor with its profiles.
///
/// # Errors
/// The store's.
pub async fn save(tx: &mut Tx, changed: &Flavor) -> Result<(), StoreError> {
    tx.execute_later(
        "UPDATE flavors SET name = $1, description = $2, enabled = $3 WHERE id = $4",
        values![&changed.name, &changed.description, changed.enabled, changed.id],
    )
    .await?;
    set_profiles(tx, changed).await
}

async fn set_profiles(tx: &mut Tx, flavor: &Flavor) -> Result<(), StoreError> {
    let mut statements = vec![("DELETE FROM flavor_profiles WHERE flavor_id = $1", values![flavor.id])];
    for (ordinal, profile) in flavor.profiles.iter().enumerate() {
        statements.push((
            "INSERT INTO flavor_profiles (flavor_id, profile_id, ordinal) VALUES ($1, $2, $3)",
            values![flavor.id, *profile, i64::try_from(ordinal).unwrap_or(i64::MAX)],
        ));
    }
    tx.execute_many_later(statements).await?;
    Ok(())
}

/// Removes a flavor nothing names; its bindings go with it.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, id: FlavorId) -> Result<(), StoreError> {
    tx.execute_later("DELETE FROM flavors WHERE id = $1", values![id]).await?;
    Ok(())
}

/// Some routers of the flavor.
///
/// # Errors
/// The store's.
pub async fn routers(session: &mut Session, id: FlavorId) -> Result<Vec<String>, StoreError> {
    blockers::named(session, "SELECT id FROM routers WHERE flavor_id = $1 ORDER BY id", values![id]).await
}

/// The first of these profiles that is not there.
///
/// # Errors
/// The store's.
pub async fn missing_profile(
    session: &mut Session,
    profiles: &[ServiceProfileId],
) -> Result<Option<ServiceProfileId>, StoreError> {
    let mut found = Vec::with_capacity(profiles.len());
    for batch in profiles.chunks(page::BATCH) {
        let mut select = Select::new("id", "service_profiles");
        select.one_of("id", batch.iter().map(|id| Value::from(*id)).collect());
        let (sql, values) = select.build();
        for row in session.rows(&sql, values).await? {
            found.push(row.columns().parse::<ServiceProfileId>()?);
        }
    }
    Ok(profiles.iter().find(|id| !found.contains(id)).copied())
}
