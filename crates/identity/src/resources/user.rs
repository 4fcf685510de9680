//! Users: who can log in.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::http::{keyed, no_content};
use isospin_api_kit::policy::{Rule, Target};
use isospin_store_kit::query::Select;
use isospin_store_kit::{Columns, Row, Session, StoreError, Tx, values};
use serde_json::{Map, Value, json};

use super::{group, held, project};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::{Field, Input, Kind, Schema, stored_object};
use crate::listing::{Filter, collection, restrict};
use crate::request::{Context, Origin, RawBody};
use crate::routes::{Routes, Verb};
use crate::tokens::authenticate::verify_password;
use crate::tokens::now;
use crate::tokens::scope::end_tokens;

pub const RULES: &[Rule] = &[
    Rule::new("user_domain_reader", "role:reader and domain_id:%(target.user.domain_id)s"),
    Rule::new("user_domain_manager", "role:manager and domain_id:%(target.user.domain_id)s"),
    Rule::new("identity:list_users", "rule:reads_all or (role:reader and domain_id:%(target.domain_id)s)"),
    Rule::new("identity:get_user", "rule:reads_all or rule:user_domain_reader or user_id:%(target.user.id)s"),
    Rule::new("identity:create_user", "rule:admin_required or rule:user_domain_manager"),
    Rule::new("identity:update_user", "rule:admin_required or rule:user_domain_manager"),
    Rule::new("identity:delete_user", "rule:admin_required or rule:user_domain_manager"),
    Rule::new(
        "identity:list_groups_for_user",
        "rule:reads_all or rule:user_domain_reader or user_id:%(target.user.id)s",
    ),
    Rule::new(
        "identity:list_user_projects",
        "rule:reads_all or rule:user_domain_reader or user_id:%(target.user.id)s",
    ),
    Rule::new("identity:revoke_tokens_for_user", "rule:admin_or_owner"),
];

/// Options of a user. Those about expiry, first use and inactivity exempt from rules
/// that no setting here turns on.
const OPTIONS: &[Field] = &[
    Field::nullable("ignore_change_password_upon_first_use", Kind::Flag),
    Field::nullable("ignore_password_expiry", Kind::Flag),
    Field::nullable("ignore_lockout_failure_attempts", Kind::Flag),
    Field::nullable("lock_password", Kind::Flag),
    Field::nullable("ignore_user_inactivity", Kind::Flag),
    Field::nullable("multi_factor_auth_enabled", Kind::Flag),
    Field::nullable("multi_factor_auth_rules", Kind::Rules),
];

const SCHEMA: Schema = Schema {
    key: "user",
    fields: &[
        Field::required("name", Kind::Name(255)),
        Field::nullable("domain_id", Kind::Id),
        Field::nullable("password", Kind::Password),
        Field::nullable("default_project_id", Kind::Id),
        Field::nullable("description", Kind::Text),
        Field::new("enabled", Kind::Flag),
        Field::new("options", Kind::Options(OPTIONS)),
    ],
    fixed: &["domain_id"],
};

const PASSWORD_CHANGE: Schema = Schema {
    key: "user",
    fields: &[
        Field::required("original_password", Kind::Password),
        Field::required("password", Kind::Password),
    ],
    fixed: &[],
};

const FILTERS: &[Filter] = &[
    Filter::text("name", "name"),
    Filter::id("domain_id", "domain_id"),
    Filter::flag("enabled", "enabled"),
    Filter::id("default_project_id", "default_project_id"),
];

/// Filters over what no user here has: a password that expires, a federated identity.
const FILTERS_OF_NOBODY: &[&str] = &["password_expires_at", "idp_id", "protocol_id", "unique_id"];

const COLUMNS: &str = "id, domain_id, name, description, default_project_id, enabled, options, extra";

/// A user, without the password.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    pub id: String,
    pub domain_id: String,
    name: String,
    description: Option<String>,
    default_project_id: Option<String>,
    enabled: bool,
    options: Map<String, Value>,
    extra: Map<String, Value>,
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
        })
    }

    fn changed(&self, input: &Input) -> Self {
        Self {
            name: input.text("name").unwrap_or_else(|| self.name.clone()),
            description: input.text_or("description", self.description.clone()),
            default_project_id: input.text_or("default_project_id", self.default_project_id.clone()),
            enabled: input.flag("enabled").unwrap_or(self.enabled),
            options: input.merged_options(&self.options),
            extra: input.merged_extra(&self.extra),
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
            "password_expires_at": null,
            "options": self.options,
        });
        for (key, value) in
            [("description", &self.description), ("default_project_id", &self.default_project_id)]
        {
            if let Some(value) = value {
                view[key] = json!(value);
            }
        }
        super::finish(&mut view, &self.extra, context.link(format_args!("users/{}", self.id)));
        view
    }

    fn target(&self) -> Target<'_> {
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
    if FILTERS_OF_NOBODY.iter().any(|key| context.query(key).is_some()) {
        select.condition("1 = 0");
    }
    Ok(select)
}

