//! Requests about availability.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::Fault;
use isospin_api_kit::http::{Context, answer};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;

use super::view::{Shown, ShownList};
use super::{TYPE, store};
use crate::App;
use crate::resources::network;

/// The one rule: who may read may read all.
const ACTION: &str = "get_network_ip_availability";

/// `GET /v2.0/network-ip-availabilities`; empty for those who may not know.
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    // Pages tell ids of what is on them: others' networks are none of theirs.
    let sees_all = app.policy.allows(ACTION, &context.caller, &Target::owned_by(""));
    let only = (!sees_all).then(|| context.caller.project_id.clone());
    let (found, query) = app
        .store
        .read_apart(move |session| {
            Box::pin(async move {
                let found = store::list(session, &query, only.as_deref()).await?;
                Ok::<_, Fault>((found, query))
            })
        })
        .await?;
    let ids: Vec<String> = found.iter().map(|each| each.network_id.to_string()).collect();
    let items = found
        .iter()
        .filter(|each| app.policy.allows(ACTION, &context.caller, &Target::owned_by(&each.project_id)))
        .map(|availability| Shown { availability, fields: &query.fields })
        .collect();
    let links = query.links(&context.url(), &ids);
    Ok(answer(StatusCode::OK, &ShownList { items, links }))
}

/// `GET /v2.0/network-ip-availabilities/{network_id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let found = match id.parse() {
        Ok(known) => store::get(&mut session, known).await?,
        Err(_) => None,
    };
    let availability = found.ok_or_else(|| network::rules::not_found(&id))?;
    if !app.policy.allows(ACTION, &context.caller, &Target::owned_by(&availability.project_id)) {
        // As for a network that is not there: which exist is nobody else's business.
        return Err(network::rules::not_found(&id));
    }
    let shown = Shown { availability: &availability, fields: &query.fields };
    Ok(answer(StatusCode::OK, &BTreeMap::from([(TYPE.name, shown)])))
}
