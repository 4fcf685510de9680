//! Groups of users, which can be given roles together.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::http::{keyed, no_content};
use isospin_api_kit::policy::{Rule, Target};
use isospin_store_kit::query::Select;
use isospin_store_kit::{Columns, Row, Session, StoreError, Tx, values};
use serde_json::{Map, Value, json};

use super::{held, user};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::{Field, Input, Kind, Schema, stored_object};
use crate::listing::{Filter, page, restrict};
use crate::request::{Context, RawBody};
use crate::routes::Routes;

pub const RULES: &[Rule] = &[
    Rule::new("group_domain_reader", "role:reader and domain_id:%(target.group.domain_id)s"),
    Rule::new("group_domain_manager", "role:manager and domain_id:%(target.group.domain_id)s"),
    Rule::new("identity:list_groups", "rule:reads_all or (role:reader and domain_id:%(target.domain_id)s)"),
    Rule::new("identity:get_group", "rule:reads_all or rule:group_domain_reader"),
    Rule::new("identity:create_group", "rule:admin_required or rule:group_domain_manager"),
    Rule::new("identity:update_group", "rule:admin_required or rule:group_domain_manager"),
    Rule::new("identity:delete_group", "rule:admin_required or rule:group_domain_manager"),
    Rule::new("identity:list_users_in_group", "rule:reads_all or rule:group_domain_reader"),
    Rule::new(
        "identity:check_user_in_group",
        "rule:reads_all or (rule:group_domain_reader and rule:user_domain_reader)",
    ),
    Rule::new(
        "identity:add_user_to_group",
        "rule:admin_required or (rule:group_domain_manager and rule:user_domain_manager)",
    ),
    Rule::new(
        "identity:remove_user_from_group",
        "rule:admin_required or (rule:group_domain_manager and rule:user_domain_manager)",
    ),
];

const SCHEMA: Schema = Schema {
    key: "group",
    fields: &[
        Field::required("name", Kind::Name(255)),
        Field::nullable("domain_id", Kind::Id),
        Field::nullable("description", Kind::Text),
    ],
    fixed: &["domain_id"],
};

const FILTERS: &[Filter] = &[Filter::text("name", "name"), Filter::id("domain_id", "domain_id")];

const COLUMNS: &str = "id, domain_id, name, description, extra";

/// A group of users.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    pub id: String,
    pub domain_id: String,
    name: String,
    description: String,
    extra: Map<String, Value>,
}

impl Group {
    fn read(row: Row) -> Result<Self, StoreError> {
        let mut columns: Columns = row.columns();
        Ok(Self {
            id: columns.text()?,
            domain_id: columns.text()?,
            name: columns.text()?,
            description: columns.text()?,
            extra: stored_object(&columns.text()?),
        })
    }

    fn changed(&self, input: &Input) -> Self {
        Self {
            name: input.text("name").unwrap_or_else(|| self.name.clone()),
            description: input.text_or("description", Some(self.description.clone())).unwrap_or_default(),
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
            "description": self.description,
        });
        super::finish(&mut view, &self.extra, context.link(format_args!("groups/{}", self.id)));
        view
    }
}

impl Group {
    /// What rules ask about it.
    pub fn target(&self) -> Target<'_> {
        Target::new().with("target.group.id", &self.id).with("target.group.domain_id", &self.domain_id)
    }
}

/// A SELECT over groups, with the filters of the query.
pub fn select(context: &Context) -> Result<Select, Fault> {
    let mut select = Select::new(COLUMNS, "user_groups");
    restrict(&mut select, "id", FILTERS, context)?;
    Ok(select)
}

/// The groups a SELECT of [`select`] finds.
pub async fn select_all(session: &mut Session, select: Select) -> Result<Vec<Group>, StoreError> {
    let (sql, values) = select.build();
    session.rows(&sql, values).await?.into_iter().map(Group::read).collect()
}

async fn find(session: &mut Session, id: &str) -> Result<Option<Group>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM user_groups WHERE id = $1");
    session.row(&sql, values![id]).await?.map(Group::read).transpose()
}

/// One group, or 404.
pub async fn require(session: &mut Session, id: &str) -> Result<Group, Fault> {
    find(session, id).await?.ok_or_else(|| Fault::not_found("group", id))
}

pub fn routes() -> Routes {
    Routes::new()
        .get("/v3/groups", "list_groups", list)
        .post("/v3/groups", "create_group", create)
        .get("/v3/groups/{id}", "get_group", show)
        .patch("/v3/groups/{id}", "update_group", patch)
        .delete("/v3/groups/{id}", "delete_group", delete)
        .get("/v3/groups/{id}/users", "list_users_in_group", members)
        .put("/v3/groups/{id}/users/{user_id}", "add_user_to_group", add)
        .get("/v3/groups/{id}/users/{user_id}", "check_user_in_group", check)
        .delete("/v3/groups/{id}/users/{user_id}", "remove_user_from_group", remove)
}

async fn list(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    let domain = super::readable_domain(&app, &context, "identity:list_groups")?;
    let mut select = select(&context)?;
    if let Some(domain) = domain {
        select.one_of("domain_id", vec![domain.into()]);
    }
    let found = app.store.read_apart(move |session| Box::pin(select_all(session, select))).await?;
    page(&context, "groups", found.iter().map(|group| group.view(&context)).collect())
}

/// The group, if the caller may do this with it.
async fn visible(app: &IdentityApp, context: &Context, id: &str, action: &str) -> Result<Group, Fault> {
    let found = find(&mut *app.store.reader().await?, id).await?;
    let group = super::found_or_hidden(app, context, found, "group", id)?;
    context.enforce(app, action, &group.target())?;
    Ok(group)
}

