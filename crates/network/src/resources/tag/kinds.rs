//! What a kind of resource says of itself so that its objects carry tags.

use isospin_api_kit::policy::{Rule, Target};
use isospin_store_kit::{Session, StoreError, values};

use crate::resources::rbac_policy::Access;

/// A kind of resource with tags. Its folder declares one and names it in its `RESOURCE`.
#[derive(Debug)]
pub struct Kind {
    /// The collection in URLs.
    pub path: &'static str,
    /// The name in rules.
    pub name: &'static str,
    /// Who may do what with tags.
    pub rules: [Rule; 4],
    /// Reads [`Facts`] of the resource of an id: its project, that of its network, its
    /// device owner, and the id of the object whose entries open it to others ("" = none
    /// of all that).
    pub facts: &'static str,
    /// Counts a change of the resource.
    pub touch: &'static str,
}

/// What rules ask of the resource.
pub(super) struct Facts {
    project_id: String,
    network_project_id: String,
    device_owner: String,
    access: Access,
}

impl Facts {
    /// The same as a target.
    pub fn target(&self) -> Target<'_> {
        let target = Target::owned_by(&self.project_id)
            .with("network:project_id", &self.network_project_id)
            .with("device_owner", &self.device_owner);
        self.access.facts(target)
    }
}

impl Kind {
    /// The URL of all tags: `/v2.0/networks/{id}/tags`.
    pub(super) fn path(&self) -> String {
        format!("/v2.0/{}/{{id}}/tags", self.path)
    }

    /// The rule that guards tags: `update_network:tags`.
    pub(super) fn action(&self, verb: &str) -> String {
        format!("{verb}_{}:tags", self.name)
    }

    /// Facts of the resource of this id for a caller of the project, if there is one.
    pub(super) async fn facts(
        &self,
        session: &mut Session,
        id: &str,
        caller_project: &str,
    ) -> Result<Option<Facts>, StoreError> {
        let Some(row) = session.row(self.facts, values![id]).await? else { return Ok(None) };
        let mut columns = row.columns();
        let (project_id, network_project_id, device_owner, opened) =
            (columns.text()?, columns.text()?, columns.text()?, columns.text()?);
        let access = match opened.as_str() {
            "" => Access::default(),
            object_id => Access::of(session, caller_project, object_id).await?,
        };
        Ok(Some(Facts { project_id, network_project_id, device_owner, access }))
    }
}

/// Declares a [`Kind`]: collection in URLs, name in rules, table, and the query of its facts.
macro_rules! kind {
    ($path:literal, $name:literal, $table:literal, $facts:expr) => {
        $crate::resources::tag::Kind {
            path: $path,
            name: $name,
            // Reading tags is reading the resource, all else is updating it.
            rules: [
                ::isospin_api_kit::policy::Rule::new(
                    concat!("get_", $name, ":tags"),
                    concat!("rule:get_", $name),
                ),
                ::isospin_api_kit::policy::Rule::new(
                    concat!("create_", $name, ":tags"),
                    concat!("rule:update_", $name),
                ),
                ::isospin_api_kit::policy::Rule::new(
                    concat!("update_", $name, ":tags"),
                    concat!("rule:update_", $name),
                ),
                ::isospin_api_kit::policy::Rule::new(
                    concat!("delete_", $name, ":tags"),
                    concat!("rule:update_", $name),
                ),
            ],
            facts: $facts,
            touch: concat!(
                "UPDATE ",
                $table,
                " SET revision_number = revision_number + 1, updated_at = $1 WHERE id = $2"
            ),
        }
    };
}
pub(in crate::resources) use kind;
