//! Lists: filters of a query as conditions of a SELECT, paging, the form of the answer.

use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::http::answer;
use isospin_store_kit::query::Select;
use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::request::{Context, is_true};

/// How the value of a filter is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Compared as it stands; understands `name__contains` and its like.
    Text,
    /// Compared as it stands; an empty value finds what has none.
    Id,
    /// No value means true.
    Flag,
}

/// A key of a query and the column it filters.
#[derive(Debug, Clone, Copy)]
pub struct Filter {
    pub key: &'static str,
    pub column: &'static str,
    pub kind: Kind,
}

impl Filter {
    pub const fn text(key: &'static str, column: &'static str) -> Self {
        Self { key, column, kind: Kind::Text }
    }

    pub const fn id(key: &'static str, column: &'static str) -> Self {
        Self { key, column, kind: Kind::Id }
    }

    pub const fn flag(key: &'static str, column: &'static str) -> Self {
        Self { key, column, kind: Kind::Flag }
    }
}

/// Adds the filters the query names, and its page (ordered by `id`), for an answer that is
/// a [`page`]. Other keys are passed over, as Keystone does.
pub fn restrict(select: &mut Select, id: &str, filters: &[Filter], context: &Context) -> Result<(), Fault> {
    for (key, value) in &context.query {
        let (name, operator) = key.split_once("__").unwrap_or((key, ""));
        let Some(filter) = filters.iter().find(|filter| filter.key == name) else { continue };
        match filter.kind {
            Kind::Flag => {
                let wanted = select.bind(is_true(value));
                select.condition(format!("{} = {wanted}", filter.column));
            }
            Kind::Id if value.is_empty() => {
                select.condition(format!("COALESCE({}, '') = ''", filter.column));
            }
            Kind::Id | Kind::Text => {
                let condition = comparison(select, filter.column, operator, value)?;
                select.condition(condition);
            }
        }
    }
    if let Some(marker) = context.query("marker") {
        let marker = select.bind(marker);
        select.condition(format!("{id} > {marker}"));
    }
    if let Some(limit) = page_size(context)? {
        // One more tells whether there are more.
        select.limit(limit.saturating_add(1));
    }
    select.order_by(id, false);
    Ok(())
}

/// The condition of one text filter. Written so that both engines compare alike:
/// LIKE knows no case on SQLite.
fn comparison(select: &mut Select, column: &str, operator: &str, value: &str) -> Result<String, Fault> {
    let (operator, column, value) = match operator.strip_prefix('i') {
        Some(operator) => (operator, format!("LOWER({column})"), value.to_lowercase()),
        None => (operator, column.to_owned(), value.to_owned()),
    };
    let length = i64::try_from(value.chars().count()).unwrap_or(i64::MAX);
    if value.is_empty() && matches!(operator, "contains" | "startswith" | "endswith") {
        return Ok("1 = 1".to_owned());
    }
    Ok(match operator {
        "" | "exact" => format!("{column} = {}", select.bind(value)),
        "contains" => format!("REPLACE({column}, {}, '') <> {column}", select.bind(value)),
        "startswith" => {
            let (length, wanted) = (select.bind(length), select.bind(value));
            format!("SUBSTR({column}, 1, {length}) = {wanted}")
        }
        "endswith" => {
            let (length, wanted) = (select.bind(length), select.bind(value));
            format!(
                "LENGTH({column}) >= {length} AND SUBSTR({column}, LENGTH({column}) - {length} + 1) = {wanted}"
            )
        }
        _ => return Err(Fault::bad_request(format!("'{operator}' is not a comparison for a filter."))),
    })
}

fn page_size(context: &Context) -> Result<Option<u64>, Fault> {
    let Some(text) = context.query("limit") else { return Ok(context.list_limit) };
    match text.parse::<u64>() {
        Ok(limit) if limit > 0 => Ok(Some(limit)),
        _ => Err(Fault::bad_request(format!(
            "Invalid input for field/attribute limit. Value: {text}. '{text}' is not a positive integer"
        ))),
    }
}

/// All there is: `{"<plural>": [...], "links": {...}}`.
pub fn collection(context: &Context, plural: &str, items: Vec<Value>) -> Response {
    answer(StatusCode::OK, &listed(context, plural, items, None))
}

/// What a SELECT found that [`restrict`] has made a page of. A list that was cut says so, and
/// links to the rest.
pub fn page(context: &Context, plural: &str, mut items: Vec<Value>) -> Result<Response, Fault> {
    let most = page_size(context)?.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let cut = most.filter(|most| items.len() > *most);
    items.truncate(cut.unwrap_or(items.len()));
    let last = items.last().and_then(|item| item.get("id")).and_then(Value::as_str);
    let next = last.filter(|_| cut.is_some()).map(|last| url(context, Some(last)));
    let mut body = listed(context, plural, items, next);
    if cut.is_some() {
        body.insert("truncated".to_owned(), Value::Bool(true));
    }
    Ok(answer(StatusCode::OK, &body))
}

fn listed(context: &Context, plural: &str, items: Vec<Value>, next: Option<String>) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert(plural.to_owned(), Value::Array(items));
    body.insert("links".to_owned(), json!({"next": next, "self": url(context, None), "previous": null}));
    body
}

/// The URL of this request, or of the page after `marker`.
fn url(context: &Context, marker: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (key, value) in context.query.iter().filter(|(key, _)| marker.is_none() || key != "marker") {
        query.append_pair(key, value);
    }
    query.extend_pairs(marker.map(|marker| ("marker", marker)));
    let query = query.finish();
    let separator = if query.is_empty() { "" } else { "?" };
    format!("{}{}{separator}{query}", context.origin.root, context.path)
}
