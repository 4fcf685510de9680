//! Building list queries: conditions that a request asked for, joined by AND.
//!
//! Only column names and fragments written in this repository go into the text;
//! everything a client sent is bound as a value.

use std::fmt::Write as _;

use crate::Value;

/// A SELECT under construction.
#[derive(Debug, Clone)]
pub struct Select {
    head: String,
    conditions: Vec<String>,
    order: Vec<String>,
    limit: Option<u64>,
    values: Vec<Value>,
}

impl Select {
    /// `SELECT <columns> FROM <from>`; `from` may hold joins.
    #[must_use]
    pub fn new(columns: &str, from: &str) -> Self {
        Self {
            head: format!("SELECT {columns} FROM {from}"),
            conditions: Vec::new(),
            order: Vec::new(),
            limit: None,
            values: Vec::new(),
        }
    }

    /// Binds a value; the text that stands for it.
    pub fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// Binds several values; `$1, $2, $3`.
    pub fn bind_list(&mut self, values: impl IntoIterator<Item = Value>) -> String {
        let mut text = String::new();
        for value in values {
            let name = self.bind(value);
            let separator = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{separator}{name}");
        }
        text
    }

    /// Adds a condition, as it stands.
    pub fn condition(&mut self, condition: impl Into<String>) -> &mut Self {
        self.conditions.push(condition.into());
        self
    }

    /// `column` is one of `values`; no values, no rows.
    pub fn one_of(&mut self, column: &str, values: Vec<Value>) -> &mut Self {
        let condition = match values.len() {
            0 => "1 = 0".to_owned(),
            1 => {
                let name = self.bind_list(values);
                format!("{column} = {name}")
            }
            _ => {
                let names = self.bind_list(values);
                format!("{column} IN ({names})")
            }
        };
        self.condition(condition)
    }

    /// `column` contains `part`, taken literally.
    pub fn contains(&mut self, column: &str, part: &str) -> &mut Self {
        let name = self.bind_containing(part);
        self.condition(format!("{column} LIKE {name} ESCAPE '\\'"))
    }

    /// Binds the pattern for `LIKE … ESCAPE '\'` that finds `part`, taken literally.
    pub fn bind_containing(&mut self, part: &str) -> String {
        let escaped = part.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        self.bind(format!("%{escaped}%"))
    }

    /// Sorts by `expression`, after what was asked for before.
    pub fn order_by(&mut self, expression: &str, descending: bool) -> &mut Self {
        self.order.push(format!("{expression} {}", if descending { "DESC" } else { "ASC" }));
        self
    }

    /// At most `limit` rows.
    pub fn limit(&mut self, limit: u64) -> &mut Self {
        self.limit = Some(limit);
        self
    }

    /// The statement and its values.
    #[must_use]
    pub fn build(mut self) -> (String, Vec<Value>) {
        let mut sql = self.head.clone();
        if !self.conditions.is_empty() {
            let _ = write!(sql, " WHERE {}", self.conditions.join(" AND "));
        }
        if !self.order.is_empty() {
            let _ = write!(sql, " ORDER BY {}", self.order.join(", "));
        }
        if let Some(limit) = self.limit {
            let name = self.bind(i64::try_from(limit).unwrap_or(i64::MAX));
            let _ = write!(sql, " LIMIT {name}");
        }
        (sql, self.values)
    }
}
