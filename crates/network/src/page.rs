//! What every resource does alike: pages of lists, answers of POSTs, lists kept in
//! one column.

use ::http::StatusCode;
use axum::response::Response;
use isospin_api_kit::attribute::ResourceType;
use isospin_api_kit::list::{ListQuery, Table};
use isospin_api_kit::{Bodies, Body, Fault, http};
use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session};
use serde_json::{Map, Value};

#[cfg(test)]
mod tests;

/// Ids named in one statement at most; both engines take as many parameters.
pub const BATCH: usize = 8192;

/// The rows of one page: filters, order and limit are pushed into `select`; a page
/// asked for backwards comes out in the order shown.
///
/// # Errors
/// 404 by `not_found` for a marker that is not there; the store's.
pub async fn rows(
    session: &mut Session,
    list: &ListQuery,
    table: &Table,
    mut select: Select,
    not_found: impl FnOnce(&str) -> Fault,
) -> Result<Vec<Row>, Fault> {
    if let Some((sql, values)) = list.marker_statement(table)
        && session.row(&sql, values).await?.is_none()
    {
        return Err(list.unknown_marker(not_found));
    }
    list.apply(table, &mut select);
    let (sql, values) = select.build();
    let mut rows = session.rows(&sql, values).await?;
    if list.reverse {
        rows.reverse();
    }
    Ok(rows)
}

/// The texts of a JSON list, as columns hold them.
#[must_use]
pub fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The answer of a list: the items, and links when it is paged. `ids` are those of
/// the whole page, also of items the caller does not get to see.
#[must_use]
pub fn answer(
    resource: &ResourceType,
    query: &ListQuery,
    url: &str,
    ids: &[String],
    items: Vec<Value>,
) -> Response {
    let mut body = Map::with_capacity(2);
    body.insert(resource.collection.to_owned(), Value::Array(items));
    if let Some(links) = query.links(url, ids) {
        body.insert(format!("{}_links", resource.collection), links);
    }
    http::answer(StatusCode::OK, &body)
}

/// The objects of a POST, and whether it was a bulk request.
#[must_use]
pub fn bodies(bodies: Bodies) -> (Vec<Body>, bool) {
    match bodies {
        Bodies::One(body) => (vec![body], false),
        Bodies::Many(bodies) => (bodies, true),
    }
}

/// The answer of a POST: one object, or all under the plural key.
#[must_use]
pub fn created(resource: &ResourceType, bulk: bool, mut shown: Vec<Value>) -> Response {
    match shown.pop() {
        Some(only) if !bulk => http::keyed(StatusCode::CREATED, resource.name, only),
        last => {
            shown.extend(last);
            http::keyed(StatusCode::CREATED, resource.collection, Value::Array(shown))
        }
    }
}

/// Refuses a DELETE that carries a body.
///
/// # Errors
/// 400.
pub fn no_body(body: &[u8]) -> Result<(), Fault> {
    if body.is_empty() {
        return Ok(());
    }
    Err(Fault::bad_request("Request body is not supported in DELETE."))
}
