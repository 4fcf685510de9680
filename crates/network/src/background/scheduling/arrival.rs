//! What waits for an agent goes to the host that has just registered.
//!
//! Each object is given in a unit of its own: one that cannot be served (a network
//! without a free address for its DHCP port) holds up neither the host nor the
//! objects of others (N05). What fails is tried again with the next arrival.

use futures::stream::{self, StreamExt as _};
use isospin_api_kit::Fault;
use isospin_store_kit::{StoreError, values};
use isospin_types::{NetworkId, PortId};
use tracing::warn;

use super::{dhcp, ensure_dhcp, routers};
use crate::App;
use crate::resources::port;

/// Units asked for at a time; the store takes those that wait into one commit.
const TOGETHER: usize = 32;

/// Gives the agents on the host what nobody serves, and tries again the bindings of
/// ports that failed while none of its agents was alive. Failures are logged.
pub async fn host_arrived(app: &App, host: &str) {
    match unserved(app).await {
        Ok(networks) => {
            stream::iter(networks)
                .for_each_concurrent(TOGETHER, |network_id| async move {
                    if let Err(fault) = serve(app, network_id).await {
                        log(host, "network", network_id.to_string(), &fault);
                    }
                })
                .await;
        }
        Err(error) => log(host, "network", String::new(), &error.into()),
    }
    if let Err(fault) = carry(app, host).await {
        log(host, "router", String::new(), &fault);
    }
    match failed_bindings(app, host).await {
        Ok(ports) => {
            stream::iter(ports)
                .for_each_concurrent(TOGETHER, |port_id| async move {
                    if let Err(fault) = bind(app, port_id, host).await {
                        log(host, "port", port_id.to_string(), &fault);
                    }
                })
                .await;
        }
        Err(error) => log(host, "port", String::new(), &error.into()),
    }
}

fn log(host: &str, what: &str, id: String, fault: &Fault) {
    warn!(host, what, id, %fault, cause = ?fault.cause, "work that waited for an agent could not be given to it");
}

async fn unserved(app: &App) -> Result<Vec<NetworkId>, StoreError> {
    let mut session = app.store.reader().await?;
    dhcp::unserved(&mut session).await
}

async fn serve(app: &App, network_id: NetworkId) -> Result<(), Fault> {
    let unit_app = app.clone();
    app.store.write("", move |tx| Box::pin(async move { ensure_dhcp(tx, &unit_app, network_id).await })).await
}

async fn carry(app: &App, host: &str) -> Result<(), Fault> {
    let (unit_app, host) = (app.clone(), host.to_owned());
    app.store
        .write("", move |tx| {
            Box::pin(async move {
                routers::schedule_unhosted(tx, &unit_app, &host).await?;
                Ok(())
            })
        })
        .await
}

async fn failed_bindings(app: &App, host: &str) -> Result<Vec<PortId>, StoreError> {
    let mut session = app.store.reader().await?;
    let sql = "SELECT id FROM ports WHERE binding_host = $1 AND binding_vif_type = $2 ORDER BY id";
    let rows = session.rows(sql, values![host, port::model::BINDING_FAILED]).await?;
    rows.into_iter().map(|row| row.columns().parse()).collect()
}

/// Binds the port where it wants to be; one that still cannot be stays as it is.
async fn bind(app: &App, port_id: PortId, host: &str) -> Result<(), Fault> {
    let (unit_app, host) = (app.clone(), host.to_owned());
    app.store
        .write("", move |tx| {
            Box::pin(async move {
                match port::store::get(tx, port_id).await?.filter(|port| port.binding.host == host) {
                    Some(mut port) => port::store::bind(tx, &unit_app, &mut port, &host).await,
                    None => Ok(()),
                }
            })
        })
        .await
}
