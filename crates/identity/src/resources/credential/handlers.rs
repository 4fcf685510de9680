//! `/v3/credentials`.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::http::{keyed, no_content};
use isospin_api_kit::policy::Target;
use serde_json::{Map, Value, json};

use super::{Credential, ec2, is_delegated, refuse_delegated, store};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::{Field, Input, Kind, Schema};
use crate::listing::{Filter, collection, page, restrict};
use crate::request::{Context, RawBody};
use crate::resources::{finish, new_id, user};

const SCHEMA: Schema = Schema {
    key: "credential",
    fields: &[
        Field::required("blob", Kind::Text),
        Field::required("type", Kind::Name(255)),
        Field::nullable("user_id", Kind::Id),
        Field::nullable("project_id", Kind::Id),
    ],
    // K09: whose it is does not change.
    fixed: &["user_id"],
};

const FILTERS: &[Filter] = &[Filter::id("user_id", "user_id"), Filter::text("type", "type")];

fn view(credential: &Credential, context: &Context) -> Value {
    let mut view = json!({
        "id": credential.id,
        "user_id": credential.user_id,
        "project_id": credential.project_id,
        "type": credential.kind,
        "blob": credential.blob,
    });
    finish(&mut view, &credential.extra, context.link(format_args!("credentials/{}", credential.id)));
    view
}

/// The owner's, or all for those who may see all; each item is asked about (K09).
pub async fn list(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    let own = &context.caller().user_id;
    let target = Target::new().with("user_id", own).with("target.credential.user_id", own);
    context.enforce(&app, "identity:list_credentials", &target)?;
    let mut select = store::select();
    restrict(&mut select, "id", FILTERS, &context)?;
    if !app.policy.allows("reads_all", context.caller(), &Target::new()) {
        select.one_of("user_id", vec![own.into()]);
    }
    if is_delegated(&context) {
        return Ok(collection(&context, "credentials", Vec::new()));
    }
    let found = store::all(&mut *app.store.reader().await?, &app.credential_keys, select).await?;
    let allowed = |credential: &&Credential| {
        app.policy.allows("identity:get_credential", context.caller(), &credential.target())
    };
    let items = found.iter().filter(allowed).map(|credential| view(credential, &context)).collect();
    page(&context, "credentials", items)
}

/// The credential, if the caller may do this with it.
async fn visible(app: &IdentityApp, context: &Context, id: &str, action: &str) -> Result<Credential, Fault> {
    let found = store::find(&mut *app.store.reader().await?, &app.credential_keys, id).await?;
    let credential = crate::resources::found_or_hidden(app, context, found, "credential", id)?;
    context.enforce(app, action, &credential.target())?;
    refuse_delegated(context)?;
    Ok(credential)
}

pub async fn show(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let credential = visible(&app, &context, &id, "identity:get_credential").await?;
    Ok(keyed(StatusCode::OK, SCHEMA.key, view(&credential, &context)))
}

pub async fn create(
    State(app): State<IdentityApp>,
    context: Context,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    let action = "identity:create_credential";
    let input = context.read(&app, action, SCHEMA.create(&body))?;
    let credential = context.read(&app, action, planned(&input, &context))?;
    context.enforce(&app, action, &credential.target())?;
    refuse_delegated(&context)?;
    let keys = app.credential_keys.clone();
    let work = app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            user::require(tx, &credential.user_id).await?;
            store::insert(tx, &keys, &credential).await?;
            Ok(credential)
        })
    });
    let credential = work.await?;
    Ok(keyed(StatusCode::CREATED, SCHEMA.key, view(&credential, &context)))
}

fn planned(input: &Input, context: &Context) -> Result<Credential, Fault> {
    let mut credential = Credential {
        id: new_id(),
        user_id: input.text("user_id").unwrap_or_else(|| context.caller().user_id.clone()),
        project_id: input.text("project_id"),
        kind: input.text("type").unwrap_or_default(),
        blob: input.text("blob").unwrap_or_default(),
        extra: input.extra.clone(),
    };
    if credential.kind.eq_ignore_ascii_case(ec2::TYPE) {
        credential.id = ec2::id_of(&access_key(&blob(&credential.blob)?)?);
        check_project(&credential)?;
    }
    Ok(credential)
}

fn check_project(credential: &Credential) -> Result<(), Fault> {
    match &credential.project_id {
        Some(_) => Ok(()),
        None => Err(Fault::bad_request(
            "Invalid input for field/attribute credential. 'project_id' is a required property",
        )),
    }
}

/// The JSON of an EC2 credential.
fn blob(text: &str) -> Result<Map<String, Value>, Fault> {
    match serde_json::from_str(text) {
        Ok(Value::Object(blob)) if !blob.is_empty() => Ok(blob),
        Ok(_) => Err(Fault::missing("blob", "credential")),
        Err(_) => Err(Fault::bad_request("Invalid blob in credential")),
    }
}

fn access_key(blob: &Map<String, Value>) -> Result<String, Fault> {
    let access = blob.get("access").and_then(Value::as_str).filter(|access| !access.is_empty());
    access.map(str::to_owned).ok_or_else(|| Fault::missing("access", "credential"))
}

pub async fn patch(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    let before = visible(&app, &context, &id, "identity:update_credential").await?;
    let input = SCHEMA.update(&body, &id, |_| json!(before.user_id))?;
    let after = changed(&before, &input)?;
    let keys = app.credential_keys.clone();
    let work = app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            store::update(tx, &keys, &after).await?;
            Ok(after)
        })
    });
    let credential = work.await?;
    Ok(keyed(StatusCode::OK, SCHEMA.key, view(&credential, &context)))
}

/// What the body makes of it. The scope an EC2 key was made in stays (K09).
fn changed(before: &Credential, input: &Input) -> Result<Credential, Fault> {
    let mut after = before.clone();
    after.project_id = input.text_or("project_id", before.project_id.clone());
    after.kind = input.text("type").unwrap_or_else(|| before.kind.clone());
    after.blob = input.text("blob").unwrap_or_else(|| before.blob.clone());
    after.extra = input.merged_extra(&before.extra);
    if after.kind.eq_ignore_ascii_case(ec2::TYPE) {
        let new = blob(&after.blob)?;
        access_key(&new)?;
        check_project(&after)?;
        let old = blob(&before.blob).unwrap_or_default();
        let moved = ["trust_id", "app_cred_id", "access_token_id", "access_id"].into_iter().find(|key| {
            old.get(*key).filter(|value| !value.is_null()) != new.get(*key).filter(|value| !value.is_null())
        });
        if let Some(key) = moved {
            return Err(Fault::bad_request(format!("{key} can not be updated for credential")));
        }
    }
    Ok(after)
}

pub async fn delete(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    visible(&app, &context, &id, "identity:delete_credential").await?;
    app.write(context.request_id(), move |tx| Box::pin(async move { store::delete(tx, &id).await })).await?;
    Ok(no_content())
}