/// The users a SELECT of [`select`] finds.
pub async fn select_all(session: &mut Session, select: Select) -> Result<Vec<User>, StoreError> {
    let (sql, values) = select.build();
    session.rows(&sql, values).await?.into_iter().map(User::read).collect()
}

/// Changing one's password needs the old one, not a token.
pub fn routes() -> Routes {
    Routes::new()
        .get("/v3/users", "list_users", list)
        .post("/v3/users", "create_user", create)
        .get("/v3/users/{id}", "get_user", show)
        .patch("/v3/users/{id}", "update_user", patch)
        .delete("/v3/users/{id}", "delete_user", delete)
        .open(Verb::Post, "/v3/users/{id}/password", change_password)
        .get("/v3/users/{id}/groups", "list_groups_for_user", groups)
        .get("/v3/users/{id}/projects", "list_user_projects", projects)
        .delete("/v3/users/{id}/tokens", "revoke_tokens_for_user", revoke_tokens)
}

async fn list(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    let domain = super::readable_domain(&app, &context, "identity:list_users")?;
    let mut select = select(&context)?;
    if let Some(domain) = domain {
        select.one_of("domain_id", vec![domain.into()]);
    }
    let found = app.store.read_apart(move |session| Box::pin(select_all(session, select))).await?;
    Ok(collection(&context, "users", found.iter().map(|user| user.view(&context)).collect()))
}

async fn show(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let user = visible(&app, &context, &id, "identity:get_user").await?;
    Ok(keyed(StatusCode::OK, "user", user.view(&context)))
}

/// The user, if the caller may do this with them.
async fn visible(app: &IdentityApp, context: &Context, id: &str, action: &str) -> Result<User, Fault> {
    let found = find(&mut *app.store.reader().await?, id).await?;
    let user = super::found_or_hidden(app, context, found, "user", id)?;
    context.enforce(app, action, &user.target())?;
    Ok(user)
}

async fn create(
    State(app): State<IdentityApp>,
    context: Context,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    let input = context.read(&app, "identity:create_user", SCHEMA.create(&body))?;
    let domain_id = input.text("domain_id").unwrap_or_else(|| super::default_domain(&context));
    context.enforce(
        &app,
        "identity:create_user",
        &Target::new().with("target.user.domain_id", &domain_id),
    )?;
    let hash = hash_given(&app, &input).await?;
    let blank = User {
        id: super::new_id(),
        domain_id,
        name: String::new(),
        description: None,
        default_project_id: None,
        enabled: true,
        options: Map::new(),
        extra: Map::new(),
    };
    let user = blank.changed(&input);
    let user = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                super::domain::require(tx, &user.domain_id).await?;
                check(tx, &user).await?;
                insert(tx, &user, hash).await?;
                Ok(user)
            })
        })
        .await?;
    Ok(keyed(StatusCode::CREATED, "user", user.view(&context)))
}

/// The hash of the password in a body, if there is one. Computed before the
/// transaction: it takes long.
async fn hash_given(app: &IdentityApp, input: &Input) -> Result<Option<String>, Fault> {
    match input.text("password") {
        Some(password) => app.passwords.hash(&password).await.map(Some),
        None => Ok(None),
    }
}

/// Refuses a name that is taken, and a domain as default project.
async fn check(tx: &mut Tx, user: &User) -> Result<(), Fault> {
    let sql = "SELECT id FROM users WHERE domain_id = $1 AND name = $2 AND id <> $3";
    if tx.row(sql, values![&user.domain_id, &user.name, &user.id]).await?.is_some() {
        let details =
            format!("Duplicate entry found with name {} at domain ID {}", user.name, user.domain_id);
        return Err(Fault::conflict("user", &details));
    }
    if let Some(id) = &user.default_project_id
        && project::find_any(tx, id).await?.is_some_and(|project| project.is_domain)
    {
        return Err(Fault::bad_request(format!("User's default project ID cannot be a domain ID: {id}")));
    }
    Ok(())
}

