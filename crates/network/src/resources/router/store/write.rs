//! Writing routers.

use isospin_api_kit::now_seconds;
use isospin_store_kit::{ChangeKind, StoreError, Tx, Value, values};
use isospin_types::RouterId;

use super::super::model::{Route, Router};
use crate::resources::qos_policy::bindings::Holder;
use crate::resources::tag;

/// Stores a new router.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, router: &Router) -> Result<(), StoreError> {
    tx.execute_later(
        "INSERT INTO routers (id, project_id, name, description, admin_state_up, status, enable_snat, \
         gateway_port_id, gateway_network_id, availability_zone_hints, host, created_at, updated_at, \
         revision_number, flavor_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        values![
            router.id,
            &router.project_id,
            &router.name,
            &router.description,
            router.admin_state_up,
            router.status.as_str(),
            router.enable_snat,
            router.gateway.map(|gateway| gateway.port_id),
            router.gateway.map(|gateway| gateway.network_id),
            Value::Text(serde_json::Value::from(router.availability_zone_hints.clone()).to_string()),
            &router.host,
            &router.created_at,
            &router.updated_at,
            router.revision_number,
            router.flavor_id,
        ],
    )
    .await?;
    if router.qos_policy_id.is_some() {
        set_policy(tx, router).await?;
    }
    tx.record("router", ChangeKind::Set, router.id);
    Ok(())
}

/// Stores what the gateway asks for.
///
/// # Errors
/// The store's.
pub async fn set_policy(tx: &mut Tx, router: &Router) -> Result<(), StoreError> {
    let (sql, values) = Holder::Router.statement(router.id, router.qos_policy_id);
    tx.execute_later(sql, values).await?;
    Ok(())
}

/// Stores a changed router, or one with a changed child: one revision on.
///
/// # Errors
/// The store's.
pub async fn save(tx: &mut Tx, router: &mut Router) -> Result<(), StoreError> {
    router.revision_number += 1;
    router.updated_at = now_seconds();
    tx.execute_later(
        "UPDATE routers SET name = $1, description = $2, admin_state_up = $3, enable_snat = $4, \
         gateway_port_id = $5, gateway_network_id = $6, host = $7, updated_at = $8, revision_number = $9 \
         WHERE id = $10",
        values![
            &router.name,
            &router.description,
            router.admin_state_up,
            router.enable_snat,
            router.gateway.map(|gateway| gateway.port_id),
            router.gateway.map(|gateway| gateway.network_id),
            &router.host,
            &router.updated_at,
            router.revision_number,
            router.id,
        ],
    )
    .await?;
    tx.record("router", ChangeKind::Set, router.id);
    Ok(())
}

/// Removes a router that has neither interfaces nor floating IPs, and its routes
/// and tags. Its gateway port is the caller's to delete afterwards.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, id: RouterId) -> Result<(), StoreError> {
    tx.execute_many_later(vec![
        (tag::store::FORGET, values![id]),
        ("DELETE FROM routers WHERE id = $1", values![id]),
    ])
    .await?;
    tx.record("router", ChangeKind::Deleted, id);
    Ok(())
}

/// Parts the router from its gateway port, so that the port can be deleted.
///
/// # Errors
/// The store's.
pub async fn part_from_gateway(tx: &mut Tx, id: RouterId) -> Result<(), StoreError> {
    tx.execute_later(
        "UPDATE routers SET gateway_port_id = NULL, gateway_network_id = NULL WHERE id = $1",
        values![id],
    )
    .await?;
    Ok(())
}

/// Replaces the routes of a router.
///
/// # Errors
/// The store's.
pub async fn set_routes(tx: &mut Tx, id: RouterId, routes: &[Route]) -> Result<(), StoreError> {
    let mut statements = vec![("DELETE FROM router_routes WHERE router_id = $1", values![id])];
    for (ordinal, route) in routes.iter().enumerate() {
        statements.push((
            "INSERT INTO router_routes (router_id, destination, nexthop, ordinal) VALUES ($1, $2, $3, $4)",
            values![
                id,
                route.destination.to_string(),
                route.nexthop,
                i64::try_from(ordinal).unwrap_or(i64::MAX)
            ],
        ));
    }
    tx.execute_many_later(statements).await?;
    Ok(())
}
