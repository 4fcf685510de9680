//! What an agent is inside the server.

use isospin_types::AgentId;
use serde_json::{Map, Value};

/// An agent of a host. Times are UTC text, `YYYY-MM-DD HH:MM:SS`.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    pub id: AgentId,
    pub agent_type: String,
    pub binary: String,
    pub topic: String,
    pub host: String,
    pub admin_state_up: bool,
    pub created_at: String,
    pub started_at: String,
    pub heartbeat_timestamp: String,
    pub description: Option<String>,
    /// "" for agents that have none.
    pub availability_zone: String,
    /// What the agent says of itself.
    pub configurations: Map<String, Value>,
    /// Other than "" for agents that wire ports.
    pub mechanism: String,
}

/// How much the agents of one host serve.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Load {
    /// Ports wired.
    pub devices: i64,
    /// Of the DHCP agent: networks, their subnets with DHCP, their ports.
    pub networks: i64,
    pub subnets: i64,
    pub ports: i64,
    /// Of the L3 agent.
    pub routers: i64,
    pub gateways: i64,
    pub interfaces: i64,
    pub floating_ips: i64,
}
