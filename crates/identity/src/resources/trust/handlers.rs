//! `/v3/OS-TRUST/trusts`.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::http::{keyed, no_content};
use isospin_api_kit::policy::Target;
use isospin_store_kit::{Session, Tx};
use serde_json::{Value, json};

use super::{Trust, roles, rules, store};
use crate::IdentityApp;
use crate::delegation::Delegation;
use crate::fault::Fault;
use crate::input::{Field, Input, Kind, Schema};
use crate::listing::{Filter, page, restrict};
use crate::request::{Context, RawBody};
use crate::resources::{finish, microsecond_time, new_id, project, user};
use crate::tokens::scope::Named;

const ROLE: &[Field] = &[Field::new("id", Kind::Id), Field::new("name", Kind::Name(255))];

pub const SCHEMA: Schema = Schema {
    key: "trust",
    fields: &[
        Field::required("trustor_user_id", Kind::Id),
        Field::required("trustee_user_id", Kind::Id),
        Field::required("impersonation", Kind::Flag),
        Field::nullable("project_id", Kind::Id),
        Field::nullable("expires_at", Kind::Time),
        Field::nullable("remaining_uses", Kind::Number(1)),
        Field::nullable("allow_redelegation", Kind::Flag),
        Field::nullable("redelegation_count", Kind::Number(0)),
        Field::new("roles", Kind::Objects(ROLE)),
        // Follows from the token it is made with.
        Field::nullable("redelegated_trust_id", Kind::Id),
    ],
    fixed: &[],
};

const FILTERS: &[Filter] =
    &[Filter::id("trustor_user_id", "trustor_user_id"), Filter::id("trustee_user_id", "trustee_user_id")];

/// As lists show it: without roles.
fn brief(trust: &Trust, context: &Context) -> Value {
    let mut view = json!({
        "id": trust.id,
        "trustor_user_id": trust.trustor_user_id,
        "trustee_user_id": trust.trustee_user_id,
        "project_id": trust.project_id,
        "impersonation": trust.impersonation,
        "expires_at": trust.expires_at.map(|time| microsecond_time(time, "Z")),
        "remaining_uses": trust.remaining_uses,
        "redelegation_count": trust.redelegation_count,
        "redelegated_trust_id": trust.redelegated_trust_id,
        "deleted_at": null,
    });
    finish(&mut view, &trust.extra, context.link(format_args!("OS-TRUST/trusts/{}", trust.id)));
    view
}

async fn view(session: &mut Session, trust: &Trust, context: &Context) -> Result<Value, Fault> {
    let mut view = brief(trust, context);
    view["roles"] = roles::views(session, trust, context).await?;
    view["roles_links"] = roles::links(trust, context);
    Ok(view)
}

/// Application credentials that are restricted have nothing to do with trusts (K10).
pub fn refuse_restricted(context: &Context) -> Result<(), Fault> {
    match &context.token.delegation {
        Some(Delegation::ApplicationCredential { restricted: true, .. }) => {
            Err(Fault::forbidden("Delegated tokens cannot manage trusts."))
        }
        Some(_) | None => Ok(()),
    }
}

/// The trust, if the caller may do this with it.
pub async fn visible(app: &IdentityApp, context: &Context, id: &str, action: &str) -> Result<Trust, Fault> {
    let trust = store::find(&mut *app.store.reader().await?, id).await?;
    let trust = trust.filter(|trust| trust.remaining_uses != Some(0));
    let trust = trust.ok_or_else(|| Fault::not_found("trust", id))?;
    context.enforce(app, action, &trust.target())?;
    refuse_restricted(context)?;
    Ok(trust)
}

