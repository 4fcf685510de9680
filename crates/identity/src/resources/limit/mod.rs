//! Unified limits: how much of something a service lets a project or domain have.
//!
//! A registered limit is what holds for all; a limit overrides it for one project or
//! domain. Services enforce them; here they are kept, and kept consistent with the
//! [`model`].

mod handlers;
pub mod model;
mod registered;
mod rules;

use std::collections::BTreeMap;

use isospin_api_kit::policy::Rule;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Session, StoreError, Tx, Value as SqlValue};
use serde_json::Value;

use super::record::{Kind, Record, Stored, text};
use super::{region, service};
use crate::fault::Fault;
use crate::input::{self, Field, Schema};
use crate::listing::Filter;
use crate::request::Context;
use crate::routes::Routes;

pub const RULES: &[Rule] = &[
    Rule::new("identity:get_limit_model", ""),
    Rule::new("identity:list_registered_limits", ""),
    Rule::new("identity:get_registered_limit", ""),
    Rule::new("identity:create_registered_limits", "rule:admin_required"),
    Rule::new("identity:update_registered_limit", "rule:admin_required"),
    Rule::new("identity:delete_registered_limit", "rule:admin_required"),
    // Everybody, of what concerns them.
    Rule::new("identity:list_limits", ""),
    Rule::new(
        "identity:get_limit",
        "rule:reads_all or domain_id:%(target.limit.domain.id)s or \
         domain_id:%(target.limit.project.domain_id)s or project_id:%(target.limit.project_id)s",
    ),
    Rule::new("identity:create_limits", "rule:admin_required"),
    Rule::new("identity:update_limit", "rule:admin_required"),
    Rule::new("identity:delete_limit", "rule:admin_required"),
];

const UNLIMITED: i64 = -1;

static REGISTERED: Kind = Kind {
    schema: Schema {
        key: "registered_limit",
        fields: &[
            Field::required("service_id", input::Kind::Id),
            Field::nullable("region_id", input::Kind::Id),
            Field::required("resource_name", input::Kind::Name(255)),
            Field::required("default_limit", input::Kind::Number(UNLIMITED)),
            Field::nullable("description", input::Kind::Text),
        ],
        fixed: &[],
    },
    plural: "registered_limits",
    table: "registered_limits",
    path: "registered_limits",
    columns: &[
        ("service_id", Stored::Text),
        ("region_id", Stored::OptText),
        ("resource_name", Stored::Text),
        ("default_limit", Stored::Number),
        ("description", Stored::OptText),
    ],
    filters: &[
        Filter::id("service_id", "service_id"),
        Filter::id("region_id", "region_id"),
        Filter::text("resource_name", "resource_name"),
    ],
    check: registered::check,
};

static LIMIT: Kind = Kind {
    schema: Schema {
        key: "limit",
        fields: &[
            Field::required("service_id", input::Kind::Id),
            Field::nullable("region_id", input::Kind::Id),
            Field::required("resource_name", input::Kind::Name(255)),
            Field::required("resource_limit", input::Kind::Number(UNLIMITED)),
            Field::nullable("project_id", input::Kind::Id),
            Field::nullable("domain_id", input::Kind::Id),
            Field::nullable("description", input::Kind::Text),
        ],
        fixed: &[],
    },
    plural: "limits",
    table: "limits",
    path: "limits",
    columns: &[
        ("service_id", Stored::Text),
        ("region_id", Stored::OptText),
        ("resource_name", Stored::Text),
        ("resource_limit", Stored::Number),
        ("project_id", Stored::OptText),
        ("domain_id", Stored::OptText),
        ("description", Stored::OptText),
    ],
    filters: &[
        Filter::id("service_id", "service_id"),
        Filter::id("region_id", "region_id"),
        Filter::text("resource_name", "resource_name"),
        Filter::id("project_id", "project_id"),
        Filter::id("domain_id", "domain_id"),
    ],
    check: rules::check,
};

pub fn routes() -> Routes {
    Routes::new()
        .get("/v3/limits/model", "get_limit_model", handlers::model)
        .get("/v3/registered_limits", "list_registered_limits", registered::list)
        .post("/v3/registered_limits", "create_registered_limits", registered::create)
        .get("/v3/registered_limits/{id}", "get_registered_limit", registered::show)
        .patch("/v3/registered_limits/{id}", "update_registered_limit", registered::patch)
        .delete("/v3/registered_limits/{id}", "delete_registered_limit", registered::delete)
        .get("/v3/limits", "list_limits", handlers::list)
        .post("/v3/limits", "create_limits", handlers::create)
        .get("/v3/limits/{id}", "get_limit", handlers::show)
        .patch("/v3/limits/{id}", "update_limit", handlers::patch)
        .delete("/v3/limits/{id}", "delete_limit", handlers::delete)
}

/// The limits of projects as the wire shows them, by project.
pub async fn of_projects(
    session: &mut Session,
    context: &Context,
    ids: Vec<SqlValue>,
) -> Result<BTreeMap<String, Vec<Value>>, StoreError> {
    let mut select = LIMIT.select();
    select.one_of("project_id", ids).order_by("id", false);
    let mut found = BTreeMap::<String, Vec<Value>>::new();
    for limit in LIMIT.all(session, select).await? {
        let project = text(&limit, "project_id").unwrap_or_default().to_owned();
        found.entry(project).or_default().push(LIMIT.view(&limit, context));
    }
    Ok(found)
}

/// Adds the conditions that a row is about the same thing as `record`: the same service,
/// region and resource.
fn about_the_same(select: &mut Select, record: &Record) {
    for name in ["service_id", "region_id", "resource_name"] {
        let value = select.bind(text(record, name).unwrap_or_default());
        select.condition(format!("COALESCE({name}, '') = {value}"));
    }
}

/// 400 unless service and region are there.
async fn check_ends(tx: &mut Tx, record: &Record) -> Result<(), Fault> {
    service::check_exists(tx, text(record, "service_id").unwrap_or_default()).await?;
    match text(record, "region_id") {
        Some(region) => region::check_exists(tx, region).await,
        None => Ok(()),
    }
}

/// A number of a record.
fn number(record: &Record, name: &str) -> i64 {
    record.get(name).and_then(Value::as_i64).unwrap_or_default()
}

/// The records of a kind that are about the same thing.
async fn alike(kind: &Kind, session: &mut Session, record: &Record) -> Result<Vec<Record>, StoreError> {
    let mut select = kind.select();
    about_the_same(&mut select, record);
    select.order_by("id", false);
    kind.all(session, select).await
}
