//! SQL for agents: rows, and counts of what each host serves in a constant number of
//! queries.

use std::collections::{BTreeMap, BTreeSet};

use isospin_api_kit::Fault;
use isospin_api_kit::list::ListQuery;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Tx, Value, values};
use isospin_types::{AgentId, NetworkId, RouterId};

use super::TABLE;
use super::handlers::not_found;
use super::model::{Agent, Load};
use crate::page;

const COLUMNS: &str = "agents.id, agents.agent_type, agents.\"binary\", agents.topic, agents.host, \
     agents.admin_state_up, agents.created_at, agents.started_at, agents.heartbeat_timestamp, agents.description, \
     agents.availability_zone, agents.configurations, agents.mechanism";

fn read(row: Row) -> Result<Agent, StoreError> {
    let mut columns = row.columns();
    Ok(Agent {
        id: columns.parse()?,
        agent_type: columns.text()?,
        binary: columns.text()?,
        topic: columns.text()?,
        host: columns.text()?,
        admin_state_up: columns.flag()?,
        created_at: columns.text()?,
        started_at: columns.text()?,
        heartbeat_timestamp: columns.text()?,
        // "" is none.
        description: columns.opt_text()?.filter(|text| !text.is_empty()),
        availability_zone: columns.text()?,
        // Written by an agent: what is no object shows as none.
        configurations: serde_json::from_str(&columns.text()?).unwrap_or_default(),
        mechanism: columns.text()?,
    })
}

/// The agent of this id.
///
/// # Errors
/// The store's.
pub async fn get(session: &mut Session, id: AgentId) -> Result<Option<Agent>, StoreError> {
    let mut select = Select::new(COLUMNS, TABLE.name);
    select.one_of("agents.id", values![id]);
    let (sql, values) = select.build();
    session.row(&sql, values).await?.map(read).transpose()
}

/// One page of agents. `alive` keeps those heard of since the time, or not since.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    query: &ListQuery,
    alive: Option<bool>,
    alive_since: &str,
) -> Result<Vec<Agent>, Fault> {
    let mut select = Select::new(COLUMNS, TABLE.name);
    if let Some(alive) = alive {
        let since = select.bind(alive_since);
        let sign = if alive { ">=" } else { "<" };
        select.condition(format!("agents.heartbeat_timestamp {sign} {since}"));
    }
    for (_, wanted) in query.own.iter().filter(|(attribute, _)| *attribute == "agent_type") {
        // Clients write "DHCP Agent" too: the database Neutron mostly runs on compares so.
        let types = wanted.iter().map(|kind| kind.to_lowercase().into()).collect();
        select.one_of("LOWER(agents.agent_type)", types);
    }
    let rows = page::rows(session, query, &TABLE, select, |marker| not_found(marker)).await?;
    Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
}

/// DHCP agents that serve the network.
///
/// # Errors
/// The store's.
pub async fn serving_network(session: &mut Session, id: NetworkId) -> Result<Vec<Agent>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM dhcp_bindings JOIN agents ON agents.host = dhcp_bindings.host \
         AND agents.agent_type = 'DHCP agent' WHERE dhcp_bindings.network_id = $1 ORDER BY agents.host"
    );
    session.rows(&sql, values![id]).await?.into_iter().map(read).collect()
}

/// The L3 agent that carries the router.
///
/// # Errors
/// The store's.
pub async fn carrying_router(session: &mut Session, id: RouterId) -> Result<Vec<Agent>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM routers JOIN agents ON agents.host = routers.host \
         AND agents.agent_type = 'L3 agent' WHERE routers.id = $1"
    );
    session.rows(&sql, values![id]).await?.into_iter().map(read).collect()
}

/// The L3 agent of a host.
///
/// # Errors
/// The store's.
pub async fn l3_of_host(session: &mut Session, host: &str) -> Result<Option<AgentId>, StoreError> {
    let sql = "SELECT id FROM agents WHERE host = $1 AND agent_type = 'L3 agent'";
    session.row(sql, values![host]).await?.map(|row| row.columns().parse()).transpose()
}

/// Networks the host serves DHCP for.
///
/// # Errors
/// The store's.
pub async fn networks_of(session: &mut Session, host: &str) -> Result<Vec<String>, StoreError> {
    ids(session, "SELECT network_id FROM dhcp_bindings WHERE host = $1 ORDER BY network_id", host).await
}

