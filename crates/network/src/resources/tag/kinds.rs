//! The kinds of resource that carry tags, and what policy asks of each.

use isospin_api_kit::policy::Target;
use isospin_store_kit::{Session, StoreError, values};

use crate::resources::rbac_policy::Access;

/// A kind of resource with tags.
#[derive(Debug)]
pub(super) struct Kind {
    /// The collection in URLs.
    pub path: &'static str,
    /// The name in rules.
    pub name: &'static str,
    /// Reads [`Facts`] of the resource of an id: its project, that of its network, its
    /// device owner, and the id of the object whose entries open it to others ("" = none
    /// of all that).
    facts: &'static str,
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
    pub fn path(&self) -> String {
        format!("/v2.0/{}/{{id}}/tags", self.path)
    }

    /// The rule that guards tags: `update_network:tags`.
    pub fn action(&self, verb: &str) -> String {
        format!("{verb}_{}:tags", self.name)
    }

    /// Facts of the resource of this id for a caller of the project, if there is one.
    pub async fn facts(
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

macro_rules! kind {
    ($path:literal, $name:literal, $table:literal, $facts:expr) => {
        Kind {
            path: $path,
            name: $name,
            facts: $facts,
            touch: concat!(
                "UPDATE ",
                $table,
                " SET revision_number = revision_number + 1, updated_at = $1 WHERE id = $2"
            ),
        }
    };
}

/// All of them.
pub(super) const KINDS: &[Kind] = &[
    kind!(
        "networks",
        "network",
        "networks",
        "SELECT project_id, project_id, '', id FROM networks WHERE id = $1"
    ),
    kind!(
        "subnets",
        "subnet",
        "subnets",
        "SELECT subnets.project_id, networks.project_id, '', networks.id FROM subnets \
         JOIN networks ON networks.id = subnets.network_id WHERE subnets.id = $1"
    ),
    kind!(
        "subnetpools",
        "subnetpool",
        "subnet_pools",
        "SELECT project_id, '', '', id FROM subnet_pools WHERE id = $1"
    ),
    kind!(
        "ports",
        "port",
        "ports",
        "SELECT ports.project_id, networks.project_id, ports.device_owner, networks.id FROM ports \
         JOIN networks ON networks.id = ports.network_id WHERE ports.id = $1"
    ),
    kind!("routers", "router", "routers", "SELECT project_id, '', '', '' FROM routers WHERE id = $1"),
    kind!(
        "floatingips",
        "floatingip",
        "floating_ips",
        "SELECT project_id, '', '', '' FROM floating_ips WHERE id = $1"
    ),
    kind!(
        "security-groups",
        "security_group",
        "security_groups",
        "SELECT project_id, '', '', id FROM security_groups WHERE id = $1"
    ),
    kind!(
        "policies",
        "policy",
        "qos_policies",
        "SELECT project_id, '', '', id FROM qos_policies WHERE id = $1"
    ),
    kind!("trunks", "trunk", "trunks", "SELECT project_id, '', '', '' FROM trunks WHERE id = $1"),
    kind!(
        "network-segment-ranges",
        "network_segment_range",
        "network_segment_ranges",
        "SELECT project_id, '', '', '' FROM network_segment_ranges WHERE id = $1"
    ),
];
