//! Building list queries: conditions that a request asked for, joined by AND.
//!
//! Only column names and fragments written in this repository go into the text;
//! everything a client sent is bound as a value.

use std::fmt::Write as _;

use crate::Value;

/// Alternatives that no row meets two of, and the column that tells rows apart.
#[derive(Debug, Clone)]
struct Either {
    id: String,
    conditions: Vec<String>,
}

/// A SELECT under construction.
#[derive(Debug, Clone)]
pub struct Select {
    columns: String,
    from: String,
    conditions: Vec<String>,
    either: Option<Either>,
    order: Vec<String>,
    limit: Option<u64>,
    values: Vec<Value>,
}

impl Select {
    /// `SELECT <columns> FROM <from>`; `from` may hold joins.
    #[must_use]
    pub fn new(columns: &str, from: &str) -> Self {
        Self {
            columns: columns.to_owned(),
            from: from.to_owned(),
            conditions: Vec::new(),
            either: None,
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

    /// Keeps rows that meet one of these conditions; no row may meet two. `id` is the
    /// column that tells rows apart.
    ///
    /// A page (order and limit) looks each alternative up by itself, so that an index
    /// that has it in order gives as many rows as are shown, and not all to be sorted.
    pub fn either(&mut self, id: &str, conditions: Vec<String>) -> &mut Self {
        self.either = Some(Either { id: id.to_owned(), conditions });
        self
    }

    /// Sorts by `expression`, after what was asked for before.
    pub fn order_by(&mut self, expression: &str, descending: bool) -> &mut Self {
        self.order.push(format!("{expression} {}", if descending { "DESC" } else { "ASC" }));
        self
    }

    /// As [`Select::order_by`], where null is less than everything else: engines differ
    /// in that, and an index may serve the plain form only.
    pub fn order_by_nullable(&mut self, expression: &str, descending: bool) -> &mut Self {
        self.order
            .push(format!("{expression} {}", if descending { "DESC NULLS LAST" } else { "ASC NULLS FIRST" }));
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
        let mut tail = String::new();
        if !self.order.is_empty() {
            let _ = write!(tail, " ORDER BY {}", self.order.join(", "));
        }
        if let Some(limit) = self.limit {
            let name = self.bind(i64::try_from(limit).unwrap_or(i64::MAX));
            let _ = write!(tail, " LIMIT {name}");
        }
        let page = self.limit.is_some() && !self.order.is_empty();
        match self.either.take() {
            Some(Either { id, conditions }) if page => {
                let parts: Vec<String> = conditions
                    .into_iter()
                    .map(|condition| {
                        let all = joined(self.conditions.iter().chain([&condition]));
                        format!("SELECT * FROM (SELECT {id} FROM {}{all}{tail}) page", self.from)
                    })
                    .collect();
                self.conditions = vec![format!("{id} IN ({})", parts.join(" UNION ALL "))];
            }
            Some(Either { conditions, .. }) => {
                self.conditions.push(format!("({})", conditions.join(" OR ")));
            }
            None => {}
        }
        let all = joined(self.conditions.iter());
        (format!("SELECT {} FROM {}{all}{tail}", self.columns, self.from), self.values)
    }
}

/// ` WHERE … AND …`, or nothing.
fn joined<'c>(conditions: impl Iterator<Item = &'c String>) -> String {
    let mut text = String::new();
    for condition in conditions {
        let word = if text.is_empty() { "WHERE" } else { "AND" };
        let _ = write!(text, " {word} {condition}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn either(limit: Option<u64>) -> (String, Vec<Value>) {
        let mut select = Select::new("t.id, t.name", "t");
        let name = select.bind("n");
        select.condition(format!("t.name = {name}"));
        select.either("t.id", vec!["t.a = 1".to_owned(), "t.b = 1".to_owned()]);
        select.order_by("t.id", false);
        if let Some(limit) = limit {
            select.limit(limit);
        }
        select.build()
    }

    #[test]
    fn alternatives_of_a_page_are_looked_up_by_themselves() {
        let (sql, values) = either(Some(5));
        assert_eq!(
            sql,
            "SELECT t.id, t.name FROM t WHERE t.id IN (\
             SELECT * FROM (SELECT t.id FROM t WHERE t.name = $1 AND t.a = 1 ORDER BY t.id ASC LIMIT $2) page \
             UNION ALL \
             SELECT * FROM (SELECT t.id FROM t WHERE t.name = $1 AND t.b = 1 ORDER BY t.id ASC LIMIT $2) page) \
             ORDER BY t.id ASC LIMIT $2"
        );
        assert_eq!(values, crate::values!["n", 5_i64]);
    }

    #[test]
    fn without_a_limit_they_are_one_condition() {
        let (sql, _) = either(None);
        assert_eq!(
            sql,
            "SELECT t.id, t.name FROM t WHERE t.name = $1 AND (t.a = 1 OR t.b = 1) ORDER BY t.id ASC"
        );
    }
}
