//! Availability zones: names agents give to where they are.
//!
//! A zone is there for networks when a DHCP agent is in it, for routers when an L3
//! agent is; it is available while one of them takes work.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::attribute::{Attribute, Check, Filter, ResourceType};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::http::{Context, keyed};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::{Rule, Target};
use isospin_api_kit::{Fault, view};
use isospin_store_kit::{Session, StoreError, values};
use serde_json::{Map, Value};

use crate::App;
use crate::background::scheduling::agents;
use crate::resources::registration::Resource;
use crate::routes::{Collection, Routes};

/// A zone on the wire (reference §13).
pub const TYPE: ResourceType = ResourceType {
    name: "availability_zone",
    collection: "availability_zones",
    attributes: &[&[
        Attribute::read_only("name", Check::Text(255)).filter(Filter::Own).alias("availability_zone"),
        Attribute::read_only("resource", Check::Text(16)).filter(Filter::Own).alias("availability_zone"),
        Attribute::read_only("state", Check::Text(16)).filter(Filter::Own).alias("availability_zone"),
    ]],
};

/// Default rules.
const POLICY: &[Rule] = &[Rule::new("get_availability_zone", "rule:admin_only or role:reader")];

/// What zones bring to the extension list.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "availability_zone",
        name: "Availability Zone",
        description: "The availability zone extension.",
        updated: "2015-01-01T10:00:00-00:00",
    },
    Extension {
        alias: "availability_zone_filter",
        name: "Availability Zone Filter Extension",
        description: "Add filter parameters to AvailabilityZone resource",
        updated: "2018-06-22T10:00:00-00:00",
    },
];

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS);

/// The URL of zones.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/availability-zones").list(list)
}

/// `GET /v2.0/availability_zones`
async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let caller = &context.caller;
    let target = Target::new();
    let shown = zones(&mut session)
        .await?
        .into_iter()
        .filter(|_| app.policy.allows("get_availability_zone", caller, &target))
        .filter(|zone| query.own.iter().all(|(name, wanted)| matches(zone, name, wanted)))
        .map(|zone| view::project(&TYPE, &app.policy, caller, &target, &query.fields, zone))
        .collect();
    Ok(keyed(StatusCode::OK, TYPE.collection, Value::Array(shown)))
}

fn matches(zone: &Map<String, Value>, name: &str, wanted: &[String]) -> bool {
    zone.get(name).and_then(Value::as_str).is_some_and(|value| wanted.iter().any(|one| one == value))
}

async fn zones(session: &mut Session) -> Result<Vec<Map<String, Value>>, StoreError> {
    let rows = session
        .rows(
            "SELECT availability_zone, agent_type, SUM(CASE WHEN admin_state_up THEN 1 ELSE 0 END) FROM agents \
             WHERE agent_type IN ($1, $2) GROUP BY agent_type, availability_zone \
             ORDER BY agent_type, availability_zone",
            values![agents::DHCP, agents::L3],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let mut columns = row.columns();
            let name = columns.text()?;
            let resource = if columns.text()? == agents::DHCP { "network" } else { "router" };
            let state = if columns.int()? > 0 { "available" } else { "unavailable" };
            let zone = [("state", state.to_owned()), ("name", name), ("resource", resource.to_owned())];
            Ok(zone.into_iter().map(|(key, value)| (key.to_owned(), Value::String(value))).collect())
        })
        .collect()
}

#[cfg(test)]
mod tests;
