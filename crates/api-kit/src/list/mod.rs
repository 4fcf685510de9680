//! Lists: filters, fields, sorting and paging (reference/network-api-core §1.5).
//!
//! A [`ListQuery`] is parsed from the query text against an attribute table, and
//! pushed into SQL; nothing is filtered or sorted in memory.

mod links;
mod parse;

use isospin_store_kit::query::Select;
use isospin_store_kit::values;

use crate::Fault;

/// One page of a list, as the client asked for it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListQuery {
    /// Equality filters on columns: column and wanted values (any of them).
    pub(crate) columns: Vec<(&'static str, Vec<isospin_store_kit::Value>)>,
    /// Filters the resource itself understands: attribute and raw values.
    pub own: Vec<(&'static str, Vec<String>)>,
    /// Keys wanted in the answer; empty = all.
    pub fields: Vec<String>,
    pub(crate) sort: Vec<SortKey>,
    /// 0 = no limit.
    pub limit: u64,
    pub marker: Option<String>,
    pub reverse: bool,
    pub tags: TagFilter,
    /// `updated_at` at or after this time.
    pub changed_since: Option<String>,
    /// The query text, for links.
    pub(crate) raw: Vec<(String, String)>,
}

/// A column to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SortKey {
    pub(crate) column: &'static str,
    pub(crate) descending: bool,
    /// Whether rows may hold null there, which counts as less than everything else.
    pub(crate) nullable: bool,
}

/// Conditions on tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagFilter {
    pub all: Vec<String>,
    pub any: Vec<String>,
    pub not_all: Vec<String>,
    pub not_any: Vec<String>,
}

/// Where the rows of a resource are.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Table name; also the alias its columns are written with.
    pub name: &'static str,
    /// Column of the identifier.
    pub id: &'static str,
    /// Table of tags with columns `resource_id` and `tag`, or "".
    pub tags: &'static str,
}

impl SortKey {
    /// The condition that a row holds this value there.
    fn equals(self, table: &Table, value: &str) -> String {
        let sign = if self.nullable { "IS NOT DISTINCT FROM" } else { "=" };
        format!("{}.{} {sign} {value}", table.name, self.column)
    }

    /// The condition that a row holds what comes after this value in the order asked for.
    fn follows(self, table: &Table, value: &str, reverse: bool) -> String {
        let column = format!("{}.{}", table.name, self.column);
        let up = self.descending == reverse;
        let beyond = format!("{column} {} {value}", if up { ">" } else { "<" });
        match (self.nullable, up) {
            (false, _) => beyond,
            (true, true) => format!("({beyond} OR ({column} IS NOT NULL AND {value} IS NULL))"),
            (true, false) => format!("({beyond} OR ({column} IS NULL AND {value} IS NOT NULL))"),
        }
    }
}

impl ListQuery {
    /// Adds conditions, order and limit to a select over `table`.
    ///
    /// The marker must exist: check with [`ListQuery::marker_statement`] first.
    pub fn apply(&self, table: &Table, select: &mut Select) {
        for (column, wanted) in &self.columns {
            select.one_of(&format!("{}.{column}", table.name), wanted.clone());
        }
        if let Some(since) = &self.changed_since {
            let name = select.bind(since.as_str());
            select.condition(format!("{}.updated_at >= {name}", table.name));
        }
        self.apply_tags(table, select);
        if let Some(marker) = &self.marker {
            let condition = self.after(table, marker, select);
            select.condition(condition);
        }
        for SortKey { column, descending, nullable } in &self.sort {
            let (column, descending) = (format!("{}.{column}", table.name), *descending != self.reverse);
            if *nullable {
                select.order_by_nullable(&column, descending);
            } else {
                select.order_by(&column, descending);
            }
        }
        select.order_by(&format!("{}.{}", table.name, table.id), self.reverse);
        if self.limit > 0 {
            select.limit(self.limit);
        }
    }

    /// Whether a filter names values of one of these columns.
    #[must_use]
    pub fn names_values_of(&self, columns: &[&str]) -> bool {
        self.columns.iter().any(|(column, _)| columns.contains(column))
    }

    /// The same page, cut off after so many objects.
    #[must_use]
    pub fn at_most(&self, most: u64) -> Self {
        let limit = if self.limit == 0 { most } else { self.limit.min(most) };
        Self { limit, ..self.clone() }
    }

    /// Whether the marker exists: a statement whose answer has one row if so.
    #[must_use]
    pub fn marker_statement(&self, table: &Table) -> Option<(String, Vec<isospin_store_kit::Value>)> {
        let marker = self.marker.as_deref()?;
        Some((format!("SELECT 1 FROM {} WHERE {} = $1", table.name, table.id), values![marker]))
    }

    /// 404 for a marker that is not there.
    #[must_use]
    pub fn unknown_marker(&self, not_found: impl FnOnce(&str) -> Fault) -> Fault {
        not_found(self.marker.as_deref().unwrap_or_default())
    }

    /// Rows that come after the marker in the order asked for.
    fn after(&self, table: &Table, marker: &str, select: &mut Select) -> String {
        let marker = select.bind(marker);
        let of_marker = |column: &str| {
            if column == table.id {
                return marker.clone();
            }
            format!("(SELECT m.{column} FROM {} m WHERE m.{} = {marker})", table.name, table.id)
        };
        let mut keys = self.sort.clone();
        keys.push(SortKey { column: table.id, descending: false, nullable: false });
        let mut alternatives = Vec::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            let before = keys.iter().take(index);
            let mut parts: Vec<String> =
                before.map(|key| key.equals(table, &of_marker(key.column))).collect();
            parts.push(key.follows(table, &of_marker(key.column), self.reverse));
            alternatives.push(format!("({})", parts.join(" AND ")));
        }
        format!("({})", alternatives.join(" OR "))
    }

    fn apply_tags(&self, table: &Table, select: &mut Select) {
        if table.tags.is_empty() {
            return;
        }
        let count = |select: &mut Select, tags: &[String]| {
            let names = select.bind_list(tags.iter().map(|tag| tag.as_str().into()));
            format!(
                "(SELECT COUNT(*) FROM {} WHERE resource_id = {}.{} AND tag IN ({names}))",
                table.tags, table.name, table.id
            )
        };
        let TagFilter { all, any, not_all, not_any } = &self.tags;
        for (tags, comparison) in [
            (all, format!("= {}", all.len())),
            (any, "> 0".to_owned()),
            (not_all, format!("< {}", not_all.len())),
            (not_any, "= 0".to_owned()),
        ] {
            if !tags.is_empty() {
                let counted = count(select, tags);
                select.condition(format!("{counted} {comparison}"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
