//! SQL for service profiles.

use isospin_api_kit::Fault;
use isospin_api_kit::list::ListQuery;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Tx, values};
use isospin_types::ServiceProfileId;

use super::model::ServiceProfile;
use super::{TABLE, not_found};
use crate::{blockers, page};

const SELECTED: &str = "service_profiles.id, service_profiles.description, service_profiles.driver, \
                        service_profiles.metainfo, service_profiles.enabled";

fn read(row: Row) -> Result<ServiceProfile, StoreError> {
    let mut columns = row.columns();
    Ok(ServiceProfile {
        id: columns.parse()?,
        description: columns.text()?,
        driver: columns.text()?,
        metainfo: columns.text()?,
        enabled: columns.flag()?,
    })
}

/// The profile of this id.
///
/// # Errors
/// The store's.
pub async fn get(session: &mut Session, id: ServiceProfileId) -> Result<Option<ServiceProfile>, StoreError> {
    let mut select = Select::new(SELECTED, "service_profiles");
    select.one_of("service_profiles.id", values![id]);
    let (sql, values) = select.build();
    session.row(&sql, values).await?.map(read).transpose()
}

/// One page of profiles.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(session: &mut Session, query: &ListQuery) -> Result<Vec<ServiceProfile>, Fault> {
    let select = Select::new(SELECTED, "service_profiles");
    let rows = page::rows(session, query, &TABLE, select, |marker| not_found(marker)).await?;
    Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
}

/// Stores a new profile.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, new: &ServiceProfile) -> Result<(), StoreError> {
    tx.execute_later(
        "INSERT INTO service_profiles (id, description, driver, metainfo, enabled) VALUES ($1, $2, $3, $4, $5)",
        values![new.id, &new.description, &new.driver, &new.metainfo, new.enabled],
    )
    .await?;
    Ok(())
}

/// Stores a changed profile.
///
/// # Errors
/// The store's.
pub async fn save(tx: &mut Tx, changed: &ServiceProfile) -> Result<(), StoreError> {
    tx.execute_later(
        "UPDATE service_profiles SET description = $1, driver = $2, metainfo = $3, enabled = $4 WHERE id = $5",
        values![&changed.description, &changed.driver, &changed.metainfo, changed.enabled, changed.id],
    )
    .await?;
    Ok(())
}

/// Removes a profile no flavor has.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, id: ServiceProfileId) -> Result<(), StoreError> {
    tx.execute_later("DELETE FROM service_profiles WHERE id = $1", values![id]).await?;
    Ok(())
}

/// Some flavors with the profile.
///
/// # Errors
/// The store's.
pub async fn flavors(session: &mut Session, id: ServiceProfileId) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT flavor_id FROM flavor_profiles WHERE profile_id = $1 ORDER BY flavor_id";
    blockers::named(session, sql, values![id]).await
}
