//! Resources that are rows of plain values: their table says all there is to know, and
//! one set of handlers serves them.

use std::sync::Arc;

use axum::response::Response;
use futures::future::BoxFuture;
use http::StatusCode;
use isospin_api_kit::http::{keyed, no_content};
use isospin_api_kit::policy::Target;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Session, StoreError, Tx, Value as SqlValue, values};
use serde_json::{Map, Value, json};

use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::{Input, Schema, stored_object};
use crate::listing::{Filter, page, restrict};
use crate::request::Context;

/// How a column is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    Text,
    OptText,
    Number,
    /// A JSON object.
    Object,
    /// A JSON object with what clients stored beside the attributes.
    Extra,
}

/// The values of a row, by the names of the wire.
pub type Record = Map<String, Value>;

/// What a resource checks before a record is stored; the record may be completed.
pub type Check = for<'t> fn(&'t mut Tx, &'t mut Record) -> BoxFuture<'t, Result<(), Fault>>;

/// A resource of this kind.
pub struct Kind {
    pub schema: Schema,
    pub plural: &'static str,
    pub table: &'static str,
    /// Below `/v3/`.
    pub path: &'static str,
    /// All but the id.
    pub columns: &'static [(&'static str, Stored)],
    pub filters: &'static [Filter],
    pub check: Check,
}