pub async fn list(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    let of = |key: &str| context.query(key).filter(|id| !id.is_empty());
    match (of("trustor_user_id"), of("trustee_user_id")) {
        (Some(id), _) => {
            let target = Target::new().with("target.trust.trustor_user_id", id);
            context.enforce(&app, "identity:list_trusts_for_trustor", &target)?;
        }
        (None, Some(id)) => {
            let target = Target::new().with("target.trust.trustee_user_id", id);
            context.enforce(&app, "identity:list_trusts_for_trustee", &target)?;
        }
        (None, None) => context.enforce(&app, "identity:list_trusts", &Target::new())?,
    }
    refuse_restricted(&context)?;
    let mut select = store::select();
    restrict(&mut select, "id", FILTERS, &context)?;
    select.condition("(remaining_uses IS NULL OR remaining_uses > 0)");
    let found = store::all(&mut *app.store.reader().await?, select).await?;
    page(&context, "trusts", found.iter().map(|trust| brief(trust, &context)).collect())
}

pub async fn show(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let trust = visible(&app, &context, &id, "identity:get_trust").await?;
    let view = view(&mut *app.store.reader().await?, &trust, &context).await?;
    Ok(keyed(StatusCode::OK, SCHEMA.key, view))
}

pub async fn create(
    State(app): State<IdentityApp>,
    context: Context,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    let input = context.read(&app, "identity:create_trust", SCHEMA.create(&body))?;
    let trustor = input.text("trustor_user_id").unwrap_or_default();
    let target = Target::new().with("target.trust.trustor_user_id", &trustor);
    context.enforce(&app, "identity:create_trust", &target)?;
    refuse_restricted(&context)?;
    input.check_end("expires_at")?;
    if trustor != context.caller().user_id {
        return Err(Fault::forbidden("The authenticated user should match the trustor"));
    }
    let source = context.token.delegation.clone();
    let own = context.token.roles.clone();
    let trust = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move { store_new(tx, &input, source.as_ref(), &own).await })
        })
        .await?;
    let view = view(&mut *app.store.reader().await?, &trust, &context).await?;
    Ok(keyed(StatusCode::CREATED, SCHEMA.key, view))
}

async fn store_new(
    tx: &mut Tx,
    input: &Input,
    source: Option<&Delegation>,
    own: &[Named],
) -> Result<Trust, Fault> {
    let parent = match source.and_then(Delegation::trust_id) {
        Some(id) => Some(store::find(tx, id).await?.ok_or_else(|| Fault::not_found("trust", id))?),
        None => None,
    };
    let mut trust = Trust {
        id: new_id(),
        trustor_user_id: input.text("trustor_user_id").unwrap_or_default(),
        trustee_user_id: input.text("trustee_user_id").unwrap_or_default(),
        project_id: input.text("project_id").filter(|id| !id.is_empty()),
        impersonation: input.flag("impersonation").unwrap_or(false),
        roles: Vec::new(),
        expires_at: input.time("expires_at"),
        remaining_uses: input.number("remaining_uses"),
        redelegation_count: rules::redelegation_count(input, parent.as_ref())?,
        redelegated_trust_id: None,
        extra: input.extra.clone(),
    };
    user::require(tx, &trust.trustee_user_id).await?;
    if let Some(id) = &trust.project_id {
        project::get_any(tx, id).await?;
    }
    trust.roles = roles::trusted(tx, &trust, input, parent.as_ref()).await?;
    if let Some(parent) = &parent {
        rules::hand_on(&mut trust, parent)?;
    }
    // What an application credential was not given, it cannot give to others.
    let delegated = source.is_some() && parent.is_none();
    if delegated && trust.roles.iter().any(|role| !own.contains(role)) {
        return Err(Fault::forbidden("Delegated tokens cannot manage trusts."));
    }
    store::insert(tx, &trust).await?;
    Ok(trust)
}

pub async fn delete(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let trust = visible(&app, &context, &id, "identity:delete_trust").await?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            let gone = store::delete(tx, &trust.id).await?;
            if gone { Ok(()) } else { Err(Fault::not_found("trust", &trust.id)) }
        })
    })
    .await?;
    Ok(no_content())
}
