//! What a user is: attributes, rows, filters.

use isospin_api_kit::policy::Target;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Columns, Row, Session, StoreError, values};
use serde_json::{Map, Value, json};

use super::super::{finish, microsecond_time};
use crate::fault::Fault;
use crate::input::{Field, Input, Kind, Schema, microseconds, stored_object};
use crate::listing::{Filter, restrict};
use crate::request::Context;

/// Options of a user.
const OPTIONS: &[Field] = &[
    Field::nullable("ignore_change_password_upon_first_use", Kind::Flag),
    Field::nullable("ignore_password_expiry", Kind::Flag),
    Field::nullable("ignore_lockout_failure_attempts", Kind::Flag),
    Field::nullable("lock_password", Kind::Flag),
    Field::nullable("ignore_user_inactivity", Kind::Flag),
    Field::nullable("multi_factor_auth_enabled", Kind::Flag),
    Field::nullable("multi_factor_auth_rules", Kind::Rules),
];

pub const SCHEMA: Schema = Schema {
    key: "user",
    fields: &[
        Field::required("name", Kind::Name(255)),
        Field::nullable("domain_id", Kind::Id),
        Field::nullable("password", Kind::Password),
        Field::nullable("default_project_id", Kind::Id),
        Field::nullable("description", Kind::Text),
        Field::new("enabled", Kind::Flag),
        Field::new("options", Kind::Options(OPTIONS)),
        Field::new("federated", Kind::Federated),
    ],
    fixed: &["domain_id"],
};

const FILTERS: &[Filter] = &[
    Filter::text("name", "name"),
    Filter::id("domain_id", "domain_id"),
    Filter::flag("enabled", "enabled"),
    Filter::id("default_project_id", "default_project_id"),
];

/// Filters over what no user here has: a federated identity.
const FILTERS_OF_NOBODY: &[&str] = &["idp_id", "protocol_id", "unique_id"];

const COLUMNS: &str =
    "id, domain_id, name, description, default_project_id, enabled, options, extra, password_expires_at";

/// A user, without the password.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    pub id: String,
    pub domain_id: String,
    pub name: String,
    pub description: Option<String>,
    pub default_project_id: Option<String>,
    pub enabled: bool,
    pub options: Map<String, Value>,
    pub extra: Map<String, Value>,
    /// Seconds since 1970; `None` when it does not.
    pub password_expires_at: Option<i64>,
}

impl User {
    fn read(row: Row) -> Result<Self, StoreError> {
        let mut columns: Columns = row.columns();
        Ok(Self {
            id: columns.text()?,
            domain_id: columns.text()?,
            name: columns.text()?,
            description: columns.opt_text()?,
            default_project_id: columns.opt_text()?,
            enabled: columns.flag()?,
            options: stored_object(&columns.text()?),
            extra: stored_object(&columns.text()?),
            password_expires_at: columns.opt_int()?,
        })
    }

    /// What `input` makes of it.
    pub fn changed(&self, input: &Input) -> Self {
        let mut extra = input.merged_extra(&self.extra);
        // Sent back by clients that edit what they got.
        extra.remove("password_expires_at");
        Self {
            name: input.text("name").unwrap_or_else(|| self.name.clone()),
            description: input.text_or("description", self.description.clone()),
            default_project_id: input.text_or("default_project_id", self.default_project_id.clone()),
            enabled: input.flag("enabled").unwrap_or(self.enabled),
            options: input.merged_options(&self.options),
            extra,
            ..self.clone()
        }
    }

    /// As the wire shows it.
    pub fn view(&self, context: &Context) -> Value {
        let mut view = json!({
            "id": self.id,
            "name": self.name,
            "domain_id": self.domain_id,
            "enabled": self.enabled,
            "password_expires_at": self.password_expires_at.map(expiry),
            "options": self.options,
        });
        for (key, value) in
            [("description", &self.description), ("default_project_id", &self.default_project_id)]
        {
            if let Some(value) = value {
                view[key] = json!(value);
            }
        }
        finish(&mut view, &self.extra, context.link(format_args!("users/{}", self.id)));
        view
    }

    /// Whether an option is set to true.
    pub fn has_option(&self, name: &str) -> bool {
        self.options.get(name) == Some(&Value::Bool(true))
    }

    /// What rules ask about it.
    pub fn target(&self) -> Target<'_> {
        Target::new()
            .with("user_id", &self.id)
            .with("target.user.id", &self.id)
            .with("target.user.domain_id", &self.domain_id)
    }
}

/// One user.
pub async fn find(session: &mut Session, id: &str) -> Result<Option<User>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE id = $1");
    session.row(&sql, values![id]).await?.map(User::read).transpose()
}

/// One user, or 404.
pub async fn require(session: &mut Session, id: &str) -> Result<User, Fault> {
    find(session, id).await?.ok_or_else(|| Fault::not_found("user", id))
}

/// A SELECT over users, with the filters of the query.
pub fn select(context: &Context) -> Result<Select, Fault> {
    let mut select = Select::new(COLUMNS, "users");
    restrict(&mut select, "id", FILTERS, context)?;
    for (_, value) in context.query.iter().filter(|(key, _)| key == "password_expires_at") {
        restrict_expiry(&mut select, value)?;
    }
    if FILTERS_OF_NOBODY.iter().any(|key| context.query(key).is_some()) {
        select.condition("1 = 0");
    }
    Ok(select)
}

/// `lt:2026-11-20T09:04:00Z`; without an operator it is equality.
fn restrict_expiry(select: &mut Select, value: &str) -> Result<(), Fault> {
    let (operator, time) = match value.split_once(':') {
        Some((operator, time)) if (2..=3).contains(&operator.len()) => (operator, time),
        _ => ("eq", value),
    };
    let seconds = microseconds(time).map(|time| time.div_euclid(1_000_000)).ok_or_else(|| {
        Fault::bad_request(
            "Timestamp not in expected format. The server could not comply with the request since it is either \
             malformed or otherwise incorrect. The client is assumed to be in error.",
        )
    })?;
    let compare = match operator {
        "lt" => "<",
        "lte" => "<=",
        "gt" => ">",
        "gte" => ">=",
        "eq" => "=",
        "neq" => "<>",
        _ => {
            return Err(Fault::bad_request(format!(
                "The given operator {operator} is not valid. It must be one of the following: 'eq', 'neq', 'lt', \
                 'lte', 'gt', or 'gte'."
            )));
        }
    };
    let seconds = select.bind(seconds);
    select.condition(format!("password_expires_at {compare} {seconds}"));
    Ok(())
}

/// When a password expires, as the wire shows it.
pub fn expiry(seconds: i64) -> String {
    microsecond_time(seconds.saturating_mul(1_000_000), "")
}

/// The users a SELECT of [`select`] finds.
pub async fn select_all(session: &mut Session, select: Select) -> Result<Vec<User>, StoreError> {
    let (sql, values) = select.build();
    session.rows(&sql, values).await?.into_iter().map(User::read).collect()
}
