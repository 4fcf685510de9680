//! Regions: where endpoints are. They may contain each other.

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
    Rule::new("identity:list_regions", "@"),
    Rule::new("identity:get_region", "@"),
    Rule::new("identity:create_region", "rule:admin_required"),
    Rule::new("identity:update_region", "rule:admin_required"),
    Rule::new("identity:delete_region", "rule:admin_required"),
];

const SCHEMA: Schema = Schema {
    key: "region",
    fields: &[Field::nullable("description", Kind::Text), Field::nullable("parent_region_id", Kind::Id)],
    fixed: &[],
};

/// As [`SCHEMA`]; who makes a region may choose its id.
const CREATE: Schema = Schema {
    fields: &[
        Field::nullable("id", Kind::Id),
        Field::nullable("description", Kind::Text),
        Field::nullable("parent_region_id", Kind::Id),
    ],
    ..SCHEMA
};

const FILTERS: &[Filter] = &[Filter::id("parent_region_id", "parent_region_id")];

const COLUMNS: &str = "id, description, parent_region_id, extra";

/// A region and those below it ($1).
const BRANCH: &str = "WITH RECURSIVE branch (id) AS (SELECT id FROM regions WHERE id = $1 \
    UNION SELECT r.id FROM regions r JOIN branch b ON r.parent_region_id = b.id) SELECT id FROM branch";

/// A region.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    id: String,
    description: String,
    parent_region_id: Option<String>,
    extra: Map<String, Value>,
}

impl Region {
    fn read(row: Row) -> Result<Self, StoreError> {
        let mut columns: Columns = row.columns();
        Ok(Self {
            id: columns.text()?,
            description: columns.text()?,
            parent_region_id: columns.opt_text()?,
            extra: stored_object(&columns.text()?),
        })
    }

    fn changed(&self, input: &Input) -> Self {
        Self {
            description: input.text_or("description", Some(self.description.clone())).unwrap_or_default(),
            parent_region_id: input.text_or("parent_region_id", self.parent_region_id.clone()),
            extra: input.merged_extra(&self.extra),
            ..self.clone()
        }
    }

    fn view(&self, context: &Context) -> Value {
        let mut view = json!({
            "id": self.id,
            "description": self.description,
            "parent_region_id": self.parent_region_id,
        });
        super::finish(&mut view, &self.extra, context.link(format_args!("regions/{}", self.id)));
        view
    }

    fn values(&self) -> Vec<SqlValue> {
        values![&self.description, self.parent_region_id.clone(), super::json_text(&self.extra), &self.id]
    }
}

async fn find(session: &mut Session, id: &str) -> Result<Option<Region>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM regions WHERE id = $1");
    session.row(&sql, values![id]).await?.map(Region::read).transpose()
}

/// One region, or 404.
pub async fn require(session: &mut Session, id: &str) -> Result<Region, Fault> {
    find(session, id).await?.ok_or_else(|| Fault::not_found("region", id))
}

/// 400 unless the region is there, as endpoints want it.
pub async fn check_exists(tx: &mut Tx, id: &str) -> Result<(), Fault> {
    match find(tx, id).await? {
        Some(_) => Ok(()),
        None => Err(Fault::bad_request(format!("Could not find region: {id}."))),
    }
}

/// The region, made when it is not there.
pub async fn make(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    let sql = "INSERT INTO regions (id, description, parent_region_id, extra) VALUES ($1, '', NULL, '{}') \
               ON CONFLICT DO NOTHING";
    tx.execute(sql, values![id]).await?;
    Ok(())
}

pub fn routes() -> Routes {
    Routes::new()
        .get("/v3/regions", "list_regions", list)
        .post("/v3/regions", "create_region", create)
        .get("/v3/regions/{id}", "get_region", show)
        .patch("/v3/regions/{id}", "update_region", patch)
        .delete("/v3/regions/{id}", "delete_region", delete)
        .put("/v3/regions/{id}", "create_region", create_with_id)
}

