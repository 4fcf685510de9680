//! `/v3/users/{user_id}/credentials/OS-EC2`: EC2 keys, made here.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::http::{keyed, no_content};
use isospin_api_kit::policy::Target;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{Credential, refuse_delegated, store};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::listing::collection;
use crate::request::{Context, RawBody};
use crate::resources::{new_id, project, user};

/// The type of these credentials.
pub const TYPE: &str = "ec2";

/// The id of the credential with this access key: its SHA-256.
pub fn id_of(access: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(access.as_bytes()).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn view(credential: &Credential, context: &Context) -> Value {
    let blob: Map<String, Value> = serde_json::from_str(&credential.blob).unwrap_or_default();
    let part = |key: &str| blob.get(key).cloned().unwrap_or_default();
    let access = part("access").as_str().unwrap_or_default().to_owned();
    let link = context.link(format_args!("users/{}/credentials/OS-EC2/{access}", credential.user_id));
    json!({
        "user_id": credential.user_id,
        "tenant_id": credential.project_id,
        "access": access,
        "secret": part("secret"),
        "trust_id": part("trust_id"),
        "links": {"self": link},
    })
}

pub async fn list(
    State(app): State<IdentityApp>,
    context: Context,
    Path(user_id): Path<String>,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:ec2_list_credentials", &Target::new().with("user_id", &user_id))?;
    let mut reader = app.store.reader().await?;
    user::require(&mut reader, &user_id).await?;
    refuse_delegated(&context)?;
    let found = store::of_user(&mut reader, &app.credential_keys, &user_id, TYPE).await?;
    Ok(collection(&context, "credentials", found.iter().map(|found| view(found, &context)).collect()))
}

pub async fn create(
    State(app): State<IdentityApp>,
    context: Context,
    Path(user_id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    let target = Target::new().with("user_id", &user_id).with("target.credential.user_id", &user_id);
    context.enforce(&app, "identity:ec2_create_credential", &target)?;
    refuse_delegated(&context)?;
    let document: Value = serde_json::from_slice(&body).unwrap_or_default();
    let tenant = document.get("tenant_id").and_then(Value::as_str);
    let project_id = tenant.ok_or_else(|| Fault::missing("tenant_id", "request body"))?.to_owned();
    let (access, secret) = (new_id(), new_id());
    let blob = json!({"access": access, "secret": secret, "trust_id": null}).to_string();
    let credential = Credential {
        id: id_of(&access),
        user_id,
        project_id: Some(project_id.clone()),
        kind: TYPE.to_owned(),
        blob,
        extra: Map::new(),
    };
    let keys = app.credential_keys.clone();
    let work = app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            user::require(tx, &credential.user_id).await?;
            project::get_any(tx, &project_id).await?;
            store::insert(tx, &keys, &credential).await?;
            Ok(credential)
        })
    });
    let credential = work.await?;
    Ok(keyed(StatusCode::CREATED, "credential", view(&credential, &context)))
}

/// The EC2 key of the user, if the caller may do this with keys of that user.
async fn visible(
    app: &IdentityApp,
    context: &Context,
    (user_id, access): (&str, &str),
    action: &str,
) -> Result<Credential, Fault> {
    let found = store::find(&mut *app.store.reader().await?, &app.credential_keys, &id_of(access)).await?;
    let found = found.filter(|found| found.kind == TYPE && found.user_id == user_id);
    // Whose key it would be is in the URL: its owner may know that there is none.
    let target = Target::new().with("user_id", user_id).with("target.credential.user_id", user_id);
    context.enforce(app, action, &target)?;
    refuse_delegated(context)?;
    found.ok_or_else(|| Fault::not_found("credential", access))
}

pub async fn show(
    State(app): State<IdentityApp>,
    context: Context,
    Path((user_id, access)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let credential = visible(&app, &context, (&user_id, &access), "identity:ec2_get_credential").await?;
    Ok(keyed(StatusCode::OK, "credential", view(&credential, &context)))
}

pub async fn delete(
    State(app): State<IdentityApp>,
    context: Context,
    Path((user_id, access)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let credential = visible(&app, &context, (&user_id, &access), "identity:ec2_delete_credential").await?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move { store::delete(tx, &credential.id).await })
    })
    .await?;
    Ok(no_content())
}
