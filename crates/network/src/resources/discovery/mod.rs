//! What is served where: versions and health without a token, collections with one.

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::attribute::{Form, ResourceType};
use isospin_api_kit::http::{Context, answer, base_url};
use serde_json::{Value, json};

use crate::resources::registration::Resource;
use crate::resources::{network, port, subnet, subnet_pool};
use crate::routes::{Route, Routes, Verb};

const LINKS: Form = Form::List(&Form::Whole(&[("rel", Form::Text), ("href", Form::Text)]));
const VERSIONS: Form = Form::Whole(&[(
    "versions",
    Form::List(&Form::Whole(&[("id", Form::Text), ("status", Form::Text), ("links", LINKS)])),
)]);
const COLLECTIONS: Form = Form::Whole(&[(
    "resources",
    Form::List(&Form::Whole(&[("name", Form::Text), ("collection", Form::Text), ("links", LINKS)])),
)]);

/// `GET /` and `GET /healthcheck`.
pub fn open_routes() -> Routes<()> {
    Routes::new()
        .add(Route::open("/").gives(VERSIONS), versions)
        .add(Route::open("/healthcheck").gives(Form::Text), async || "OK")
}

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(&[], routes);

/// `GET /v2.0`, with and without the final slash.
fn routes() -> Routes {
    Routes::new()
        .add(Route::token(Verb::Get, "/v2.0").gives(COLLECTIONS), collections)
        .add(Route::token(Verb::Get, "/v2.0/").gives(COLLECTIONS), collections)
}

async fn versions(request: Request) -> Response {
    let href = format!("{}/v2.0/", base_url(&request));
    let version = json!({"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": href}]});
    answer(StatusCode::OK, &json!({"versions": [version]}))
}

/// The collections every Network API has had from the start.
async fn collections(context: Context) -> Response {
    let resources: Vec<Value> = [network::TYPE, subnet::TYPE, subnet_pool::TYPE, port::TYPE]
        .into_iter()
        .map(|ResourceType { name, collection, .. }| {
            let href = format!("{}/v2.0/{collection}", context.base_url);
            json!({"name": name, "collection": collection, "links": [{"rel": "self", "href": href}]})
        })
        .collect();
    answer(StatusCode::OK, &json!({"resources": resources}))
}

#[cfg(test)]
mod tests;
