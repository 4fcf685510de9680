//! Services of the catalog.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::http::{keyed, no_content};
use isospin_api_kit::policy::{Rule, Target};
use isospin_store_kit::query::Select;
use isospin_store_kit::{Columns, Row, Session, StoreError, Tx, Value as SqlValue, values};
use serde_json::{Map, Value, json};

use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::{Field, Input, Kind, Schema, stored_object};
use crate::listing::{Filter, page, restrict};
use crate::request::{Context, RawBody};
use crate::routes::Routes;

pub const RULES: &[Rule] = &[
    Rule::new("identity:list_services", "rule:reads_all"),
    Rule::new("identity:get_service", "rule:reads_all"),
    Rule::new("identity:create_service", "rule:admin_required"),
    Rule::new("identity:update_service", "rule:admin_required"),
    Rule::new("identity:delete_service", "rule:admin_required"),
];

const SCHEMA: Schema = Schema {
    key: "service",
    fields: &[
        Field::required("type", Kind::Name(255)),
        Field::nullable("name", Kind::Text),
        Field::nullable("description", Kind::Text),
        Field::new("enabled", Kind::Flag),
    ],
    fixed: &[],
};

const FILTERS: &[Filter] =
    &[Filter::text("type", "type"), Filter::text("name", "name"), Filter::flag("enabled", "enabled")];

const COLUMNS: &str = "id, type, name, description, enabled, extra";

/// A service.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    id: String,
    kind: String,
    name: Option<String>,
    description: Option<String>,
    enabled: bool,
    extra: Map<String, Value>,
}

impl Service {
    fn read(row: Row) -> Result<Self, StoreError> {
        let mut columns: Columns = row.columns();
        Ok(Self {
            id: columns.text()?,
            kind: columns.text()?,
            name: columns.opt_text()?,
            description: columns.opt_text()?,
            enabled: columns.flag()?,
            extra: stored_object(&columns.text()?),
        })
    }

    fn changed(&self, input: &Input) -> Self {
        Self {
            kind: input.text("type").unwrap_or_else(|| self.kind.clone()),
            name: input.text_or("name", self.name.clone()),
            description: input.text_or("description", self.description.clone()),
            enabled: input.flag("enabled").unwrap_or(self.enabled),
            extra: input.merged_extra(&self.extra),
            ..self.clone()
        }
    }

    fn view(&self, context: &Context) -> Value {
        let mut view = Map::new();
        view.insert("name".to_owned(), json!(self.name.clone().unwrap_or_default()));
        if let Some(description) = &self.description {
            view.insert("description".to_owned(), json!(description));
        }
        view.insert("id".to_owned(), json!(self.id));
        view.insert("type".to_owned(), json!(self.kind));
        view.insert("enabled".to_owned(), json!(self.enabled));
        let mut view = Value::Object(view);
        super::finish(&mut view, &self.extra, context.link(format_args!("services/{}", self.id)));
        view
    }

    fn values(&self) -> Vec<SqlValue> {
        values![
            &self.kind,
            self.name.clone(),
            self.description.clone(),
            self.enabled,
            super::json_text(&self.extra),
            &self.id,
        ]
    }
}

/// One service, or 404.
pub async fn require(session: &mut Session, id: &str) -> Result<Service, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM services WHERE id = $1");
    let row = session.row(&sql, values![id]).await?.ok_or_else(|| Fault::not_found("service", id))?;
    Ok(Service::read(row)?)
}

/// 400 unless the service is there, as endpoints want it.
pub async fn check_exists(tx: &mut Tx, id: &str) -> Result<(), Fault> {
    match tx.row("SELECT id FROM services WHERE id = $1", values![id]).await? {
        Some(_) => Ok(()),
        None => Err(Fault::bad_request(format!("Could not find service: {id}."))),
    }
}

pub fn routes() -> Routes {
    Routes::new()
        .get("/v3/services", "list_services", list)
        .post("/v3/services", "create_service", create)
        .get("/v3/services/{id}", "get_service", show)
        .patch("/v3/services/{id}", "update_service", patch)
        .delete("/v3/services/{id}", "delete_service", delete)
}

async fn list(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    context.enforce(&app, "identity:list_services", &Target::new())?;
    let mut select = Select::new(COLUMNS, "services");
    restrict(&mut select, "id", FILTERS, &context)?;
    let (sql, values) = select.build();
    let rows = app.store.reader().await?.rows(&sql, values).await?;
    let found = rows.into_iter().map(Service::read).collect::<Result<Vec<_>, _>>()?;
    page(&context, "services", found.iter().map(|service| service.view(&context)).collect())
}

async fn show(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:get_service", &Target::new())?;
    let service = require(&mut *app.store.reader().await?, &id).await?;
    Ok(keyed(StatusCode::OK, "service", service.view(&context)))
}

async fn create(
    State(app): State<IdentityApp>,
    context: Context,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:create_service", &Target::new())?;
    let input = SCHEMA.create(&body)?;
    let blank = Service {
        id: super::new_id(),
        kind: String::new(),
        name: None,
        description: None,
        enabled: true,
        extra: Map::new(),
    };
    let service = blank.changed(&input);
    let service = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                let sql = "INSERT INTO services (type, name, description, enabled, extra, id) \
                           VALUES ($1, $2, $3, $4, $5, $6)";
                tx.execute(sql, service.values()).await?;
                Ok(service)
            })
        })
        .await?;
    Ok(keyed(StatusCode::CREATED, "service", service.view(&context)))
}

async fn patch(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:update_service", &Target::new())?;
    let input = SCHEMA.update(&body, &id, |_| Value::Null)?;
    let service = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                let after = require(tx, &id).await?.changed(&input);
                let sql = "UPDATE services SET type = $1, name = $2, description = $3, enabled = $4, extra = $5 \
                           WHERE id = $6";
                tx.execute(sql, after.values()).await?;
                Ok(after)
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, "service", service.view(&context)))
}

async fn delete(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:delete_service", &Target::new())?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            // Its endpoints go with it.
            match tx.execute("DELETE FROM services WHERE id = $1", values![&id]).await? {
                0 => Err(Fault::not_found("service", &id)),
                _ => Ok(()),
            }
        })
    })
    .await?;
    Ok(no_content())
}
