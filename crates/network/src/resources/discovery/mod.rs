//! What is served where: versions and health without a token, collections with one.

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use http::StatusCode;
use isospin_api_kit::http::{Context, answer, base_url, method_not_allowed};
use serde_json::{Value, json};

use crate::App;

/// `GET /` and `GET /healthcheck`.
pub fn open_routes() -> Router {
    Router::new().route("/", only_get(get(versions))).route("/healthcheck", only_get(get(async || "OK")))
}

/// `GET /v2.0`, with and without the final slash.
pub fn routes() -> Router<App> {
    Router::new().route("/v2.0", get(collections)).route("/v2.0/", get(collections))
}

/// These URLs stand outside of the router that words refusals for the others.
fn only_get(route: MethodRouter) -> MethodRouter {
    route.fallback(method_not_allowed)
}

async fn versions(request: Request) -> Response {
    let href = format!("{}/v2.0/", base_url(&request));
    let version = json!({"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": href}]});
    answer(StatusCode::OK, &json!({"versions": [version]}))
}

/// The collections every Network API has had from the start.
async fn collections(context: Context) -> Response {
    let resources: Vec<Value> = [("network", "networks"), ("subnet", "subnets"), ("port", "ports")]
        .into_iter()
        .map(|(name, collection)| {
            let href = format!("{}/v2.0/{collection}", context.base_url);
            json!({"name": name, "collection": collection, "links": [{"rel": "self", "href": href}]})
        })
        .collect();
    answer(StatusCode::OK, &json!({"resources": resources}))
}

#[cfg(test)]
mod tests;
