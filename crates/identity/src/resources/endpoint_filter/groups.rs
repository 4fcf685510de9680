//! Endpoint groups: endpoints that meet a filter.

use axum::extract::{Path, State};
use axum::response::Response;
use futures::future::BoxFuture;
use isospin_api_kit::policy::Target;
use isospin_store_kit::Tx;
use isospin_store_kit::query::Select;
use serde_json::{Map, Value};

use super::super::record::{Kind, Record, Stored};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::{self, Field, Schema};
use crate::listing::{Filter, collection};
use crate::request::Context;
use crate::resources::endpoint;
use crate::routes::Routes;

pub(super) static GROUP: Kind = Kind {
    schema: Schema {
        key: "endpoint_group",
        fields: &[
            Field::required("name", input::Kind::Name(255)),
            Field::nullable("description", input::Kind::Text),
            Field::required("filters", input::Kind::Object),
        ],
        fixed: &[],
    },
    plural: "endpoint_groups",
    table: "endpoint_groups",
    path: "OS-EP-FILTER/endpoint_groups",
    columns: &[("name", Stored::Text), ("description", Stored::OptText), ("filters", Stored::Object)],
    filters: &[Filter::text("name", "name")],
    check,
};

/// Attributes of an endpoint a group may ask for.
const KEYS: [&str; 3] = ["interface", "service_id", "region_id"];

/// A filter names at least one attribute, and values that can be.
fn check<'t>(_: &'t mut Tx, record: &'t mut Record) -> BoxFuture<'t, Result<(), Fault>> {
    Box::pin(std::future::ready(check_filters(record)))
}

fn check_filters(record: &Record) -> Result<(), Fault> {
    let filters = filters(record);
    if filters.is_empty() {
        return Err(Fault::bad_request("filters field is required and cannot be empty"));
    }
    for (key, value) in &filters {
        let known = KEYS.contains(&key.as_str());
        let possible = match (key.as_str(), value) {
            ("interface", Value::String(interface)) => endpoint::INTERFACES.contains(&interface.as_str()),
            (_, Value::String(_)) => true,
            ("region_id", Value::Null) => true,
            _ => false,
        };
        if !known || !possible {
            return Err(Fault::bad_request(format!(
                "Invalid input for field/attribute filters: {key} is not one of interface (admin, internal, \
                 public), service_id and region_id with a text"
            )));
        }
    }
    Ok(())
}

fn filters(record: &Record) -> Map<String, Value> {
    record.get("filters").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Adds the group's filter to a SELECT over endpoints.
pub fn restrict(select: &mut Select, group: &Record) {
    for (key, value) in filters(group) {
        match value.as_str() {
            Some(value) => {
                let value = select.bind(value);
                select.condition(format!("{key} = {value}"));
            }
            None => {
                select.condition(format!("{key} IS NULL"));
            }
        }
    }
}

/// Whether an endpoint with these values belongs to the group.
pub fn holds(group: &Record, interface: &str, service_id: &str, region_id: Option<&str>) -> bool {
    filters(group).iter().all(|(key, value)| {
        let own = match key.as_str() {
            "interface" => Some(interface),
            "service_id" => Some(service_id),
            _ => region_id,
        };
        own == value.as_str()
    })
}

pub fn routes() -> Routes {
    let endpoints_path = "/v3/OS-EP-FILTER/endpoint_groups/{id}/endpoints";
    Routes::new().records(&GROUP).get(
        endpoints_path,
        "list_endpoints_associated_with_endpoint_group",
        endpoints,
    )
}

async fn endpoints(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:list_endpoints_associated_with_endpoint_group", &Target::new())?;
    let mut reader = app.store.reader().await?;
    let group = GROUP.require(&mut reader, &id).await?;
    let mut select = endpoint::select();
    restrict(&mut select, &group);
    select.order_by("id", false);
    let found = endpoint::select_all(&mut reader, select).await?;
    Ok(collection(&context, "endpoints", found.iter().map(|endpoint| endpoint.view(&context)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn group(filters: Value) -> Record {
        Record::from_iter([("filters".to_owned(), filters)])
    }

    #[test]
    fn filters_are_checked_and_held() {
        for (filters, right) in [
            (json!({"interface": "admin"}), true),
            (json!({"service_id": "s", "region_id": "r"}), true),
            (json!({"region_id": null}), true),
            (json!({}), false),
            (json!({"interface": "side"}), false),
            (json!({"url": "x"}), false),
            (json!({"service_id": 5}), false),
        ] {
            assert_eq!(check_filters(&group(filters.clone())).is_ok(), right, "{filters}");
        }
        let both = group(json!({"service_id": "s", "region_id": "r"}));
        assert!(holds(&both, "admin", "s", Some("r")));
        assert!(!holds(&both, "admin", "s", None) && !holds(&both, "admin", "t", Some("r")));
    }
}