async fn insert(tx: &mut Tx, user: &User, hash: Option<String>) -> Result<(), StoreError> {
    let sql = "INSERT INTO users (id, domain_id, name, description, default_project_id, enabled, options, extra, \
               password_hash, tokens_after, failures, failed_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, 0)";
    let values = values![
        &user.id,
        &user.domain_id,
        &user.name,
        user.description.clone(),
        user.default_project_id.clone(),
        user.enabled,
        super::json_text(&user.options),
        super::json_text(&user.extra),
        hash,
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

async fn patch(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    let before = visible(&app, &context, &id, "identity:update_user").await?;
    let input = SCHEMA.update(&body, &id, |_| json!(before.domain_id))?;
    let hash = hash_given(&app, &input).await?;
    let user = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                let before = require(tx, &id).await?;
                let after = before.changed(&input);
                check(tx, &after).await?;
                update(tx, &after).await?;
                if input.has("password") {
                    set_password(tx, &id, hash).await?;
                } else if before.enabled && !after.enabled {
                    end_tokens_of(tx, &id).await?;
                }
                Ok(after)
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, "user", user.view(&context)))
}

async fn update(tx: &mut Tx, user: &User) -> Result<(), StoreError> {
    let sql = "UPDATE users SET name = $1, description = $2, default_project_id = $3, enabled = $4, \
               options = $5, extra = $6 WHERE id = $7";
    let values = values![
        &user.name,
        user.description.clone(),
        user.default_project_id.clone(),
        user.enabled,
        super::json_text(&user.options),
        super::json_text(&user.extra),
        &user.id,
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

/// A new password ends all tokens, and a lock.
async fn set_password(tx: &mut Tx, id: &str, hash: Option<String>) -> Result<(), StoreError> {
    tx.execute("UPDATE users SET password_hash = $1, failures = 0 WHERE id = $2", values![hash, id]).await?;
    end_tokens_of(tx, id).await
}

async fn end_tokens_of(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    let sql = format!("UPDATE users SET {} WHERE id = $2", end_tokens("$1"));
    tx.execute(&sql, values![now(), id]).await?;
    Ok(())
}

async fn delete(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    visible(&app, &context, &id, "identity:delete_user").await?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            require(tx, &id).await?;
            tx.execute_many(vec![
                ("DELETE FROM assignments WHERE actor_kind = 'user' AND actor_id = $1", values![&id]),
                ("DELETE FROM users WHERE id = $1", values![&id]),
            ])
            .await?;
            Ok(())
        })
    })
    .await?;
    Ok(no_content())
}

/// Ends all tokens of a user: for those who cannot change their password.
async fn revoke_tokens(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    visible(&app, &context, &id, "identity:revoke_tokens_for_user").await?;
    app.write(context.request_id(), move |tx| Box::pin(async move { Ok(end_tokens_of(tx, &id).await?) }))
        .await?;
    Ok(no_content())
}

async fn change_password(
    State(app): State<IdentityApp>,
    origin: Origin,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    let input = PASSWORD_CHANGE.create(&body)?;
    let (Some(original), Some(password)) = (input.text("original_password"), input.text("password")) else {
        return Err(Fault::missing("password", "user"));
    };
    let proven = verify_password(&app, &id, &original).await?;
    let hash = app.passwords.hash(&password).await?;
    app.write(&origin.request_id, move |tx| {
        Box::pin(async move {
            let user = find(tx, &id).await?.ok_or_else(Fault::unauthorized)?;
            if user.options.get("lock_password") == Some(&Value::Bool(true)) {
                return Err(Fault::bad_request(
                    "You cannot change your password at this time due to password policy disallowing \
                     password changes. Please contact your administrator to reset your password.",
                ));
            }
            proven.check_unchanged(tx).await?;
            set_password(tx, &id, Some(hash)).await?;
            Ok(())
        })
    })
    .await?;
    Ok(no_content())
}

async fn groups(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    visible(&app, &context, &id, "identity:list_groups_for_user").await?;
    let mut select = group::select(&context)?;
    let user = select.bind(&id);
    select.condition(format!("id IN (SELECT group_id FROM group_members WHERE user_id = {user})"));
    let found = group::select_all(&mut *app.store.reader().await?, select).await?;
    Ok(collection(&context, "groups", found.iter().map(|group| group.view(&context)).collect()))
}

async fn projects(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    visible(&app, &context, &id, "identity:list_user_projects").await?;
    let mut reader = app.store.reader().await?;
    let ids = held::scopes(&mut reader, &id, "project").await?;
    let found = project::by_ids(&mut reader, ids).await?;
    Ok(collection(&context, "projects", found.iter().map(|project| project.view(&context)).collect()))
}
