//! Endpoints: where a service is, for whom, in which region.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::http::{keyed, no_content};
use isospin_api_kit::policy::{Rule, Target};
use isospin_store_kit::query::Select;
use isospin_store_kit::{Columns, Row, Session, StoreError, Tx, Value as SqlValue, values};
use serde_json::{Map, Value, json};

use super::endpoint_filter::visible::Given;
use super::{catalog, region, service};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::{Field, Input, Kind, Schema, stored_object};
use crate::listing::{Filter, page, restrict};
use crate::request::{Context, RawBody};
use crate::routes::Routes;

pub const RULES: &[Rule] = &[
    Rule::new("identity:list_endpoints", "rule:reads_all"),
    Rule::new("identity:get_endpoint", "rule:reads_all"),
    Rule::new("identity:create_endpoint", "rule:admin_required"),
    Rule::new("identity:update_endpoint", "rule:admin_required"),
    Rule::new("identity:delete_endpoint", "rule:admin_required"),
];

/// For whom an endpoint is.
pub const INTERFACES: &[&str] = &["admin", "internal", "public"];

const SCHEMA: Schema = Schema {
    key: "endpoint",
    fields: &[
        Field::required("interface", Kind::OneOf(INTERFACES)),
        Field::required("service_id", Kind::Id),
        Field::required("url", Kind::Url),
        Field::nullable("region_id", Kind::Id),
        // The older name, which makes the region when it is not there.
        Field::nullable("region", Kind::Id),
        Field::new("enabled", Kind::Flag),
    ],
    fixed: &[],
};

const FILTERS: &[Filter] = &[
    Filter::id("interface", "interface"),
    Filter::id("service_id", "service_id"),
    Filter::id("region_id", "region_id"),
    Filter::id("region", "region_id"),
    Filter::flag("enabled", "enabled"),
];

const COLUMNS: &str = "id, service_id, interface, region_id, url, enabled, extra";

/// An endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    pub id: String,
    pub service_id: String,
    interface: String,
    region_id: Option<String>,
    url: String,
    enabled: bool,
    extra: Map<String, Value>,
}

impl Endpoint {
    fn read(row: Row) -> Result<Self, StoreError> {
        let mut columns: Columns = row.columns();
        Ok(Self {
            id: columns.text()?,
            service_id: columns.text()?,
            interface: columns.text()?,
            region_id: columns.opt_text()?,
            url: columns.text()?,
            enabled: columns.flag()?,
            extra: stored_object(&columns.text()?),
        })
    }

    fn changed(&self, input: &Input) -> Self {
        let legacy = input.text_or("region", self.region_id.clone());
        Self {
            service_id: input.text("service_id").unwrap_or_else(|| self.service_id.clone()),
            interface: input.text("interface").unwrap_or_else(|| self.interface.clone()),
            region_id: input.text_or("region_id", legacy),
            url: input.text("url").unwrap_or_else(|| self.url.clone()),
            enabled: input.flag("enabled").unwrap_or(self.enabled),
            extra: input.merged_extra(&self.extra),
            ..self.clone()
        }
    }

    /// Whether it is among what a project was given.
    pub fn is_given(&self, given: &Given) -> bool {
        given.has(&self.id, &self.interface, &self.service_id, self.region_id.as_deref())
    }

    /// As the wire shows it.
    pub fn view(&self, context: &Context) -> Value {
        let mut view = json!({
            "id": self.id,
            "interface": self.interface,
            "region_id": self.region_id,
            "service_id": self.service_id,
            "url": self.url,
            "enabled": self.enabled,
            "region": self.region_id,
        });
        super::finish(&mut view, &self.extra, context.link(format_args!("endpoints/{}", self.id)));
        view
    }

    fn values(&self) -> Vec<SqlValue> {
        values![
            &self.service_id,
            &self.interface,
            self.region_id.clone(),
            &self.url,
            self.enabled,
            super::json_text(&self.extra),
            &self.id,
        ]
    }
}

/// A SELECT over endpoints.
pub fn select() -> Select {
    Select::new(COLUMNS, "endpoints")
}