impl Kind {
    fn name(&self) -> &'static str {
        self.schema.key
    }

    fn action(&self, verb: &str) -> String {
        format!("identity:{verb}_{}", self.name())
    }

    /// As the wire shows it.
    pub fn view(&self, record: &Record, context: &Context) -> Value {
        let mut view = Value::Object(record.clone());
        let id = text(record, "id").unwrap_or_default();
        super::finish(&mut view, &Map::new(), context.link(format_args!("{}/{id}", self.path)));
        view
    }

    /// A SELECT over all rows.
    pub fn select(&self) -> Select {
        let names: Vec<&str> =
            std::iter::once("id").chain(self.columns.iter().map(|(name, _)| *name)).collect();
        Select::new(&names.join(", "), self.table)
    }

    /// The records a SELECT of [`Kind::select`] finds.
    pub async fn all(&self, session: &mut Session, select: Select) -> Result<Vec<Record>, StoreError> {
        let (sql, values) = select.build();
        let rows = session.rows(&sql, values).await?;
        rows.into_iter()
            .map(|row| {
                let mut columns = row.columns();
                let mut record = Record::new();
                record.insert("id".to_owned(), Value::String(columns.text()?));
                for (name, stored) in self.columns {
                    match stored {
                        Stored::Text => insert(&mut record, name, Value::String(columns.text()?)),
                        Stored::OptText => insert(&mut record, name, json!(columns.opt_text()?)),
                        Stored::Number => insert(&mut record, name, json!(columns.int()?)),
                        Stored::Object => {
                            insert(&mut record, name, Value::Object(stored_object(&columns.text()?)))
                        }
                        Stored::Extra => {
                            for (name, value) in stored_object(&columns.text()?) {
                                record.entry(name).or_insert(value);
                            }
                        }
                    }
                }
                Ok(record)
            })
            .collect()
    }

    /// One record.
    pub async fn find(&self, session: &mut Session, id: &str) -> Result<Option<Record>, StoreError> {
        let mut select = self.select();
        select.one_of("id", vec![id.into()]);
        Ok(self.all(session, select).await?.pop())
    }

    /// One record, or 404.
    pub async fn require(&self, session: &mut Session, id: &str) -> Result<Record, Fault> {
        self.find(session, id).await?.ok_or_else(|| Fault::not_found(&self.name().replace('_', " "), id))
    }

    /// A new record with what a body gives.
    pub fn fresh(&self, input: &Input) -> Record {
        let mut record = Record::new();
        insert(&mut record, "id", Value::String(super::new_id()));
        for (name, stored) in self.columns {
            let empty = match stored {
                Stored::Text | Stored::OptText => Value::Null,
                Stored::Number => json!(0),
                Stored::Object => json!({}),
                Stored::Extra => continue,
            };
            insert(&mut record, name, empty);
        }
        self.change(&mut record, input);
        record
    }

    /// The record with what a body changes.
    pub fn change(&self, record: &mut Record, input: &Input) {
        for (name, stored) in self.columns {
            match stored {
                Stored::Extra => record.extend(input.extra.clone()),
                _ => {
                    if let Some(value) = input.value(name) {
                        insert(record, name, value.clone());
                    }
                }
            }
        }
    }

    fn values(&self, record: &Record) -> Vec<SqlValue> {
        let known = |name: &str| name == "id" || self.columns.iter().any(|(column, _)| *column == name);
        let mut values: Vec<SqlValue> = self
            .columns
            .iter()
            .map(|(name, stored)| match stored {
                Stored::Text => text(record, name).unwrap_or_default().into(),
                Stored::OptText => text(record, name).map(str::to_owned).into(),
                Stored::Number => record.get(*name).and_then(Value::as_i64).unwrap_or_default().into(),
                Stored::Object => record.get(*name).map(Value::to_string).unwrap_or_default().into(),
                Stored::Extra => {
                    let extra = record.iter().filter(|(name, _)| !known(name));
                    let extra: Map<String, Value> =
                        extra.map(|(name, value)| (name.clone(), value.clone())).collect();
                    super::json_text(&extra).into()
                }
            })
            .collect();
        values.push(text(record, "id").unwrap_or_default().into());
        values
    }

    /// Stores a new record.
    pub async fn insert(&self, tx: &mut Tx, record: &Record) -> Result<(), StoreError> {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).chain(["id"]).collect();
        let places: Vec<String> = (1..=names.len()).map(|number| format!("${number}")).collect();
        let sql = format!("INSERT INTO {} ({}) VALUES ({})", self.table, names.join(", "), places.join(", "));
        tx.execute(&sql, self.values(record)).await?;
        Ok(())
    }

    /// Stores a changed record.
    pub async fn store(&self, tx: &mut Tx, record: &Record) -> Result<(), StoreError> {
        let sets: Vec<String> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, (name, _))| format!("{name} = ${}", index + 1))
            .collect();
        let sql = format!("UPDATE {} SET {} WHERE id = ${}", self.table, sets.join(", "), sets.len() + 1);
        tx.execute(&sql, self.values(record)).await?;
        Ok(())
    }

    pub async fn list(&'static self, app: IdentityApp, context: Context) -> Result<Response, Fault> {
        context.enforce(&app, &format!("identity:list_{}", self.plural), &Target::new())?;
        let mut select = self.select();
        restrict(&mut select, "id", self.filters, &context)?;
        let found = self.all(&mut *app.store.reader().await?, select).await?;
        page(&context, self.plural, found.iter().map(|record| self.view(record, &context)).collect())
    }

    pub async fn show(
        &'static self,
        app: IdentityApp,
        context: Context,
        id: String,
    ) -> Result<Response, Fault> {
        context.enforce(&app, &self.action("get"), &Target::new())?;
        let record = self.require(&mut *app.store.reader().await?, &id).await?;
        Ok(keyed(StatusCode::OK, self.name(), self.view(&record, &context)))
    }

    pub async fn create(
        &'static self,
        app: IdentityApp,
        context: Context,
        body: bytes::Bytes,
    ) -> Result<Response, Fault> {
        context.enforce(&app, &self.action("create"), &Target::new())?;
        let mut record = self.fresh(&self.schema.create(&body)?);
        let work = app.write(context.request_id(), move |tx| {
            Box::pin(async move {
                (self.check)(tx, &mut record).await?;
                self.insert(tx, &record).await?;
                Ok(record)
            })
        });
        let record = work.await?;
        Ok(keyed(StatusCode::CREATED, self.name(), self.view(&record, &context)))
    }

    pub async fn update(
        &'static self,
        app: IdentityApp,
        context: Context,
        id: String,
        body: bytes::Bytes,
    ) -> Result<Response, Fault> {
        context.enforce(&app, &self.action("update"), &Target::new())?;
        let input = Arc::new(self.schema.update(&body, &id, |_| Value::Null)?);
        let work = app.write(context.request_id(), move |tx| {
            Box::pin(async move {
                let mut record = self.require(tx, &id).await?;
                self.change(&mut record, &input);
                (self.check)(tx, &mut record).await?;
                self.store(tx, &record).await?;
                Ok(record)
            })
        });
        let record = work.await?;
        Ok(keyed(StatusCode::OK, self.name(), self.view(&record, &context)))
    }

    pub async fn delete(
        &'static self,
        app: IdentityApp,
        context: Context,
        id: String,
    ) -> Result<Response, Fault> {
        context.enforce(&app, &self.action("delete"), &Target::new())?;
        app.write(context.request_id(), move |tx| {
            Box::pin(async move {
                self.require(tx, &id).await?;
                let sql = format!("DELETE FROM {} WHERE id = $1", self.table);
                tx.execute(&sql, values![&id]).await?;
                Ok(())
            })
        })
        .await?;
        Ok(no_content())
    }
}

fn insert(record: &mut Record, name: &str, value: Value) {
    record.insert(name.to_owned(), value);
}

/// A text of a record; `None` when null.
pub fn text<'r>(record: &'r Record, name: &str) -> Option<&'r str> {
    record.get(name).and_then(Value::as_str)
}

/// For resources that check nothing.
pub fn unchecked<'t>(_: &'t mut Tx, _: &'t mut Record) -> BoxFuture<'t, Result<(), Fault>> {
    Box::pin(std::future::ready(Ok(())))
}
