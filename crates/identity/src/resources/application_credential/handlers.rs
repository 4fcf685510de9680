//! `/v3/users/{user_id}/application_credentials`.

use axum::extract::{Path, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use isospin_api_kit::http::{keyed, no_content};
use isospin_api_kit::policy::Target;
use isospin_store_kit::{Tx, Value as SqlValue};
use serde_json::{Value, json};

use super::access_rules::{self, ACCESS_RULE};
use super::{ApplicationCredential, store};
use crate::IdentityApp;
use crate::delegation::Delegation;
use crate::fault::Fault;
use crate::input::{Field, Input, Kind, Schema};
use crate::listing::{Filter, page, restrict};
use crate::request::{Context, RawBody};
use crate::resources::{held, microsecond_time, new_id};
use crate::tokens::scope::{Named, Scope};

const ROLE: &[Field] = &[Field::new("id", Kind::Id), Field::new("name", Kind::Name(255))];

const SCHEMA: Schema = Schema {
    key: "application_credential",
    fields: &[
        Field::required("name", Kind::Name(255)),
        Field::nullable("description", Kind::Text),
        Field::nullable("secret", Kind::Password),
        Field::nullable("expires_at", Kind::Time),
        Field::nullable("unrestricted", Kind::Flag),
        Field::new("roles", Kind::Objects(ROLE)),
        Field::new("access_rules", Kind::Objects(ACCESS_RULE)),
        // Read-only, but clients send them along.
        Field::nullable("project_id", Kind::Id),
        Field::nullable("user_id", Kind::Id),
        Field::nullable("system", Kind::Text),
    ],
    fixed: &[],
};

const FILTERS: &[Filter] = &[Filter::text("name", "name")];

fn view(credential: &ApplicationCredential, context: &Context) -> Value {
    let roles: Vec<Value> = credential
        .roles
        .iter()
        .map(|role| json!({"id": role.id, "name": role.name, "domain_id": null}))
        .collect();
    let path = format!("users/{}/application_credentials/{}", credential.user_id, credential.id);
    let mut view = json!({
        "id": credential.id,
        "name": credential.name,
        "description": credential.description,
        "user_id": credential.user_id,
        "project_id": credential.project_id,
        "system": null,
        "expires_at": credential.expires_at.map(|time| microsecond_time(time, "")),
        "unrestricted": credential.unrestricted,
        "roles": roles,
        "links": {"self": context.link(path)},
    });
    if !credential.access_rules.is_empty() {
        view["access_rules"] = credential.access_rules.iter().map(super::AccessRule::brief).collect();
    }
    view
}

/// K04: who acts by a trust has no business with the credentials of the trustor.
pub fn refuse_trusts(context: &Context) -> Result<(), Fault> {
    match &context.token.delegation {
        Some(Delegation::Trust { .. }) => {
            Err(Fault::refused("Cannot manage application credentials with a token issued via delegation."))
        }
        Some(Delegation::ApplicationCredential { .. }) | None => Ok(()),
    }
}

/// K15: a restricted application credential makes and deletes no others.
fn refuse_restricted(context: &Context) -> Result<(), Fault> {
    Delegation::check_unrestricted(
        context.token.delegation.as_ref(),
        "Using method 'application_credential' is not allowed for managing additional application credentials.",
    )
}

pub async fn list(
    State(app): State<IdentityApp>,
    context: Context,
    Path(user_id): Path<String>,
) -> Result<Response, Fault> {
    let target = Target::new().with("user_id", &user_id);
    context.enforce(&app, "identity:list_application_credentials", &target)?;
    refuse_trusts(&context)?;
    let mut select = store::of_user(&user_id);
    restrict(&mut select, "id", FILTERS, &context)?;
    let found = store::all(&mut *app.store.reader().await?, select).await?;
    let items = found.iter().map(|credential| view(credential, &context)).collect();
    page(&context, "application_credentials", items)
}

/// The credential, if the caller may do this with it. Whose it is decides, not whose
/// the URL says it is.
async fn visible(
    app: &IdentityApp,
    context: &Context,
    (user_id, id): (&str, &str),
    action: &str,
) -> Result<ApplicationCredential, Fault> {
    let found = store::by_id(&mut *app.store.reader().await?, id).await?;
    let owner = found.as_ref().map_or(user_id, |credential| &credential.user_id);
    context.enforce(app, action, &Target::new().with("user_id", owner))?;
    refuse_trusts(context)?;
    found
        .filter(|credential| credential.user_id == user_id)
        .ok_or_else(|| Fault::not_found("application credential", id))
}

pub async fn show(
    State(app): State<IdentityApp>,
    context: Context,
    Path((user_id, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let action = "identity:get_application_credential";
    let credential = visible(&app, &context, (&user_id, &id), action).await?;
    Ok(keyed(StatusCode::OK, SCHEMA.key, view(&credential, &context)))
}

pub async fn create(
    State(app): State<IdentityApp>,
    context: Context,
    Path(user_id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    let target = Target::new().with("user_id", &user_id);
    context.enforce(&app, "identity:create_application_credential", &target)?;
    refuse_trusts(&context)?;
    refuse_restricted(&context)?;
    let input = SCHEMA.create(&body)?;
    if context.caller().user_id != user_id {
        return Err(Fault::forbidden("Cannot create an application credential for another user."));
    }
    let Scope::Project(project) = &context.token.scope else {
        return Err(Fault::bad_request(
            "Invalid application credential: it is made with a token scoped to the project it is for",
        ));
    };
    input.check_end("expires_at")?;
    let secret = input.text("secret").filter(|secret| !secret.is_empty()).unwrap_or_else(new_secret);
    let secret_hash = app.passwords.hash(&secret).await?;
    let blank = ApplicationCredential {
        id: new_id(),
        user_id,
        project_id: project.id.clone(),
        name: input.text("name").unwrap_or_default(),
        description: input.text("description"),
        secret_hash,
        expires_at: input.time("expires_at"),
        unrestricted: input.flag("unrestricted").unwrap_or(false),
        roles: Vec::new(),
        access_rules: Vec::new(),
    };
    let own = context.token.roles.clone();
    let stored = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move { store_new(tx, blank, &input, &own).await })
        })
        .await?;
    let mut view = view(&stored, &context);
    view["secret"] = json!(secret);
    Ok(keyed(StatusCode::CREATED, SCHEMA.key, view))
}

/// 64 random bytes as text.
fn new_secret() -> String {
    let bytes: [u8; 64] = rand::random();
    URL_SAFE_NO_PAD.encode(bytes)
}

async fn store_new(
    tx: &mut Tx,
    mut credential: ApplicationCredential,
    input: &Input,
    own: &[Named],
) -> Result<ApplicationCredential, Fault> {
    if store::by_name(tx, &credential.user_id, &credential.name).await?.is_some() {
        return Err(Fault::conflict(
            "application_credential",
            &format!("Duplicate entry found with name {}", credential.name),
        ));
    }
    credential.roles = roles(tx, input, own).await?;
    for given in input.objects("access_rules").unwrap_or_default() {
        let rule = access_rules::stored(tx, &credential.user_id, &given).await?;
        if credential.access_rules.iter().all(|known| known.id != rule.id) {
            credential.access_rules.push(rule);
        }
    }
    store::insert(tx, &credential).await?;
    Ok(credential)
}

/// The roles asked for and all they imply, else all of the token; none the token has not (K10).
async fn roles(tx: &mut Tx, input: &Input, own: &[Named]) -> Result<Vec<Named>, Fault> {
    let asked = input.objects("roles").unwrap_or_default();
    if asked.is_empty() {
        return Ok(own.to_vec());
    }
    let ids: Option<Vec<SqlValue>> =
        asked.iter().map(|role| held::named(role, own).map(|role| (&role.id).into())).collect();
    let roles = held::with_implied(tx, ids.ok_or_else(unassigned)?).await?;
    if roles.iter().all(|role| own.contains(role)) { Ok(roles) } else { Err(unassigned()) }
}

fn unassigned() -> Fault {
    Fault::bad_request(
        "Invalid application credential: Cannot create an application credential with unassigned role",
    )
}

pub async fn delete(
    State(app): State<IdentityApp>,
    context: Context,
    Path((user_id, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let action = "identity:delete_application_credential";
    let credential = visible(&app, &context, (&user_id, &id), action).await?;
    refuse_restricted(&context)?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            let gone = store::delete(tx, &credential.id).await?;
            if gone { Ok(()) } else { Err(Fault::not_found("application credential", &credential.id)) }
        })
    })
    .await?;
    Ok(no_content())
}
