//! An agent as clients see it, in the key order of the reference's samples.

use isospin_api_kit::policy::{Policy, Target};
use isospin_api_kit::{Caller, view};
use serde_json::{Map, Value};

use super::TYPE;
use super::model::{Agent, Load};
use crate::background::scheduling::agents::{DHCP, L3};

/// The agent for this caller; `fields` empty means all. It is alive when its last
/// heartbeat is not older than `alive_since`.
pub fn agent(
    policy: &Policy,
    caller: &Caller,
    fields: &[String],
    alive_since: &str,
    agent: &Agent,
    load: &Load,
) -> Value {
    let object = object(alive_since, agent, load);
    view::project(&TYPE, policy, caller, &Target::new(), fields, object)
}

/// Every attribute of the agent.
pub fn object(alive_since: &str, agent: &Agent, load: &Load) -> Map<String, Value> {
    let zone = Some(agent.availability_zone.as_str()).filter(|zone| !zone.is_empty());
    let mut object = Map::with_capacity(16);
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("id", agent.id.to_string().into());
    put("agent_type", agent.agent_type.as_str().into());
    put("binary", agent.binary.as_str().into());
    put("topic", agent.topic.as_str().into());
    put("host", agent.host.as_str().into());
    put("admin_state_up", agent.admin_state_up.into());
    put("created_at", agent.created_at.as_str().into());
    put("started_at", agent.started_at.as_str().into());
    put("heartbeat_timestamp", agent.heartbeat_timestamp.as_str().into());
    put("description", agent.description.clone().into());
    // Agents are told everything they need by the feed; there is nothing apart to sync.
    put("resources_synced", Value::Null);
    put("availability_zone", zone.into());
    put("alive", (agent.heartbeat_timestamp.as_str() >= alive_since).into());
    put("configurations", configurations(agent, load).into());
    object
}

/// What the agent says of itself, and what it serves as counted here.
fn configurations(agent: &Agent, load: &Load) -> Map<String, Value> {
    let mut shown = agent.configurations.clone();
    let counts: &[(&str, i64)] = match agent.agent_type.as_str() {
        DHCP => &[("networks", load.networks), ("subnets", load.subnets), ("ports", load.ports)],
        L3 => &[
            ("routers", load.routers),
            ("ex_gw_ports", load.gateways),
            ("interfaces", load.interfaces),
            ("floating_ips", load.floating_ips),
        ],
        _ if !agent.mechanism.is_empty() => &[("devices", load.devices)],
        _ => &[],
    };
    for (name, count) in counts {
        shown.insert((*name).to_owned(), (*count).into());
    }
    shown
}
