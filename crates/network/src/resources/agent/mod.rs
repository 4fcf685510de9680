//! Agents: what runs on a host for the Network API, and what each of them serves.
//!
//! Agents register themselves by their session with the feed (`crate::feed`). A
//! client may switch one off (it then gets no new work), describe it, remove it, and
//! put networks on DHCP agents ([`dhcp_networks`]) and routers on L3 agents
//! ([`l3_routers`]).

mod dhcp_networks;
mod handlers;
mod l3_routers;
pub mod model;
mod policy;
mod store;
mod view;

#[cfg(test)]
mod tests;

use isospin_api_kit::attribute::{Absent, Attribute, Check, Filter, Form, ResourceType};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use crate::resources::registration::Resource;
use crate::routes::{Route, Routes, Verb};

use policy::POLICY;

/// An agent on the wire (reference/network-api-core §10).
pub const TYPE: ResourceType =
    ResourceType { name: "agent", collection: "agents", attributes: &[ATTRIBUTES] };

const ATTRIBUTES: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).column("id").alias("agent"),
    Attribute::read_only("agent_type", Check::Text(255))
        .filter(Filter::Own)
        .sort("agent_type")
        .alias("agent"),
    Attribute::read_only("binary", Check::Text(255)).column("\"binary\"").alias("agent"),
    Attribute::read_only("topic", Check::Text(255)).column("topic").alias("agent"),
    Attribute::read_only("host", Check::Text(255)).column("host").alias("agent"),
    changeable("admin_state_up", Check::Bool).column("admin_state_up").alias("agent"),
    Attribute::read_only("created_at", Check::Text(32)).sort("created_at").alias("agent"),
    Attribute::read_only("started_at", Check::Text(32)).sort("started_at").alias("agent"),
    Attribute::read_only("heartbeat_timestamp", Check::Text(32)).sort("heartbeat_timestamp").alias("agent"),
    changeable("description", Check::Text(255)).or_null().column("description").alias("agent"),
    Attribute::read_only("resources_synced", Check::Bool).alias("agent"),
    Attribute::read_only("availability_zone", Check::Text(255))
        .filter(Filter::Column("availability_zone"))
        .alias("availability_zone"),
    // Computed from the last heartbeat, and sorted by it.
    Attribute::read_only("alive", Check::Bool).filter(Filter::Own).sort("heartbeat_timestamp").alias("agent"),
    // Only among the agents of a router.
    Attribute::read_only("ha_state", Check::Text(16)).alias("l3_agent_scheduler"),
    Attribute::read_only("configurations", Check::Object).form(Form::Map(&Form::Plain)).alias("agent"),
];

/// Agents register themselves: there is no POST.
const fn changeable(name: &'static str, check: Check) -> Attribute {
    let mut attribute = Attribute::settable(name, check, Absent::Unset);
    attribute.post = false;
    attribute
}

/// Where agents are stored.
pub const TABLE: Table = Table { name: "agents", id: "id", tags: "" };

/// What agents bring to the extension list.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "agent",
        name: "agent",
        description: "The agent management extension.",
        updated: "2013-02-03T10:00:00-00:00",
    },
    Extension {
        alias: "agent_sort_key",
        name: "Agents Sort Key",
        description: "Enabling the keyword sort_key for sorting in agents.",
        updated: "2013-02-03T10:00:00-00:00",
    },
    Extension {
        alias: "dhcp_agent_scheduler",
        name: "DHCP Agent Scheduler",
        description: "Schedule networks among dhcp agents",
        updated: "2013-02-07T10:00:00-00:00",
    },
    Extension {
        alias: "l3_agent_scheduler",
        name: "L3 Agent Scheduler",
        description: "Schedule routers among l3 agents",
        updated: "2013-02-07T10:00:00-00:00",
    },
];

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, routes).extensions(EXTENSIONS);

/// The URLs of agents, and of what they serve.
fn routes() -> Routes {
    let agents = Routes::of(TYPE, "/v2.0/agents")
        .list(handlers::list)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete);
    let item = "/v2.0/agents/{id}/dhcp_networks/{network_id}";
    let networks = Routes::new()
        .add(networks(Verb::Get, "get_dhcp-networks").gives(NETWORKS), dhcp_networks::list)
        .add(networks(Verb::Post, "create_dhcp-network").takes(NETWORK).gives(Form::Null), dhcp_networks::add)
        .add(Route::ruled(Verb::Delete, item, "delete_dhcp-network"), dhcp_networks::remove)
        .add(agents_of("/v2.0/networks/{id}/dhcp_agents", "get_dhcp-agents"), dhcp_networks::agents);
    let item = "/v2.0/agents/{id}/l3_routers/{router_id}";
    let routers = Routes::new()
        .add(routers(Verb::Get, "get_l3-routers").gives(ROUTERS), l3_routers::list)
        .add(routers(Verb::Post, "create_l3-router").takes(ROUTER).gives(Form::Null), l3_routers::add)
        .add(Route::ruled(Verb::Delete, item, "delete_l3-router"), l3_routers::remove)
        .add(agents_of("/v2.0/routers/{id}/l3_agents", "get_l3-agents"), l3_routers::agents);
    Routes::from(agents).merge(networks).merge(routers)
}

const NETWORK: Form = Form::Whole(&[("network_id", Form::Uuid)]);
const NETWORKS: Form = Form::Whole(&[("networks", Form::List(&Form::Resource("network")))]);
const ROUTER: Form = Form::Whole(&[("router_id", Form::Uuid)]);
const ROUTERS: Form = Form::Whole(&[("routers", Form::List(&Form::Resource("router")))]);
const AGENTS: Form = Form::Whole(&[("agents", Form::List(&Form::Resource("agent")))]);

fn networks(verb: Verb, action: &str) -> Route {
    Route::ruled(verb, "/v2.0/agents/{id}/dhcp_networks", action)
}

fn routers(verb: Verb, action: &str) -> Route {
    Route::ruled(verb, "/v2.0/agents/{id}/l3_routers", action)
}

fn agents_of(path: &str, action: &str) -> Route {
    Route::ruled(Verb::Get, path, action).gives(AGENTS)
}
