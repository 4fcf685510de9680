//! Lists of subnets, with the filters only they have.

use isospin_api_kit::attribute::check;
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::{Caller, Fault};
use isospin_store_kit::query::Select;
use isospin_store_kit::{Session, Value};
use serde_json::Value as Json;

use super::super::TABLE;
use super::super::model::SubnetDetails;
use super::super::rules::not_found;
use super::{DETAILS, JOINED, complete, details};
use crate::page;
use crate::resources::{network, rbac_policy};

/// One page of the subnets the caller may know of; `sees_all` skips the filter.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    list: &ListQuery,
    caller: &Caller,
    sees_all: bool,
) -> Result<Vec<SubnetDetails>, Fault> {
    let mut select = Select::new(DETAILS, JOINED);
    if !sees_all {
        let project = select.bind(caller.project_id.as_str());
        let opened =
            rbac_policy::opened(&mut select, &network::SHAREABLE, "subnets.network_id", &caller.project_id);
        select.condition(format!(
            "(subnets.project_id = {project} OR networks.project_id = {project} OR {opened})"
        ));
    }
    for (attribute, wanted) in &list.own {
        if *attribute == "shared" {
            rbac_policy::filter_shared(&mut select, &network::SHAREABLE, &caller.project_id, wanted)?;
        } else {
            apply_filter(attribute, wanted, &mut select)?;
        }
    }
    let rows = page::rows(session, list, &TABLE, select, |marker| not_found(marker)).await?;
    let mut found = Vec::with_capacity(rows.len());
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let batch = rows.by_ref().take(page::BATCH).map(details).collect::<Result<Vec<_>, _>>()?;
        found.extend(complete(session, &caller.project_id, batch).await?);
    }
    Ok(found)
}

/// Filters that are no plain comparison of a column of this table.
fn apply_filter(attribute: &str, wanted: &[String], select: &mut Select) -> Result<(), Fault> {
    match attribute {
        "ip_version" => {
            let versions = wanted.iter().filter_map(|text| text.trim().parse::<i64>().ok());
            select.one_of("subnets.ip_version", versions.map(Value::Int).collect());
        }
        "router:external" => {
            let flags = wanted
                .iter()
                .map(|text| check::boolean(&Json::from(text.as_str())).map(Value::from))
                .collect::<Result<_, _>>()
                .map_err(Fault::invalid_input)?;
            select.one_of("networks.external", flags);
        }
        _ => {
            let owners: Vec<String> = wanted
                .iter()
                .map(|owner| {
                    let item = Json::from(owner.as_str()).to_string();
                    format!("subnets.service_types LIKE {} ESCAPE '\\'", select.bind_containing(&item))
                })
                .collect();
            select.condition(format!("({})", owners.join(" OR ")));
        }
    }
    Ok(())
}
