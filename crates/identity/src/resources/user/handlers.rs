//! `/v3/users`, but for changing one's own password.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::http::{keyed, no_content};
use isospin_api_kit::policy::Target;
use isospin_store_kit::{StoreError, Tx, values};
use serde_json::{Map, json};

use super::model::{SCHEMA, User, find, require, select, select_all};
use super::password::{self, NewPassword};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::Input;
use crate::listing::{collection, page};
use crate::passwords::day;
use crate::request::{Context, RawBody};
use crate::resources::{self, domain, group, held, json_text, project};
use crate::tokens::now;
use crate::tokens::scope::end_tokens;

pub async fn list(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    let domain = resources::readable_domain(&app, &context, "identity:list_users")?;
    let mut select = select(&context)?;
    if let Some(domain) = domain {
        select.one_of("domain_id", vec![domain.into()]);
    }
    let found = app.store.read_apart(move |session| Box::pin(select_all(session, select))).await?;
    page(&context, "users", found.iter().map(|user| user.view(&context)).collect())
}

pub async fn show(
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
    let user = resources::found_or_hidden(app, context, found, "user", id)?;
    context.enforce(app, action, &user.target())?;
    Ok(user)
}

pub async fn create(
    State(app): State<IdentityApp>,
    context: Context,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    let input = context.read(&app, "identity:create_user", SCHEMA.create(&body))?;
    let domain_id = input.text("domain_id").unwrap_or_else(|| resources::default_domain(&context));
    context.enforce(
        &app,
        "identity:create_user",
        &Target::new().with("target.user.domain_id", &domain_id),
    )?;
    let blank = User {
        id: resources::new_id(),
        domain_id,
        name: String::new(),
        description: None,
        default_project_id: None,
        enabled: true,
        options: Map::new(),
        extra: Map::new(),
        password_expires_at: None,
    };
    let mut user = blank.changed(&input);
    let password = given(&app, &input, &user).await?;
    user.password_expires_at = password.as_ref().and_then(|password| password.expires_at);
    let user = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                domain::require(tx, &user.domain_id).await?;
                check(tx, &user).await?;
                insert(tx, &user, password).await?;
                Ok(user)
            })
        })
        .await?;
    Ok(keyed(StatusCode::CREATED, "user", user.view(&context)))
}

/// The password in a body, if there is one, as it is to be stored. Made before the
/// transaction: a hash takes long.
async fn given(app: &IdentityApp, input: &Input, user: &User) -> Result<Option<NewPassword>, Fault> {
    if !input.has("password") {
        return Ok(None);
    }
    let rules = &app.passwords.rules;
    let hash = match input.text("password") {
        Some(password) => {
            rules.check_strength(&password)?;
            Some(app.passwords.hash(&password).await?)
        }
        None => None,
    };
    let expires_at = rules.expiry_of_given(
        user.has_option("ignore_change_password_upon_first_use"),
        user.has_option("ignore_password_expiry"),
        now(),
    );
    let expires_at = expires_at.filter(|_| hash.is_some());
    Ok(Some(NewPassword { hash, expires_at, self_service: false, remembered: rules.unique_count() }))
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

async fn insert(tx: &mut Tx, user: &User, password: Option<NewPassword>) -> Result<(), StoreError> {
    let sql = "INSERT INTO users (id, domain_id, name, description, default_project_id, enabled, options, extra, \
               tokens_after, failures, failed_at, last_active_day) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, $9)";
    let values = values![
        &user.id,
        &user.domain_id,
        &user.name,
        user.description.clone(),
        user.default_project_id.clone(),
        user.enabled,
        json_text(&user.options),
        json_text(&user.extra),
        day(now()),
    ];
    tx.execute(sql, values).await?;
    match password {
        Some(password) => password::store(tx, &user.id, &password).await,
        None => Ok(()),
    }
}

pub async fn patch(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    let before = visible(&app, &context, &id, "identity:update_user").await?;
    let input = SCHEMA.update(&body, &id, |_| json!(before.domain_id))?;
    let password = given(&app, &input, &before.changed(&input)).await?;
    let user = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                let before = require(tx, &id).await?;
                let mut after = before.changed(&input);
                check(tx, &after).await?;
                update(tx, &after).await?;
                if input.flag("enabled") == Some(true) {
                    enable(tx, &id).await?;
                }
                if let Some(password) = password {
                    password::store(tx, &id, &password).await?;
                    after.password_expires_at = password.expires_at;
                    end_tokens_of(tx, &id).await?;
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
        json_text(&user.options),
        json_text(&user.extra),
        &user.id,
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

/// Whoever is enabled is neither locked nor idle any more.
async fn enable(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    let sql = "UPDATE users SET failures = 0, last_active_day = $1 WHERE id = $2";
    tx.execute(sql, values![day(now()), id]).await?;
    Ok(())
}

/// Ends all tokens a user has.
pub async fn end_tokens_of(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    let sql = format!("UPDATE users SET {} WHERE id = $2", end_tokens("$1"));
    tx.execute(&sql, values![now(), id]).await?;
    Ok(())
}

pub async fn delete(
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
pub async fn revoke_tokens(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    visible(&app, &context, &id, "identity:revoke_tokens_for_user").await?;
    app.write(context.request_id(), move |tx| Box::pin(async move { Ok(end_tokens_of(tx, &id).await?) }))
        .await?;
    Ok(no_content())
}

pub async fn groups(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    visible(&app, &context, &id, "identity:list_groups_for_user").await?;
    let mut select = group::select(&context)?;
    let user = select.bind(&id);
    select.condition(format!("id IN (SELECT group_id FROM group_members WHERE user_id = {user})"));
    let found = group::select_all(&mut *app.store.reader().await?, select).await?;
    page(&context, "groups", found.iter().map(|group| group.view(&context)).collect())
}

pub async fn projects(
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
