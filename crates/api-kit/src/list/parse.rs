//! The query text of a list.

use serde_json::Value;

use super::{ListQuery, SortKey, TagFilter};
use crate::attribute::{Filter, ResourceType, check};
use crate::{Fault, FaultType};

impl ListQuery {
    /// Reads `a=1&b=2` against the resource's table. `max_limit` caps pages; 0 = no cap.
    ///
    /// # Errors
    /// 400 for an unknown filter, sort key, direction, or a limit that is no number.
    pub fn parse(resource: &ResourceType, query: &str, max_limit: u64) -> Result<Self, Fault> {
        let raw: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let mut list = Self { raw, ..Self::default() };
        let mut sort_keys = Vec::new();
        let mut sort_dirs = Vec::new();
        let mut unknown = Vec::new();
        let mut filters: Vec<(String, Vec<String>)> = Vec::new();
        for (name, value) in list.raw.clone() {
            match name.as_str() {
                // Said without a value, these say nothing.
                "fields" | "sort_key" | "sort_dir" | "marker" if value.is_empty() => {}
                "fields" => list.fields.push(value),
                "sort_key" => sort_keys.push(value),
                "sort_dir" => sort_dirs.push(value),
                "limit" => list.limit = limit(&value)?,
                "marker" => list.marker = Some(value),
                "page_reverse" => {
                    list.reverse = check::boolean(&Value::String(value)).map_err(Fault::invalid_input)?;
                }
                "tags" => split(&value, &mut list.tags.all),
                "tags-any" => split(&value, &mut list.tags.any),
                "not-tags" => split(&value, &mut list.tags.not_all),
                "not-tags-any" => split(&value, &mut list.tags.not_any),
                "changed_since" => list.changed_since = Some(since(&value)?),
                _ => match filters.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, values)) => values.push(value),
                    None => filters.push((name, vec![value])),
                },
            }
        }
        one_project(&filters)?;
        for (name, values) in filters {
            list.filter(resource, &name, values, &mut unknown)?;
        }
        if list.changed_since.is_some() && resource.attribute("updated_at").is_none() {
            unknown.push("changed_since".to_owned());
        }
        if !unknown.is_empty() {
            let names: Vec<String> = unknown.iter().map(|name| format!("'{name}'")).collect();
            return Err(Fault::bad_request(format!(
                "[{}] is invalid attribute for filtering",
                names.join(", ")
            )));
        }
        list.sort_by(resource, &sort_keys, &sort_dirs)?;
        if max_limit > 0 && (list.limit == 0 || list.limit > max_limit) {
            list.limit = max_limit;
        }
        Ok(list)
    }

    fn filter(
        &mut self,
        resource: &ResourceType,
        name: &str,
        values: Vec<String>,
        unknown: &mut Vec<String>,
    ) -> Result<(), Fault> {
        let Some(attribute) = resource.attribute(name) else {
            unknown.push(name.to_owned());
            return Ok(());
        };
        match attribute.filter {
            Filter::No => unknown.push(name.to_owned()),
            Filter::Own => self.own.push((attribute.name, values)),
            Filter::Column(column) => {
                let wanted = values
                    .into_iter()
                    .map(|value| wanted(attribute.check, value))
                    .collect::<Result<_, _>>()?;
                self.columns.push((column, wanted));
            }
        }
        Ok(())
    }

    fn sort_by(&mut self, resource: &ResourceType, keys: &[String], dirs: &[String]) -> Result<(), Fault> {
        if !dirs.is_empty() && keys.len() != dirs.len() {
            return Err(Fault::bad_request("The number of sort_keys and sort_dirs must be same"));
        }
        for (index, key) in keys.iter().enumerate() {
            let (column, nullable) = resource
                .attribute(key)
                // An id is always there, and found by its index.
                .and_then(|attribute| Some((attribute.sort?, attribute.nullable && attribute.name != "id")))
                .ok_or_else(|| Fault::bad_request(format!("['{key}'] is invalid attribute for sort_key")))?;
            let descending = match dirs.get(index).map(String::as_str) {
                None | Some("asc") => false,
                Some("desc") => true,
                Some(other) => {
                    return Err(Fault::bad_request(format!(
                        "'{other}' is invalid value for sort_dirs, it must be 'asc' or 'desc'"
                    )));
                }
            };
            self.sort.push(SortKey { column, descending, nullable });
        }
        Ok(())
    }
}

/// The value as its column holds it. A text that the check refuses matches
/// nothing rather than failing: clients look up names among ids.
fn wanted(check: check::Check, value: String) -> Result<isospin_store_kit::Value, Fault> {
    use isospin_store_kit::Value as Stored;
    match check {
        check::Check::Bool => {
            check::boolean(&Value::String(value)).map(Stored::from).map_err(Fault::invalid_input)
        }
        check::Check::Int { .. } => Ok(match value.trim().parse::<i64>() {
            Ok(number) => Stored::Int(number),
            Err(_) => Stored::Null,
        }),
        _ => match check.run(&Value::String(value.clone())) {
            Ok(Value::String(canonical)) => Ok(Stored::Text(canonical)),
            _ => Ok(Stored::Text(value)),
        },
    }
}

fn limit(value: &str) -> Result<u64, Fault> {
    value.trim().parse().map_err(|_| {
        Fault::new(
            FaultType::BadRequest,
            format!("Bad limit request: Limit must be an integer 0 or greater and not '{value}'."),
        )
    })
}

fn split(value: &str, into: &mut Vec<String>) {
    into.extend(value.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned));
}

fn since(value: &str) -> Result<String, Fault> {
    let with_zone =
        if value.ends_with('Z') || value.contains('+') { value.to_owned() } else { format!("{value}Z") };
    with_zone
        .parse::<jiff::Timestamp>()
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        .map_err(|_| Fault::invalid_input(format!("The input changed_since must be in the following format: YYYY-MM-DDTHH:MM:SS[Z], not '{value}'")))
}

fn one_project(filters: &[(String, Vec<String>)]) -> Result<(), Fault> {
    let of = |wanted: &str| filters.iter().find(|(name, _)| name == wanted).map(|(_, values)| values);
    match (of("project_id"), of("tenant_id")) {
        (Some(project), Some(tenant)) if project != tenant => Err(Fault::new(
            FaultType::TenantIdProjectIdFilterConflict,
            "Both tenant_id and project_id passed as filters.",
        )),
        _ => Ok(()),
    }
}

impl TagFilter {
    /// Whether no condition on tags was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.any.is_empty() && self.not_all.is_empty() && self.not_any.is_empty()
    }
}
