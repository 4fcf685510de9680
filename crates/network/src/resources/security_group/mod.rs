//! Security groups: sets of rules that ports are put under. Every project has a
//! default group, made when it is first needed and never by reading (N23).

mod handlers;
pub mod model;
pub mod policy;
pub mod rules;
pub mod store;
#[cfg(test)]
mod tests;
mod view;

use isospin_api_kit::attribute::{Absent, Attribute, Check, Filter, Form, ResourceType, STANDARD};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use super::rbac_policy::Shareable;
use crate::resources::registration::Resource;
use crate::resources::tag;
use crate::routes::{Collection, Routes};

use policy::POLICY;

/// A security group on the wire.
pub const TYPE: ResourceType =
    ResourceType { name: "security_group", collection: "security_groups", attributes: &[OWN, STANDARD] };

/// Groups can be shared: ports of other projects may then be under them, and rules of
/// other projects may name them.
pub const SHAREABLE: Shareable = Shareable::new(
    "security_group",
    TABLE.name,
    "SELECT 'port' AS kind, ports.id, ports.project_id FROM port_security_groups \
     JOIN ports ON ports.id = port_security_groups.port_id WHERE port_security_groups.security_group_id = $1 \
     UNION ALL SELECT 'security_group_rule', id, project_id FROM security_group_rules WHERE remote_group_id = $1",
);

/// Where the rows are.
pub const TABLE: Table = Table { name: "security_groups", id: "id", tags: "tags" };

const OWN: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).column("id"),
    Attribute::settable("name", Check::Text(255), Absent::EMPTY_TEXT).column("name"),
    Attribute::settable("stateful", Check::Bool, Absent::TRUE)
        .filter(Filter::Column("stateful"))
        .alias("stateful-security-group"),
    Attribute::fixed("project_id", Check::Text(255), Absent::Unset).column("project_id"),
    Attribute::read_only("shared", Check::Bool).filter(Filter::Own).alias("security-groups-shared-filtering"),
    Attribute::read_only("security_group_rules", Check::Object)
        .form(Form::List(&Form::Resource("security_group_rule"))),
];

/// What works.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "security-group",
        name: "security-group",
        description: "The security groups extension.",
        updated: "2012-10-05T10:00:00-00:00",
    },
    Extension {
        alias: "stateful-security-group",
        name: "Stateful security group",
        description: "Indicates if the security group is stateful or not",
        updated: "2019-11-26T09:00:00-00:00",
    },
    Extension {
        alias: "security-groups-shared-filtering",
        name: "Security group filtering on the shared field",
        description: "Support filtering security groups on the shared field",
        updated: "2021-10-05T09:00:00-00:00",
    },
    Extension {
        alias: "rbac-security-groups",
        name: "Add security_group type to network RBAC",
        description: "Add security_group type to network RBAC",
        updated: "2019-02-14T00:00:00-00:00",
    },
];

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, || routes().into())
    .extensions(EXTENSIONS)
    .shareable(&SHAREABLE)
    .tagged(&TAGGED)
    .counted("security_group", 10);

/// How its objects carry tags.
const TAGGED: tag::Kind = tag::kind!(
    "security-groups",
    "security_group",
    "security_groups",
    "SELECT project_id, '', '', id FROM security_groups WHERE id = $1"
);

/// Routes of security groups.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/security-groups")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete)
}