async fn show(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let group = visible(&app, &context, &id, "identity:get_group").await?;
    Ok(keyed(StatusCode::OK, "group", group.view(&context)))
}

async fn create(
    State(app): State<IdentityApp>,
    context: Context,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    let input = context.read(&app, "identity:create_group", SCHEMA.create(&body))?;
    let blank = Group {
        id: super::new_id(),
        domain_id: input.text("domain_id").unwrap_or_else(|| super::default_domain(&context)),
        name: String::new(),
        description: String::new(),
        extra: Map::new(),
    };
    let group = blank.changed(&input);
    context.enforce(&app, "identity:create_group", &group.target())?;
    let group = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                super::domain::require(tx, &group.domain_id).await?;
                check_name(tx, &group).await?;
                let sql = "INSERT INTO user_groups (id, domain_id, name, description, extra) \
                           VALUES ($1, $2, $3, $4, $5)";
                let values = values![
                    &group.id,
                    &group.domain_id,
                    &group.name,
                    &group.description,
                    super::json_text(&group.extra),
                ];
                tx.execute(sql, values).await?;
                Ok(group)
            })
        })
        .await?;
    Ok(keyed(StatusCode::CREATED, "group", group.view(&context)))
}

async fn check_name(tx: &mut Tx, group: &Group) -> Result<(), Fault> {
    let sql = "SELECT id FROM user_groups WHERE domain_id = $1 AND name = $2 AND id <> $3";
    if tx.row(sql, values![&group.domain_id, &group.name, &group.id]).await?.is_none() {
        return Ok(());
    }
    let details = format!("Duplicate entry found with name {} at domain ID {}", group.name, group.domain_id);
    Err(Fault::conflict("group", &details))
}

async fn patch(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    visible(&app, &context, &id, "identity:update_group").await?;
    let group = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                let before = require(tx, &id).await?;
                let input = SCHEMA.update(&body, &id, |_| json!(before.domain_id))?;
                let after = before.changed(&input);
                check_name(tx, &after).await?;
                let sql = "UPDATE user_groups SET name = $1, description = $2, extra = $3 WHERE id = $4";
                let extra = super::json_text(&after.extra);
                tx.execute(sql, values![&after.name, &after.description, extra, &id]).await?;
                Ok(after)
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, "group", group.view(&context)))
}

async fn delete(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    visible(&app, &context, &id, "identity:delete_group").await?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            require(tx, &id).await?;
            tx.execute_many(vec![
                ("DELETE FROM assignments WHERE actor_kind = 'group' AND actor_id = $1", values![&id]),
                ("DELETE FROM user_groups WHERE id = $1", values![&id]),
            ])
            .await?;
            Ok(())
        })
    })
    .await?;
    Ok(no_content())
}

async fn members(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    visible(&app, &context, &id, "identity:list_users_in_group").await?;
    let mut select = user::select(&context)?;
    let group = select.bind(&id);
    select.condition(format!("id IN (SELECT user_id FROM group_members WHERE group_id = {group})"));
    let found = app.store.read_apart(move |session| Box::pin(user::select_all(session, select))).await?;
    page(&context, "users", found.iter().map(|user| user.view(&context)).collect())
}

/// Whether the caller may do this with the group and the user, who are both there.
async fn both(
    app: &IdentityApp,
    context: &Context,
    (id, user_id): (&str, &str),
    action: &str,
) -> Result<(), Fault> {
    let mut reader = app.store.reader().await?;
    let group = super::found_or_hidden(app, context, find(&mut reader, id).await?, "group", id)?;
    let user =
        super::found_or_hidden(app, context, user::find(&mut reader, user_id).await?, "user", user_id)?;
    let target =
        group.target().with("target.user.id", &user.id).with("target.user.domain_id", &user.domain_id);
    context.enforce(app, action, &target)
}

async fn add(
    State(app): State<IdentityApp>,
    context: Context,
    Path((id, user_id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    both(&app, &context, (&id, &user_id), "identity:add_user_to_group").await?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            require(tx, &id).await?;
            user::require(tx, &user_id).await?;
            let sql = "INSERT INTO group_members (group_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            tx.execute(sql, values![id, user_id]).await?;
            Ok(())
        })
    })
    .await?;
    Ok(no_content())
}

async fn check(
    State(app): State<IdentityApp>,
    context: Context,
    Path((id, user_id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    both(&app, &context, (&id, &user_id), "identity:check_user_in_group").await?;
    let mut reader = app.store.reader().await?;
    let sql = "SELECT user_id FROM group_members WHERE group_id = $1 AND user_id = $2";
    match reader.row(sql, values![&id, &user_id]).await? {
        Some(_) => Ok(no_content()),
        None => Err(not_in_group(&id, &user_id)),
    }
}

async fn remove(
    State(app): State<IdentityApp>,
    context: Context,
    Path((id, user_id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    both(&app, &context, (&id, &user_id), "identity:remove_user_from_group").await?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            let sql = "DELETE FROM group_members WHERE group_id = $1 AND user_id = $2";
            if tx.execute(sql, values![&id, &user_id]).await? == 0 {
                return Err(not_in_group(&id, &user_id));
            }
            Ok(held::drop_unfounded(tx, ("user", &user_id)).await?)
        })
    })
    .await?;
    Ok(no_content())
}

fn not_in_group(group: &str, user: &str) -> Fault {
    Fault::new(StatusCode::NOT_FOUND, format!("User '{user}' not found in group '{group}'"))
}
