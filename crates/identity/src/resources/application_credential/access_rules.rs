//! `/v3/users/{user_id}/access_rules`: made with application credentials, kept until
//! the user deletes them.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::http::{keyed, no_content};
use isospin_api_kit::policy::Target;
use isospin_store_kit::{Tx, values};
use serde_json::{Map, Value, json};

use super::handlers::refuse_trusts;
use super::{AccessRule, store};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::{Field, Kind};
use crate::listing::{Filter, page, restrict};
use crate::request::Context;
use crate::resources::new_id;

/// One of `access_rules` in the body of a new application credential.
pub const ACCESS_RULE: &[Field] = &[
    Field::new("id", Kind::Id),
    Field::new("path", Kind::Path(128)),
    Field::new("method", Kind::OneOf(&["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"])),
    Field::new("service", Kind::Name(64)),
];

const FILTERS: &[Filter] =
    &[Filter::text("service", "service"), Filter::text("path", "path"), Filter::text("method", "method")];

impl AccessRule {
    /// As application credentials show it.
    pub fn brief(&self) -> Value {
        json!({"id": self.id, "path": self.path, "method": self.method, "service": self.service})
    }

    fn view(&self, context: &Context) -> Value {
        let mut view = self.brief();
        let link = context.link(format_args!("users/{}/access_rules/{}", self.user_id, self.id));
        view["links"] = json!({"self": link});
        view
    }
}

/// The rule a body names by id, or describes.
pub async fn stored(tx: &mut Tx, user_id: &str, given: &Map<String, Value>) -> Result<AccessRule, Fault> {
    let text = |key: &str| given.get(key).and_then(Value::as_str).map(str::to_owned);
    match (text("id"), text("service"), text("path"), text("method")) {
        (None, Some(service), Some(path), Some(method)) => {
            let rule = AccessRule { id: new_id(), user_id: user_id.to_owned(), service, path, method };
            Ok(store::keep_rule(tx, rule).await?)
        }
        (Some(id), None, None, None) => {
            let mut select = store::rules_of_user(user_id);
            select.one_of("id", vec![(&id).into()]);
            let found = store::rules(tx, select).await?.pop();
            found.ok_or_else(|| Fault::bad_request(format!("Could not find access rule: {id}.")))
        }
        _ => Err(Fault::bad_request(
            "Invalid input for field/attribute access_rules. A rule has path, method and service, or the id of \
             one that is there.",
        )),
    }
}

pub async fn list(
    State(app): State<IdentityApp>,
    context: Context,
    Path(user_id): Path<String>,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:list_access_rules", &Target::new().with("target.user.id", &user_id))?;
    refuse_trusts(&context)?;
    let mut select = store::rules_of_user(&user_id);
    restrict(&mut select, "id", FILTERS, &context)?;
    let found = store::rules(&mut *app.store.reader().await?, select).await?;
    page(&context, "access_rules", found.iter().map(|rule| rule.view(&context)).collect())
}

pub async fn show(
    State(app): State<IdentityApp>,
    context: Context,
    Path((user_id, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:get_access_rule", &Target::new().with("target.user.id", &user_id))?;
    refuse_trusts(&context)?;
    let mut select = store::rules_of_user(&user_id);
    select.one_of("id", vec![(&id).into()]);
    let found = store::rules(&mut *app.store.reader().await?, select).await?.pop();
    let rule = found.ok_or_else(|| Fault::not_found("Access Rule", &id))?;
    Ok(keyed(StatusCode::OK, "access_rule", rule.view(&context)))
}

pub async fn delete(
    State(app): State<IdentityApp>,
    context: Context,
    Path((user_id, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:delete_access_rule", &Target::new().with("target.user.id", &user_id))?;
    refuse_trusts(&context)?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            let sql =
                "SELECT access_rule_id FROM application_credential_access_rules WHERE access_rule_id = $1";
            if tx.row(sql, values![&id]).await?.is_some() {
                return Err(Fault::forbidden(&format!(
                    "May not delete access rule in use, access rule ID: {id}"
                )));
            }
            let sql = "DELETE FROM access_rules WHERE id = $1 AND user_id = $2";
            match tx.execute(sql, values![&id, user_id]).await? {
                0 => Err(Fault::not_found("Access Rule", &id)),
                _ => Ok(()),
            }
        })
    })
    .await?;
    Ok(no_content())
}