/// The endpoints a SELECT of [`select`] finds.
pub async fn select_all(session: &mut Session, select: Select) -> Result<Vec<Endpoint>, StoreError> {
    let (sql, values) = select.build();
    session.rows(&sql, values).await?.into_iter().map(Endpoint::read).collect()
}

/// One endpoint, or 404.
pub async fn require(session: &mut Session, id: &str) -> Result<Endpoint, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM endpoints WHERE id = $1");
    let row = session.row(&sql, values![id]).await?.ok_or_else(|| Fault::not_found("endpoint", id))?;
    Ok(Endpoint::read(row)?)
}

pub fn routes() -> Routes {
    Routes::new()
        .get("/v3/endpoints", "list_endpoints", list)
        .post("/v3/endpoints", "create_endpoint", create)
        .get("/v3/endpoints/{id}", "get_endpoint", show)
        .patch("/v3/endpoints/{id}", "update_endpoint", patch)
        .delete("/v3/endpoints/{id}", "delete_endpoint", delete)
}

async fn list(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    context.enforce(&app, "identity:list_endpoints", &Target::new())?;
    let mut select = select();
    restrict(&mut select, "id", FILTERS, &context)?;
    let found = select_all(&mut *app.store.reader().await?, select).await?;
    page(&context, "endpoints", found.iter().map(|endpoint| endpoint.view(&context)).collect())
}

async fn show(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:get_endpoint", &Target::new())?;
    let endpoint = require(&mut *app.store.reader().await?, &id).await?;
    Ok(keyed(StatusCode::OK, "endpoint", endpoint.view(&context)))
}

async fn create(
    State(app): State<IdentityApp>,
    context: Context,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:create_endpoint", &Target::new())?;
    let input = SCHEMA.create(&body)?;
    let blank = Endpoint {
        id: super::new_id(),
        service_id: String::new(),
        interface: String::new(),
        region_id: None,
        url: String::new(),
        enabled: true,
        extra: Map::new(),
    };
    let endpoint = blank.changed(&input);
    let endpoint = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                check(tx, &endpoint, &input).await?;
                let sql = "INSERT INTO endpoints (service_id, interface, region_id, url, enabled, extra, id) \
                           VALUES ($1, $2, $3, $4, $5, $6, $7)";
                tx.execute(sql, endpoint.values()).await?;
                Ok(endpoint)
            })
        })
        .await?;
    Ok(keyed(StatusCode::CREATED, "endpoint", endpoint.view(&context)))
}

/// The URL must expand, the service and the region must be there.
async fn check(tx: &mut Tx, endpoint: &Endpoint, input: &Input) -> Result<(), Fault> {
    if !catalog::expands(&endpoint.url) {
        return Err(Fault::bad_request(format!(
            "Cannot create an endpoint with an invalid URL: {}.",
            endpoint.url
        )));
    }
    service::check_exists(tx, &endpoint.service_id).await?;
    match &endpoint.region_id {
        Some(id) if input.has("region_id") || !input.has("region") => region::check_exists(tx, id).await,
        Some(id) => Ok(region::make(tx, id).await?),
        None => Ok(()),
    }
}

async fn patch(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:update_endpoint", &Target::new())?;
    let input = SCHEMA.update(&body, &id, |_| Value::Null)?;
    let endpoint = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                let after = require(tx, &id).await?.changed(&input);
                check(tx, &after, &input).await?;
                let sql = "UPDATE endpoints SET service_id = $1, interface = $2, region_id = $3, url = $4, \
                           enabled = $5, extra = $6 WHERE id = $7";
                tx.execute(sql, after.values()).await?;
                Ok(after)
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, "endpoint", endpoint.view(&context)))
}

async fn delete(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:delete_endpoint", &Target::new())?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            match tx.execute("DELETE FROM endpoints WHERE id = $1", values![&id]).await? {
                0 => Err(Fault::not_found("endpoint", &id)),
                _ => Ok(()),
            }
        })
    })
    .await?;
    Ok(no_content())
}