/// Routers the host carries.
///
/// # Errors
/// The store's.
pub async fn routers_of(session: &mut Session, host: &str) -> Result<Vec<String>, StoreError> {
    ids(session, "SELECT id FROM routers WHERE host = $1 ORDER BY id", host).await
}

async fn ids(session: &mut Session, sql: &str, host: &str) -> Result<Vec<String>, StoreError> {
    session.rows(sql, values![host]).await?.into_iter().map(|row| row.columns().text()).collect()
}

/// What the agents of these hosts serve; hosts that serve nothing are absent.
///
/// # Errors
/// The store's.
pub async fn loads(session: &mut Session, agents: &[Agent]) -> Result<BTreeMap<String, Load>, StoreError> {
    let hosts: BTreeSet<&str> = agents.iter().map(|agent| agent.host.as_str()).collect();
    let mut loads: BTreeMap<String, Load> = BTreeMap::new();
    if hosts.is_empty() {
        return Ok(loads);
    }
    let counted: Vec<(String, Vec<Value>)> = COUNTS
        .iter()
        .map(|count| {
            let mut select = Select::new(&format!("{}, {}", count.host, count.what), count.from);
            select.one_of(count.host, hosts.iter().copied().map(Value::from).collect());
            let (sql, values) = select.build();
            (format!("{sql}{} GROUP BY {}", count.only, count.host), values)
        })
        .collect();
    let queries = counted.iter().map(|(sql, values)| (sql.as_str(), values.clone())).collect();
    let answers = session.rows_many(queries).await?;
    for (count, rows) in COUNTS.iter().zip(answers) {
        for row in rows {
            let mut columns = row.columns();
            let load = loads.entry(columns.text()?).or_default();
            (count.put)(load, columns.int()?);
        }
    }
    Ok(loads)
}

/// A count by host.
struct Count {
    host: &'static str,
    what: &'static str,
    from: &'static str,
    /// A further condition.
    only: &'static str,
    put: fn(&mut Load, i64),
}

const COUNTS: &[Count] = &[
    Count {
        host: "binding_host",
        what: "COUNT(*)",
        from: "ports",
        only: " AND status = 'ACTIVE'",
        put: |load, count| load.devices = count,
    },
    Count {
        host: "host",
        what: "COUNT(*)",
        from: "dhcp_bindings",
        only: "",
        put: |load, count| load.networks = count,
    },
    Count {
        host: "b.host",
        what: "COUNT(*)",
        from: "dhcp_bindings b JOIN subnets s ON s.network_id = b.network_id",
        only: " AND s.enable_dhcp",
        put: |load, count| load.subnets = count,
    },
    Count {
        host: "b.host",
        what: "COUNT(*)",
        from: "dhcp_bindings b JOIN ports p ON p.network_id = b.network_id",
        only: "",
        put: |load, count| load.ports = count,
    },
    Count {
        host: "host",
        what: "COUNT(*)",
        from: "routers",
        only: "",
        put: |load, count| load.routers = count,
    },
    Count {
        host: "host",
        what: "COUNT(gateway_port_id)",
        from: "routers",
        only: "",
        put: |load, count| load.gateways = count,
    },
    Count {
        host: "r.host",
        what: "COUNT(DISTINCT i.port_id)",
        from: "routers r JOIN router_interfaces i ON i.router_id = r.id",
        only: "",
        put: |load, count| load.interfaces = count,
    },
    Count {
        host: "r.host",
        what: "COUNT(*)",
        from: "routers r JOIN floating_ips f ON f.router_id = r.id",
        only: "",
        put: |load, count| load.floating_ips = count,
    },
];

/// Stores what a client may change.
///
/// # Errors
/// The store's.
pub async fn update(tx: &mut Tx, agent: &Agent) -> Result<(), StoreError> {
    tx.execute_later(
        "UPDATE agents SET admin_state_up = $1, description = $2 WHERE id = $3",
        values![agent.admin_state_up, agent.description.as_deref().unwrap_or(""), agent.id],
    )
    .await?;
    Ok(())
}

/// Removes the row of an agent.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, id: AgentId) -> Result<(), StoreError> {
    tx.execute_later("DELETE FROM agents WHERE id = $1", values![id]).await?;
    Ok(())
}
