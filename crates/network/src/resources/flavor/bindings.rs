//! The profiles of a flavor, and the provider they lead to.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::attribute::{Absent, Attribute, Check, ResourceType};
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Bodies, Body, Caller, Fault, FaultType};
use isospin_store_kit::Session;
use isospin_types::{FlavorId, ServiceProfileId};
use serde_json::json;

use super::handlers::visible;
use super::model::Flavor;
use super::store;
use crate::App;
use crate::resources::service_profile;
use crate::resources::service_profile::handlers::driver_not_found;
use crate::resources::service_provider::{self, Provider};

/// `POST /v2.0/flavors/{id}/service_profiles`
pub async fn create(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let profile_id = named_profile(&body)?;
    let store = app.store.clone();
    let request_id = context.request_id.clone();
    let flavor_id = store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                let mut flavor = visible(tx, &app, &context.caller, &id).await?;
                app.policy.check("create_flavor_service_profile", &context.caller, &Target::new())?;
                if flavor.profiles.contains(&profile_id) {
                    return Err(Fault::new(
                        FaultType::FlavorServiceProfileBindingExists,
                        format!(
                            "Service Profile {profile_id} is already associated with flavor {}.",
                            flavor.id
                        ),
                    ));
                }
                if store::missing_profile(tx, &[profile_id]).await?.is_some() {
                    return Err(service_profile::not_found(profile_id));
                }
                flavor.profiles.push(profile_id);
                store::save(tx, &flavor).await?;
                Ok::<_, Fault>(flavor.id)
            })
        })
        .await?;
    // The reference answers with the flavor's id, whatever the key says.
    Ok(keyed(StatusCode::CREATED, service_profile::TYPE.name, json!({"id": flavor_id.to_string()})))
}

/// What a client says to bind a profile.
const BINDING: ResourceType = ResourceType {
    name: "service_profile",
    collection: "service_profiles",
    attributes: &[&[Attribute::fixed("id", Check::Uuid, Absent::Required)]],
};

fn named_profile(body: &[u8]) -> Result<ServiceProfileId, Fault> {
    match Body::create(&BINDING, body)? {
        Bodies::One(body) => body.parsed("id").ok_or_else(Fault::not_found),
        Bodies::Many(_) => Err(Fault::bad_request("Bulk operation not supported")),
    }
}

/// `DELETE /v2.0/flavors/{id}/service_profiles/{profile_id}`; a body is accepted and
/// ignored, as the reference does.
pub async fn delete(
    State(app): State<App>,
    Path((id, child)): Path<(String, String)>,
    context: Context,
) -> Result<Response, Fault> {
    let store = app.store.clone();
    let request_id = context.request_id.clone();
    store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                let mut flavor = visible(tx, &app, &context.caller, &id).await?;
                app.policy.check("delete_flavor_service_profile", &context.caller, &Target::new())?;
                let before = flavor.profiles.len();
                flavor.profiles.retain(|profile| profile.to_string() != child);
                if flavor.profiles.len() == before {
                    return Err(not_bound(&child, flavor.id));
                }
                store::save(tx, &flavor).await?;
                Ok::<_, Fault>(())
            })
        })
        .await?;
    Ok(no_content())
}

fn not_bound(profile: &str, flavor: FlavorId) -> Fault {
    Fault::new(
        FaultType::FlavorServiceProfileBindingNotFound,
        format!("Service Profile {profile} is not associated with flavor {flavor}."),
    )
}

/// `GET /v2.0/flavors/{id}/next_providers`
pub async fn next_providers(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let mut session = app.store.reader().await?;
    let (_, provider) = provider_of(&mut session, &app, &context.caller, &id).await?;
    let shown = json!([{"driver": provider.driver, "provider": provider.name}]);
    Ok(keyed(StatusCode::OK, "next_providers", shown))
}

/// The provider a new service of this flavor gets: that of the flavor's first profile.
///
/// # Errors
/// 404 for a flavor, profile or driver that is not there; 503 for one switched off.
pub async fn provider_of(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    flavor_id: &str,
) -> Result<(Flavor, &'static Provider), Fault> {
    let flavor = visible(session, app, caller, flavor_id).await?;
    if !flavor.enabled {
        return Err(Fault::new(FaultType::FlavorDisabled, "Flavor is not enabled."));
    }
    let Some(first) = flavor.profiles.first() else { return Err(not_bound("", flavor.id)) };
    let profile = service_profile::store::get(session, *first)
        .await?
        .ok_or_else(|| service_profile::not_found(first))?;
    if !profile.enabled {
        return Err(Fault::new(FaultType::ServiceProfileDisabled, "Service Profile is not enabled."));
    }
    match service_provider::of_driver(&profile.driver) {
        Some(provider) => Ok((flavor, provider)),
        None => Err(driver_not_found(&profile.driver)),
    }
}
