//! Writing floating IPs, and telling the agents of their routers.

use isospin_api_kit::{Fault, FaultType, now_seconds};
use isospin_store_kit::{ChangeKind, StoreError, Tx, values};
use isospin_types::{FloatingIpId, PortId};

use super::super::model::FloatingIp;
use crate::background::nova::outbox::{self, Event};
use crate::resources::qos_policy::bindings::Holder;
use crate::resources::tag;

/// Stores a new floating IP. False when another one leads to its fixed address already.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, floating_ip: &FloatingIp) -> Result<bool, StoreError> {
    let to = floating_ip.association.as_ref();
    let count = tx
        .execute(
            "INSERT INTO floating_ips (id, project_id, description, floating_network_id, floating_ip_address, \
             floating_port_id, port_id, fixed_ip_address, router_id, status, dns_name, dns_domain, created_at, \
             updated_at, revision_number) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, \
             $15) ON CONFLICT (port_id, fixed_ip_address, floating_network_id) DO NOTHING",
            values![
                floating_ip.id,
                &floating_ip.project_id,
                &floating_ip.description,
                floating_ip.floating_network_id,
                floating_ip.floating_ip_address,
                floating_ip.floating_port_id,
                to.map(|to| to.port_id),
                to.map(|to| to.fixed_ip_address),
                floating_ip.router_id(),
                floating_ip.status.as_str(),
                &floating_ip.dns_name,
                &floating_ip.dns_domain,
                &floating_ip.created_at,
                &floating_ip.updated_at,
                floating_ip.revision_number,
            ],
        )
        .await?;
    if count > 0 && floating_ip.qos_policy_id.is_some() {
        let (sql, values) = Holder::FloatingIp.statement(floating_ip.id, floating_ip.qos_policy_id);
        tx.execute_later(sql, values).await?;
    }
    if count > 0 {
        tell_nova(tx, [None, to.map(|to| to.port_id)]).await?;
    }
    tx.record_in("floating_ip", ChangeKind::Set, floating_ip.id, scope(floating_ip));
    Ok(count > 0)
}

/// Stores a changed floating IP: one revision on. `before` is what was stored.
///
/// # Errors
/// The store's.
pub async fn save(tx: &mut Tx, before: &FloatingIp, floating_ip: &mut FloatingIp) -> Result<(), StoreError> {
    floating_ip.revision_number = before.revision_number + 1;
    floating_ip.updated_at = now_seconds();
    let to = floating_ip.association.as_ref();
    tx.execute_later(
        "UPDATE floating_ips SET description = $1, port_id = $2, fixed_ip_address = $3, router_id = $4, \
         status = $5, updated_at = $6, revision_number = $7 WHERE id = $8",
        values![
            &floating_ip.description,
            to.map(|to| to.port_id),
            to.map(|to| to.fixed_ip_address),
            floating_ip.router_id(),
            floating_ip.status.as_str(),
            &floating_ip.updated_at,
            floating_ip.revision_number,
            floating_ip.id,
        ],
    )
    .await?;
    if floating_ip.qos_policy_id != before.qos_policy_id {
        let (sql, values) = Holder::FloatingIp.statement(floating_ip.id, floating_ip.qos_policy_id);
        tx.execute_later(sql, values).await?;
    }
    tell_nova(tx, [before.association.as_ref().map(|from| from.port_id), to.map(|to| to.port_id)]).await?;
    // The agent of the router it led through before must hear of it too.
    tx.record_in("floating_ip", ChangeKind::Set, floating_ip.id, scope(before));
    tx.record_in("floating_ip", ChangeKind::Set, floating_ip.id, scope(floating_ip));
    Ok(())
}

/// Removes a floating IP; its hidden port is the caller's to delete afterwards.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, floating_ip: &FloatingIp) -> Result<(), StoreError> {
    tx.execute_many_later(vec![
        (tag::store::FORGET, values![floating_ip.id]),
        ("DELETE FROM floating_ips WHERE id = $1", values![floating_ip.id]),
    ])
    .await?;
    tell_nova(tx, [floating_ip.association.as_ref().map(|from| from.port_id), None]).await?;
    tx.record_in("floating_ip", ChangeKind::Deleted, floating_ip.id, scope(floating_ip));
    Ok(())
}

/// An instance a floating IP leads to, or led to, is another for Nova.
async fn tell_nova(tx: &mut Tx, [from, to]: [Option<PortId>; 2]) -> Result<(), StoreError> {
    if let Some(port_id) = from.filter(|_| from != to) {
        outbox::note(tx, Event::Changed, port_id).await?;
    }
    if let Some(port_id) = to {
        outbox::note(tx, Event::Changed, port_id).await?;
    }
    Ok(())
}

/// The router a change is told under; "" while there is none.
fn scope(floating_ip: &FloatingIp) -> String {
    floating_ip.router_id().map(|id| id.to_string()).unwrap_or_default()
}

/// Parts every floating IP from a port that is about to go. `caller_project` is
/// `None` for callers who may do so to anybody's.
///
/// # Errors
/// 409 `FipAssociated` when one belongs to another project than the caller's.
pub async fn disassociate_port(
    tx: &mut Tx,
    caller_project: Option<&str>,
    port_id: PortId,
) -> Result<(), Fault> {
    let sql = "SELECT id, project_id, router_id FROM floating_ips WHERE port_id = $1";
    let rows = tx.rows(sql, values![port_id]).await?;
    if rows.is_empty() {
        return Ok(());
    }
    for row in rows {
        let mut columns = row.columns();
        let (id, project) = (columns.parse::<FloatingIpId>()?, columns.text()?);
        if caller_project.is_some_and(|caller| caller != project) {
            return Err(Fault::new(
                FaultType::FipAssociated,
                format!(
                    "Unable to complete the operation on port \"{port_id}\" because the port still has an \
                     associated floating IP."
                ),
            )
            .blocked_by("floatingip", [id]));
        }
        let router = columns.opt_text()?.unwrap_or_default();
        tx.record_in("floating_ip", ChangeKind::Set, id, router);
    }
    tx.execute_later(
        "UPDATE floating_ips SET port_id = NULL, fixed_ip_address = NULL, router_id = NULL, status = 'DOWN', \
         updated_at = $1, revision_number = revision_number + 1 WHERE port_id = $2",
        values![now_seconds(), port_id],
    )
    .await?;
    Ok(())
}
