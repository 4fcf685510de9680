//! Where floating IPs come from: the IPv4 subnets of external networks, for everybody
//! to see. Each caller finds them under their own project, as the reference has it.

use axum::extract::State;
use axum::response::Response;
use isospin_api_kit::attribute::{Attribute, Check, Filter, ResourceType};
use isospin_api_kit::http::Context;
use isospin_api_kit::list::{ListQuery, Table};
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Fault, view};
use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, StoreError};
use serde_json::{Map, Value};

use crate::resources::{network, rbac_policy, subnet};
use crate::{App, page};

/// A pool on the wire.
pub const TYPE: ResourceType = ResourceType {
    name: "floatingip_pool",
    collection: "floatingip_pools",
    attributes: &[&[
        Attribute::read_only("subnet_id", Check::Uuid).column("id").alias("floatingip-pools"),
        Attribute::read_only("subnet_name", Check::Text(255)).column("name").alias("floatingip-pools"),
        Attribute::read_only("project_id", Check::Text(255)).alias("floatingip-pools"),
        Attribute::read_only("network_id", Check::Uuid).column("network_id").alias("floatingip-pools"),
        Attribute::read_only("cidr", Check::Cidr)
            .filter(Filter::Column("cidr"))
            .sort("cidr")
            .alias("floatingip-pools"),
    ]],
};

const TABLE: Table = Table { name: "subnets", id: "id", tags: "" };

/// `GET /v2.0/floatingip_pools`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let caller = context.caller.clone();
    let sees_all = app.policy.allows("get_network", &caller, &Target::new());
    let (rows, query) = app
        .store
        .read_apart(move |session| {
            Box::pin(async move {
                let mut select = Select::new(
                    "subnets.id, subnets.name, subnets.network_id, subnets.cidr",
                    "subnets JOIN networks ON networks.id = subnets.network_id",
                );
                select.condition("networks.external = TRUE").condition("subnets.ip_version = 4");
                if !sees_all {
                    rbac_policy::only_visible(&mut select, &network::SHAREABLE, &caller.project_id);
                }
                let rows =
                    page::rows(session, &query, &TABLE, select, |id| subnet::rules::not_found(id)).await?;
                Ok::<_, Fault>((rows, query))
            })
        })
        .await?;
    let target = Target::owned_by(&context.caller.project_id);
    let allowed = app.policy.allows("get_floatingip_pool", &context.caller, &target);
    let mut ids = Vec::with_capacity(rows.len());
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let pool = pool(row, &context.caller.project_id)?;
        ids.push(pool["subnet_id"].as_str().unwrap_or_default().to_owned());
        if allowed {
            items.push(view::project(&TYPE, &app.policy, &context.caller, &target, &query.fields, pool));
        }
    }
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

fn pool(row: Row, project_id: &str) -> Result<Map<String, Value>, StoreError> {
    let mut columns = row.columns();
    let mut object = Map::with_capacity(6);
    object.insert("subnet_id".to_owned(), columns.text()?.into());
    object.insert("subnet_name".to_owned(), columns.text()?.into());
    object.insert("project_id".to_owned(), project_id.into());
    object.insert("network_id".to_owned(), columns.text()?.into());
    object.insert("cidr".to_owned(), columns.text()?.into());
    Ok(object)
}
