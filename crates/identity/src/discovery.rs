//! Which versions there are: the root and `/v3`, without a token.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::LOCATION;
use isospin_api_kit::http::answer;
use serde_json::{Value, json};

use crate::request::Origin;
use crate::routes::{Routes, Verb};

pub fn routes() -> Routes {
    Routes::new().open(Verb::Get, "/", versions).open(Verb::Get, "/v3", version)
}

async fn versions(origin: Origin) -> Response {
    let body = json!({"versions": {"values": [entry(&origin.root)]}});
    let location = [(LOCATION, format!("{}/v3/", origin.root))];
    (location, answer(StatusCode::MULTIPLE_CHOICES, &body)).into_response()
}

async fn version(origin: Origin) -> Response {
    answer(StatusCode::OK, &json!({"version": entry(&origin.root)}))
}

fn entry(root: &str) -> Value {
    json!({
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": format!("{root}/v3/")}],
        "media-types": [{
            "base": "application/json",
            "type": "application/vnd.openstack.identity-v3+json",
        }],
    })
}
