//! What a limit of a project or domain must be like.

use futures::future::BoxFuture;
use isospin_store_kit::{Tx, values};

use super::model::LimitModel;
use super::{LIMIT, REGISTERED, alike, check_ends, number};
use crate::fault::Fault;
use crate::resources::project;
use crate::resources::record::{Record, text};

/// Ends, uniqueness, and that something is registered that it overrides.
pub fn check<'t>(tx: &'t mut Tx, record: &'t mut Record) -> BoxFuture<'t, Result<(), Fault>> {
    Box::pin(async move {
        check_owner(tx, record).await?;
        check_ends(tx, record).await?;
        if alike(&REGISTERED, tx, record).await?.is_empty() {
            return Err(Fault::refused(
                "Unable to create a limit that has no corresponding registered limit.",
            ));
        }
        let same_owner = |other: &Record| {
            ["project_id", "domain_id"].iter().all(|key| text(other, key) == text(record, key))
                && other.get("id") != record.get("id")
        };
        if alike(&LIMIT, tx, record).await?.iter().any(same_owner) {
            return Err(Fault::conflict("limit", "Duplicate entry"));
        }
        Ok(())
    })
}

/// Of a project or of a domain, which is there; the id of a domain given for a project is
/// taken as one.
async fn check_owner(tx: &mut Tx, record: &mut Record) -> Result<(), Fault> {
    let (project_id, domain_id) = (text(record, "project_id"), text(record, "domain_id"));
    let (key, id) = match (project_id, domain_id) {
        (Some(id), None) => ("project_id", id.to_owned()),
        (None, Some(id)) => ("domain_id", id.to_owned()),
        _ => {
            return Err(Fault::bad_request(
                "Invalid input for field/attribute limit: a limit has either project_id or domain_id",
            ));
        }
    };
    match project::find_any(tx, &id).await? {
        Some(found) if found.is_domain && key == "project_id" => {
            record.insert("domain_id".to_owned(), id.into());
            record.insert("project_id".to_owned(), serde_json::Value::Null);
            Ok(())
        }
        Some(found) if found.is_domain == (key == "domain_id") => Ok(()),
        _ => Err(Fault::missing(key, "limit")),
    }
}

/// Whether the limit goes together with those above and below it.
pub async fn check_model(tx: &mut Tx, model: LimitModel, record: &Record) -> Result<(), Fault> {
    if model == LimitModel::Flat {
        return Ok(());
    }
    let others = alike(&LIMIT, tx, record).await?;
    let (above, below) = match (text(record, "project_id"), text(record, "domain_id")) {
        (Some(project), _) => {
            let domain = project::get_any(tx, project).await?.domain_id;
            let of_domain = others.iter().find(|other| text(other, "domain_id") == Some(&domain));
            let above = match of_domain {
                Some(limit) => Some(number(limit, "resource_limit")),
                None => {
                    alike(&REGISTERED, tx, record).await?.first().map(|limit| number(limit, "default_limit"))
                }
            };
            (above, Vec::new())
        }
        (None, Some(domain)) => {
            let rows = tx.rows("SELECT id FROM projects WHERE domain_id = $1", values![domain]).await?;
            let inside: Vec<String> =
                rows.into_iter().map(|row| row.columns().text()).collect::<Result<_, _>>()?;
            let below = others
                .iter()
                .filter(|other| {
                    text(other, "project_id").is_some_and(|id| inside.iter().any(|own| own == id))
                })
                .map(|other| number(other, "resource_limit"))
                .collect();
            (None, below)
        }
        (None, None) => (None, Vec::new()),
    };
    if model.fits(number(record, "resource_limit"), above, &below) {
        return Ok(());
    }
    let (level, id) = match text(record, "project_id") {
        Some(id) => ("project_id", id),
        None => ("domain_id", text(record, "domain_id").unwrap_or_default()),
    };
    Err(Fault::refused(format!(
        "Invalid resource limit: The resource limit ({level}: {id}, resource_name: {}, resource_limit: {}, \
         service_id: {}, region_id: {}) doesn't satisfy current hierarchy model.",
        text(record, "resource_name").unwrap_or_default(),
        number(record, "resource_limit"),
        text(record, "service_id").unwrap_or_default(),
        text(record, "region_id").unwrap_or("None"),
    )))
}
