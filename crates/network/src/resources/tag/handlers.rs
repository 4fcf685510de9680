//! Requests about tags.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::attribute::check;
use isospin_api_kit::http::{Context, answer, no_content};
use isospin_api_kit::{Fault, FaultType, now_seconds};
use isospin_store_kit::{Session, Tx, values};
use serde_json::{Value, json};

use super::kinds::Kind;
use super::{LONGEST, MOST, store};
use crate::App;

type Id = Path<String>;
type IdAndTag = Path<(String, String)>;

/// `GET …/tags`
pub(super) async fn list(
    kind: &'static Kind,
    State(app): State<App>,
    Path(id): Id,
    context: Context,
) -> Result<Response, Fault> {
    let mut session = app.store.reader().await?;
    authorise(&mut session, kind, &app, &context, "get", &id).await?;
    let tags = store::of(&mut session, &id).await?;
    Ok(answer(StatusCode::OK, &json!({"tags": tags})))
}

/// `GET …/tags/{tag}`
pub(super) async fn check(
    kind: &'static Kind,
    State(app): State<App>,
    Path((id, tag)): IdAndTag,
    context: Context,
) -> Result<Response, Fault> {
    let mut session = app.store.reader().await?;
    authorise(&mut session, kind, &app, &context, "get", &id).await?;
    match store::of(&mut session, &id).await?.contains(&tag) {
        true => Ok(no_content()),
        false => Err(tag_not_found(&tag)),
    }
}

/// `PUT …/tags`
pub(super) async fn replace(
    kind: &'static Kind,
    State(app): State<App>,
    Path(id): Id,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let wanted = tags(&body)?;
    let shown = json!({"tags": wanted});
    change(kind, app, id, context, "update", move |_| Ok(wanted)).await?;
    Ok(answer(StatusCode::OK, &shown))
}

/// `POST …/tags`
pub(super) async fn add(
    kind: &'static Kind,
    State(app): State<App>,
    Path(id): Id,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let wanted = tags(&body)?;
    change(kind, app, id, context, "create", move |present| Ok(joined(present, wanted))).await?;
    Ok(answer(StatusCode::CREATED, &Value::Null))
}

/// `DELETE …/tags`
pub(super) async fn clear(
    kind: &'static Kind,
    State(app): State<App>,
    Path(id): Id,
    context: Context,
) -> Result<Response, Fault> {
    change(kind, app, id, context, "delete", |_| Ok(Vec::new())).await?;
    Ok(no_content())
}

/// `PUT …/tags/{tag}`
pub(super) async fn add_one(
    kind: &'static Kind,
    State(app): State<App>,
    Path((id, tag)): IdAndTag,
    context: Context,
) -> Result<Response, Fault> {
    let tag = one(&Value::String(tag)).map_err(|reason| Fault::invalid_attribute("tag", reason))?;
    change(kind, app, id, context, "update", move |present| Ok(joined(present, vec![tag]))).await?;
    Ok(answer(StatusCode::CREATED, &Value::Null))
}

/// `DELETE …/tags/{tag}`
pub(super) async fn remove(
    kind: &'static Kind,
    State(app): State<App>,
    Path((id, tag)): IdAndTag,
    context: Context,
) -> Result<Response, Fault> {
    change(kind, app, id, context, "delete", move |mut present| {
        let at = present.iter().position(|other| *other == tag).ok_or_else(|| tag_not_found(&tag))?;
        present.remove(at);
        Ok(present)
    })
    .await?;
    Ok(no_content())
}

/// Changes the tags of a resource the caller may change, in one unit.
async fn change<F>(
    kind: &'static Kind,
    app: App,
    id: String,
    context: Context,
    verb: &'static str,
    decide: F,
) -> Result<(), Fault>
where
    F: FnOnce(Vec<String>) -> Result<Vec<String>, Fault> + Send + 'static,
{
    let store = app.store.clone();
    let request_id = context.request_id.clone();
    store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                authorise(tx, kind, &app, &context, verb, &id).await?;
                let present = store::of(tx, &id).await?;
                let wanted = decide(present.clone())?;
                if wanted.len() > MOST {
                    return Err(Fault::bad_request(format!(
                        "A resource can have {MOST} tags, not {}",
                        wanted.len()
                    )));
                }
                write(tx, kind, &id, &present, &wanted).await
            })
        })
        .await
}

async fn write(
    tx: &mut Tx,
    kind: &Kind,
    id: &str,
    present: &[String],
    wanted: &[String],
) -> Result<(), Fault> {
    let mut statements = Vec::new();
    for tag in present.iter().filter(|tag| !wanted.contains(tag)) {
        statements.push(("DELETE FROM tags WHERE resource_id = $1 AND tag = $2", values![id, tag]));
    }
    for tag in wanted.iter().filter(|tag| !present.contains(tag)) {
        statements.push(("INSERT INTO tags (resource_id, tag) VALUES ($1, $2)", values![id, tag]));
    }
    if statements.is_empty() {
        return Ok(());
    }
    statements.push((kind.touch, values![now_seconds(), id]));
    tx.execute_many_later(statements).await?;
    Ok(())
}

/// Finds the resource and asks its policy: hidden resources are not there.
async fn authorise(
    session: &mut Session,
    kind: &Kind,
    app: &App,
    context: &Context,
    verb: &str,
    id: &str,
) -> Result<(), Fault> {
    let hidden = || {
        Fault::new(FaultType::TagResourceNotFound, format!("Resource {} {id} could not be found.", kind.path))
    };
    let facts = kind.facts(session, id, &context.caller.project_id).await?.ok_or_else(hidden)?;
    let target = facts.target();
    if !app.policy.allows(&format!("get_{}", kind.name), &context.caller, &target) {
        return Err(hidden());
    }
    app.policy.check(&kind.action(verb), &context.caller, &target)
}

fn joined(mut present: Vec<String>, new: Vec<String>) -> Vec<String> {
    present.extend(new);
    present.sort_unstable();
    present.dedup();
    present
}

/// The tags of a body, distinct, in the order given.
fn tags(body: &[u8]) -> Result<Vec<String>, Fault> {
    let document: Value =
        serde_json::from_slice(body).map_err(|_| Fault::bad_request("Body contains invalid data"))?;
    let Some(given @ Value::Array(_)) = document.get("tags") else {
        return Err(Fault::invalid_input("Invalid tags body"));
    };
    let canonical = check::list(given, one).map_err(|reason| Fault::invalid_attribute("tags", reason))?;
    Ok(canonical.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect())
}

fn one(value: &Value) -> Result<String, String> {
    let tag = check::text(value, LONGEST)?;
    if tag.is_empty() {
        return Err("a tag cannot be empty".to_owned());
    }
    Ok(tag)
}

fn tag_not_found(tag: &str) -> Fault {
    Fault::new(FaultType::TagNotFound, format!("Tag {tag} could not be found."))
}
