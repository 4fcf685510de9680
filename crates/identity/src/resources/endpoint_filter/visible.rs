//! What was given to projects, as their catalogs need it.

use std::collections::{BTreeMap, BTreeSet};

use isospin_store_kit::{Session, StoreError, values};

use super::groups::{GROUP, holds};
use crate::resources::record::{Record, text};

/// Endpoints and groups of them that a project was given.
#[derive(Debug, Default)]
pub struct Given {
    endpoints: BTreeSet<String>,
    groups: Vec<Record>,
}

impl Given {
    /// Whether the project sees this endpoint.
    pub fn has(&self, id: &str, interface: &str, service_id: &str, region_id: Option<&str>) -> bool {
        self.endpoints.contains(id)
            || self.groups.iter().any(|group| holds(group, interface, service_id, region_id))
    }
}

/// What was given to each project that was given anything.
pub async fn by_project(session: &mut Session) -> Result<BTreeMap<String, Given>, StoreError> {
    let mut found: BTreeMap<String, Given> = BTreeMap::new();
    for row in session.rows("SELECT project_id, endpoint_id FROM project_endpoints", values![]).await? {
        let mut columns = row.columns();
        found.entry(columns.text()?).or_default().endpoints.insert(columns.text()?);
    }
    let sql = "SELECT project_id, endpoint_group_id FROM endpoint_group_projects";
    let pairs = session.rows(sql, values![]).await?;
    if pairs.is_empty() {
        return Ok(found);
    }
    let groups = GROUP.all(session, GROUP.select()).await?;
    for row in pairs {
        let mut columns = row.columns();
        let (project, id) = (columns.text()?, columns.text()?);
        let group = groups.iter().find(|group| text(group, "id") == Some(&id));
        found.entry(project).or_default().groups.extend(group.cloned());
    }
    Ok(found)
}
