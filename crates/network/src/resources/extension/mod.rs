//! The list of extensions: how clients find out what works here.
//!
//! Each resource names its own; here are those that concern all of them.

use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::attribute::Form;
use isospin_api_kit::extension::Extension;
use isospin_api_kit::http::keyed;
use isospin_api_kit::{Fault, FaultType};
use serde_json::{Value, json};

use crate::resources;
use crate::resources::registration::Resource;
use crate::routes::{Route, Routes, Verb};

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(&[], routes).extensions(EXTENSIONS);

/// The URLs of extensions.
fn routes() -> Routes {
    Routes::new()
        .add(Route::token(Verb::Get, "/v2.0/extensions").gives(ALL), list)
        .add(Route::token(Verb::Get, "/v2.0/extensions/{alias}").gives(ONE), show)
}

const EXTENSION: Form = Form::Whole(&[
    ("name", Form::Text),
    ("alias", Form::Text),
    ("description", Form::Text),
    ("updated", Form::Text),
    ("links", Form::List(&Form::Text)),
]);
const ALL: Form = Form::Whole(&[("extensions", Form::List(&EXTENSION))]);
const ONE: Form = Form::Whole(&[("extension", EXTENSION)]);

/// What holds for every resource.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "standard-attr-description",
        name: "standard-attr-description",
        description: "Extension to add descriptions to standard attributes",
        updated: "2016-02-10T10:00:00-00:00",
    },
    Extension {
        alias: "standard-attr-timestamp",
        name: "Resource timestamps",
        description: "Adds created_at and updated_at fields to all Neutron resources that have Neutron standard \
                      attributes.",
        updated: "2016-09-12T10:00:00-00:00",
    },
    Extension {
        alias: "standard-attr-revisions",
        name: "Resource revision numbers",
        description: "This extension will display the revision number of neutron resources.",
        updated: "2016-04-11T10:00:00-00:00",
    },
    Extension {
        alias: "revision-if-match",
        name: "If-Match constraints based on revision_number",
        description: "Extension indicating that If-Match based on revision_number is supported.",
        updated: "2016-12-11T00:00:00-00:00",
    },
    Extension {
        alias: "dns-integration",
        name: "DNS Integration",
        description: "Provides integration with DNS.",
        updated: "2015-08-15T18:00:00-00:00",
    },
    Extension {
        alias: "project-id",
        name: "project_id field enabled",
        description: "Extension that indicates that project_id field is enabled.",
        updated: "2016-09-09T09:09:09-09:09",
    },
    Extension {
        alias: "pagination",
        name: "Pagination support",
        description: "Extension that indicates that pagination is enabled.",
        updated: "2016-06-12T00:00:00-00:00",
    },
    Extension {
        alias: "sorting",
        name: "Sorting support",
        description: "Extension that indicates that sorting is enabled.",
        updated: "2016-06-12T00:00:00-00:00",
    },
    Extension {
        alias: "sort-key-validation",
        name: "Sort keys validation",
        description: "Provides validation on sort keys.",
        updated: "2018-07-04T10:00:00-00:00",
    },
    Extension {
        alias: "empty-string-filtering",
        name: "Empty String Filtering Extension",
        description: "Allow filtering by attributes with empty string value",
        updated: "2018-05-01T10:00:00-00:00",
    },
    Extension {
        alias: "filter-validation",
        name: "Filter parameters validation",
        description: "Provides validation on filter parameters.",
        updated: "2018-07-04T10:00:00-00:00",
    },
];

async fn list() -> Response {
    keyed(StatusCode::OK, "extensions", resources::extensions().map(view).collect::<Vec<_>>())
}

async fn show(Path(alias): Path<String>) -> Result<Response, Fault> {
    match resources::extensions().find(|extension| extension.alias == alias) {
        Some(extension) => Ok(keyed(StatusCode::OK, "extension", view(extension))),
        None => {
            Err(Fault::new(FaultType::HTTPNotFound, format!("Extension with alias {alias} does not exist")))
        }
    }
}

fn view(extension: &Extension) -> Value {
    json!({
        "name": extension.name,
        "alias": extension.alias,
        "description": extension.description,
        "updated": extension.updated,
        "links": [],
    })
}

#[cfg(test)]
mod tests;