async fn list(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    context.enforce(&app, "identity:list_regions", &Target::new())?;
    let mut select = Select::new(COLUMNS, "regions");
    restrict(&mut select, "id", FILTERS, &context)?;
    let (sql, values) = select.build();
    let rows = app.store.reader().await?.rows(&sql, values).await?;
    let found = rows.into_iter().map(Region::read).collect::<Result<Vec<_>, _>>()?;
    page(&context, "regions", found.iter().map(|region| region.view(&context)).collect())
}

async fn show(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:get_region", &Target::new())?;
    let region = require(&mut *app.store.reader().await?, &id).await?;
    Ok(keyed(StatusCode::OK, "region", region.view(&context)))
}

async fn create(
    State(app): State<IdentityApp>,
    context: Context,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:create_region", &Target::new())?;
    let input = CREATE.create(&body)?;
    let id = input.text("id").filter(|id| !id.is_empty()).unwrap_or_else(super::new_id);
    make_new(&app, &context, id, input).await
}

/// PUT of an id that is free.
async fn create_with_id(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:create_region", &Target::new())?;
    let input = CREATE.create(&body)?;
    if input.text("id").is_some_and(|given| given != id) {
        return Err(Fault::bad_request(
            "Conflicting region IDs specified: the one of the URL differs from the one of the body",
        ));
    }
    make_new(&app, &context, id, input).await
}

async fn make_new(app: &IdentityApp, context: &Context, id: String, input: Input) -> Result<Response, Fault> {
    let blank = Region { id, description: String::new(), parent_region_id: None, extra: Map::new() };
    let region = blank.changed(&input);
    let region = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                if find(tx, &region.id).await?.is_some() {
                    return Err(Fault::conflict("region", &format!("Duplicate ID, {}", region.id)));
                }
                check_parent(tx, &region).await?;
                let sql =
                    "INSERT INTO regions (description, parent_region_id, extra, id) VALUES ($1, $2, $3, $4)";
                tx.execute(sql, region.values()).await?;
                Ok(region)
            })
        })
        .await?;
    Ok(keyed(StatusCode::CREATED, "region", region.view(context)))
}

/// The parent is there, and is not below the region itself.
async fn check_parent(tx: &mut Tx, region: &Region) -> Result<(), Fault> {
    let Some(parent) = &region.parent_region_id else { return Ok(()) };
    require(tx, parent).await?;
    for id in branch(tx, &region.id).await? {
        if id == SqlValue::from(parent) {
            return Err(Fault::bad_request(format!(
                "The specified parent region {parent} would create a circular region hierarchy."
            )));
        }
    }
    Ok(())
}

async fn branch(tx: &mut Tx, id: &str) -> Result<Vec<SqlValue>, StoreError> {
    let rows = tx.rows(BRANCH, values![id]).await?;
    rows.into_iter().map(|row| row.columns().text().map(SqlValue::Text)).collect()
}

async fn patch(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:update_region", &Target::new())?;
    let input = SCHEMA.update(&body, &id, |_| Value::Null)?;
    let region = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                let after = require(tx, &id).await?.changed(&input);
                check_parent(tx, &after).await?;
                let sql =
                    "UPDATE regions SET description = $1, parent_region_id = $2, extra = $3 WHERE id = $4";
                tx.execute(sql, after.values()).await?;
                Ok(after)
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, "region", region.view(&context)))
}

async fn delete(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:delete_region", &Target::new())?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            require(tx, &id).await?;
            let branch = branch(tx, &id).await?;
            let mut used = Select::new("id", "endpoints");
            used.one_of("region_id", branch.clone());
            let (sql, values) = used.build();
            if tx.row(&sql, values).await?.is_some() {
                return Err(Fault::refused(format!(
                    "Unable to delete region {id} because it or its child regions have associated endpoints."
                )));
            }
            // From the leaves up: a parent cannot go before its children.
            for region in branch.into_iter().rev() {
                tx.execute("DELETE FROM regions WHERE id = $1", vec![region]).await?;
            }
            Ok(())
        })
    })
    .await?;
    Ok(no_content())
}
