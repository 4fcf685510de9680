//! Agents as rows: registered by Hello, kept alive by [`super::heartbeats`].

use isospin_feed::proto::Hello;
use isospin_store_kit::{ChangeKind, Session, StoreError, Tx, values};
use isospin_types::AgentId;
use serde_json::json;

use crate::App;
use crate::background::scheduling::agents;
use crate::drivers::DRIVERS;

/// Seconds between heartbeats agents are asked for.
pub const HEARTBEAT_INTERVAL: u32 = 30;

/// Form of the times of agents: UTC, to the second.
pub(super) const TIME: &str = "%Y-%m-%d %H:%M:%S";

/// How a role is shown in `network agent list` (reference/agents-and-dataplane §9).
#[derive(Clone, Copy)]
struct Shown {
    role: &'static str,
    agent_type: &'static str,
    binary: &'static str,
    topic: &'static str,
}

impl Shown {
    /// Whether the zone of the agent decides what it serves.
    fn is_zoned(&self) -> bool {
        matches!(self.role, "l3" | "dhcp")
    }
}

/// The roles that are the same on every host.
const SHOWN: [Shown; 3] = [
    Shown { role: "l3", agent_type: agents::L3, binary: "neutron-l3-agent", topic: "l3_agent" },
    Shown { role: "dhcp", agent_type: agents::DHCP, binary: "neutron-dhcp-agent", topic: "dhcp_agent" },
    Shown { role: "metadata", agent_type: "Metadata agent", binary: "neutron-metadata-agent", topic: "N/A" },
];

/// The role of wiring ports, by the driver of the host; `None` when no driver has its name.
fn wiring(mechanism: &str) -> Option<Shown> {
    let driver = DRIVERS.iter().find(|driver| driver.name == mechanism)?;
    Some(Shown { role: "l2", agent_type: driver.agent_type, binary: driver.binary, topic: "N/A" })
}

/// The agents of a connected host.
#[derive(Debug, Clone)]
pub(super) struct Registered {
    pub host: String,
    pub agent_types: Vec<&'static str>,
}

/// Registers the agents of a host. Others are told only of what concerns them: the
/// address of its tunnels, when that is a new one.
///
/// # Errors
/// The store's.
pub(super) async fn register(app: &App, hello: Hello) -> Result<Registered, StoreError> {
    let default_zone = app.settings.default_availability_zone.clone();
    let plays = |shown: &Shown| hello.roles.iter().any(|role| role == shown.role);
    let shown: Vec<Shown> = wiring(&hello.mechanism).into_iter().chain(SHOWN).filter(plays).collect();
    let agent_types = shown.iter().map(|shown| shown.agent_type).collect();
    let host = hello.host.clone();
    app.store
        .write("", move |tx| {
            Box::pin(async move {
                let before = tunnel_ip(tx, &hello.host).await?;
                for shown in shown {
                    upsert(tx, &hello, &shown, &default_zone).await?;
                }
                if before != tunnel_ip(tx, &hello.host).await? {
                    tx.record("agent", ChangeKind::Set, &hello.host);
                }
                Ok::<_, StoreError>(())
            })
        })
        .await?;
    Ok(Registered { host, agent_types })
}

async fn tunnel_ip(session: &mut Session, host: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT tunnel_ip FROM agents WHERE host = $1 AND tunnel_ip <> ''";
    session.row(sql, values![host]).await?.map(|row| row.columns().text()).transpose()
}

async fn upsert(tx: &mut Tx, hello: &Hello, shown: &Shown, default_zone: &str) -> Result<(), StoreError> {
    let now = jiff::Timestamp::now();
    let started = jiff::Timestamp::from_second(hello.started_at).unwrap_or(now);
    let (now, started) = (now.strftime(TIME).to_string(), started.strftime(TIME).to_string());
    let zone = match (shown.is_zoned(), hello.availability_zone.as_str()) {
        (false, _) => "",
        (true, "") => default_zone,
        (true, zone) => zone,
    };
    let configurations = configurations(hello, shown.role);
    let is_l2 = shown.role == "l2";
    let (mechanism, tunnel_ip) = if is_l2 { (&*hello.mechanism, &*hello.tunnel_ip) } else { ("", "") };
    tx.execute_later(
        "INSERT INTO agents (id, agent_type, \"binary\", topic, host, admin_state_up, description, \
         availability_zone, configurations, mechanism, tunnel_ip, created_at, started_at, heartbeat_timestamp) \
         VALUES ($1, $2, $3, $4, $5, TRUE, '', $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (host, agent_type) DO UPDATE SET \"binary\" = excluded.\"binary\", \
         availability_zone = excluded.availability_zone, configurations = excluded.configurations, \
         mechanism = excluded.mechanism, tunnel_ip = excluded.tunnel_ip, started_at = excluded.started_at, \
         heartbeat_timestamp = excluded.heartbeat_timestamp",
        values![
            AgentId::random(),
            shown.agent_type,
            shown.binary,
            shown.topic,
            &hello.host,
            zone,
            configurations,
            mechanism,
            tunnel_ip,
            &now,
            started,
            &now,
        ],
    )
    .await?;
    Ok(())
}

/// The agent's own words for the role, with what ports are bound by always present.
fn configurations(hello: &Hello, role: &str) -> String {
    let mut shown = hello
        .configurations
        .get(role)
        .and_then(|text| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).ok())
        .unwrap_or_default();
    if role == "l2" {
        shown.entry("bridge_mappings").or_insert_with(|| json!(hello.bridge_mappings));
        shown.entry("tunneling_ip").or_insert_with(|| json!(hello.tunnel_ip));
        shown.entry("tunnel_types").or_insert_with(|| json!(["vxlan"]));
    }
    serde_json::Value::Object(shown).to_string()
}
