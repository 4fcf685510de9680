//! The kinds of resource that carry tags, and what policy asks of each.

use isospin_api_kit::policy::Target;
use isospin_store_kit::{Session, StoreError, values};

/// A kind of resource with tags.
#[derive(Debug)]
pub(super) struct Kind {
    /// The collection in URLs.
    pub path: &'static str,
    /// The name in rules.
    pub name: &'static str,
    /// Reads [`Facts`] of the resource of an id.
    facts: &'static str,
    /// Counts a change of the resource.
    pub touch: &'static str,
}

/// What rules ask of the resource.
pub(super) struct Facts {
    project_id: String,
    network_project_id: String,
    shared: bool,
    external: bool,
    device_owner: String,
}

impl Facts {
    /// The same as a target.
    pub fn target(&self) -> Target<'_> {
        Target::owned_by(&self.project_id)
            .with("network:project_id", &self.network_project_id)
            .with("device_owner", &self.device_owner)
            .flag("shared", self.shared)
            .flag("router:external", self.external)
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

    /// Facts of the resource of this id, if there is one.
    pub async fn facts(&self, session: &mut Session, id: &str) -> Result<Option<Facts>, StoreError> {
        let Some(row) = session.row(self.facts, values![id]).await? else { return Ok(None) };
        let mut columns = row.columns();
        Ok(Some(Facts {
            project_id: columns.text()?,
            network_project_id: columns.text()?,
            shared: columns.flag()?,
            external: columns.flag()?,
            device_owner: columns.text()?,
        }))
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
        "SELECT project_id, project_id, shared, external, '' FROM networks WHERE id = $1"
    ),
    kind!(
        "subnets",
        "subnet",
        "subnets",
        "SELECT subnets.project_id, networks.project_id, networks.shared, networks.external, '' FROM subnets \
         JOIN networks ON networks.id = subnets.network_id WHERE subnets.id = $1"
    ),
    kind!(
        "ports",
        "port",
        "ports",
        "SELECT ports.project_id, networks.project_id, networks.shared, FALSE, ports.device_owner FROM ports \
         JOIN networks ON networks.id = ports.network_id WHERE ports.id = $1"
    ),
    kind!(
        "routers",
        "router",
        "routers",
        "SELECT project_id, '', FALSE, FALSE, '' FROM routers WHERE id = $1"
    ),
    kind!(
        "floatingips",
        "floatingip",
        "floating_ips",
        "SELECT project_id, '', FALSE, FALSE, '' FROM floating_ips WHERE id = $1"
    ),
    kind!(
        "security-groups",
        "security_group",
        "security_groups",
        "SELECT project_id, '', FALSE, FALSE, '' FROM security_groups WHERE id = $1"
    ),
];
