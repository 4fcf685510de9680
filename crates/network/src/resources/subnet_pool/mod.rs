//! Subnet pools: prefixes that subnets are cut from, so that no two of them overlap.
//!
//! A pool says how large its subnets may be and how much each project may have of
//! it. Pools of one address scope do not overlap either. The tables are in
//! `migrations/0002_address_pools.sql`.
//!
//! `handlers` answers GET, POST and DELETE, `changes` PUT, `prefix_changes` and `onboarding` the
//! actions; `allocation` is what subnets ask of a pool. `prefixes` keeps what is still free.
//!
//! The name on the wire is `subnetpool`, in Rust and in tables `subnet_pool`; only the
//! attribute of subnets is called `subnetpool_id` everywhere.

mod allocation;
mod changes;
mod handlers;
mod input;
pub mod model;
mod onboarding;
mod policy;
mod prefix_changes;
mod prefixes;
mod rules;
mod store;
#[cfg(test)]
mod tests;
mod view;

use isospin_api_kit::attribute::{Absent, Attribute, Check, Filter, Form, ResourceType, STANDARD};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use crate::resources::rbac_policy::Shareable;
use crate::resources::registration::Resource;
use crate::resources::subnet;
use crate::resources::tag;
use crate::routes::{Collection, Routes, Verb};

pub use allocation::{Request, allocate, usable, usable_default};
use policy::{POLICY, target};
pub use prefixes::give_back;
pub use rules::is_used_up;
pub use store::in_scope;

/// A subnet pool on the wire (reference/network-api-core §5).
pub const TYPE: ResourceType =
    ResourceType { name: "subnetpool", collection: "subnetpools", attributes: &[OWN, EXTENDED, STANDARD] };

const OWN: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).column("id").alias("subnet_allocation"),
    Attribute::settable("name", Check::NonEmptyText(255), Absent::Required)
        .column("name")
        .alias("subnet_allocation"),
    Attribute::fixed("project_id", Check::Text(255), Absent::Unset)
        .column("project_id")
        .alias("subnet_allocation"),
    Attribute::settable("prefixes", Check::Own(input::prefixes), Absent::Required)
        .form(PREFIXES)
        .alias("subnet_allocation"),
    Attribute::settable("default_quota", Check::Int { min: 0, max: 2_147_483_647 }, Absent::NULL)
        .or_null()
        .filter(Filter::Column("default_quota"))
        .alias("subnet_allocation"),
    Attribute::read_only("ip_version", Check::Int { min: 4, max: 6 })
        .column("ip_version")
        .alias("subnet_allocation"),
    length("default_prefixlen"),
    length("min_prefixlen"),
    length("max_prefixlen"),
    Attribute::fixed("shared", Check::Bool, Absent::FALSE).filter(Filter::Own).alias("subnet_allocation"),
];

const EXTENDED: &[Attribute] = &[
    Attribute::settable("is_default", Check::Bool, Absent::FALSE)
        .column("is_default")
        .alias("default-subnetpools"),
    Attribute::settable("address_scope_id", Check::Uuid, Absent::NULL)
        .or_null()
        .filter(Filter::Column("address_scope_id"))
        .alias("address-scope"),
];

/// A prefix length; the family's own limit is checked by [`rules`].
const fn length(name: &'static str) -> Attribute {
    Attribute::settable(name, Check::Int { min: 0, max: 1024 }, Absent::Unset)
        // Shown as text, as the reference does.
        .form(Form::Digits)
        .column(name)
        .alias("subnet_allocation")
}

/// The address scope of a row of `subnets`, as SQL, in statements that read this table by
/// this name; null outside of scopes.
macro_rules! scope_of_subnet {
    () => {
        "(SELECT subnet_pools.address_scope_id FROM subnet_pools WHERE subnet_pools.id = subnets.subnetpool_id)"
    };
}
pub(crate) use scope_of_subnet;

/// Pools that rely on an address scope.
pub const IN_SCOPE: &str =
    "SELECT 'subnetpool' AS kind, id, project_id FROM subnet_pools WHERE address_scope_id = $1";

/// Pools can be opened to others, whose subnets then rely on it.
pub const SHAREABLE: Shareable = Shareable::new(
    TYPE.name,
    "subnet_pools",
    "SELECT 'subnet' AS kind, id, project_id FROM subnets WHERE subnetpool_id = $1",
)
.needing(
    "SELECT 'address scope' AS kind, s.id FROM subnet_pools p JOIN address_scopes s ON s.id = p.address_scope_id \
     WHERE p.id = $1 AND s.project_id <> $2 AND NOT EXISTS (SELECT 1 FROM rbac_policies r \
     WHERE r.object_id = s.id AND r.target_project IN ('*', $2))",
);

/// Where the rows are.
pub const TABLE: Table = Table { name: "subnet_pools", id: "id", tags: "tags" };

/// What works.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "subnet_allocation",
        name: "Subnet Allocation",
        description: "Enables allocation of subnets from a subnet pool",
        updated: "2015-03-30T10:00:00-00:00",
    },
    Extension {
        alias: "default-subnetpools",
        name: "Default Subnetpools",
        description: "Provides ability to mark and use a subnetpool as the default.",
        updated: "2016-02-18T18:00:00-00:00",
    },
    Extension {
        alias: "subnetpool-prefix-ops",
        name: "Subnet Pool Prefix Operations",
        description: "Provides support for adjusting the prefix list of subnet pools",
        updated: "2019-02-08T10:00:00-00:00",
    },
    Extension {
        alias: "subnet_onboard",
        name: "Subnet Onboard",
        description: "Provides support for onboarding subnets into subnet pools",
        updated: "2018-12-18T09:00:00-00:00",
    },
    Extension {
        alias: "rbac-subnetpool",
        name: "Add subnetpool type to RBAC",
        description: "Add subnetpool type to RBAC",
        updated: "2020-02-05T00:00:00-00:00",
    },
];

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, || routes().into())
    .extensions(EXTENSIONS)
    .shareable(&SHAREABLE)
    .tagged(&TAGGED)
    .counted(TYPE.name, -1);

/// How its objects carry tags.
const TAGGED: tag::Kind = tag::kind!(
    "subnetpools",
    "subnetpool",
    "subnet_pools",
    "SELECT project_id, '', '', id FROM subnet_pools WHERE id = $1"
);

/// The URLs of subnet pools.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/subnetpools")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(changes::update)
        .delete(handlers::delete)
        .action(Verb::Put, "add_prefixes", prefix_changes::add)
        .forms(NAMED_PREFIXES, NAMED_PREFIXES)
        .action(Verb::Put, "remove_prefixes", prefix_changes::remove)
        .forms(NAMED_PREFIXES, NAMED_PREFIXES)
        .action(Verb::Put, "onboard_network_subnets", onboarding::onboard)
        .forms(ONBOARDING, ONBOARDED)
}

const PREFIXES: Form = Form::List(&Form::Cidr);
const NAMED_PREFIXES: Form = Form::Whole(&[("prefixes", PREFIXES)]);
const ONBOARDING: Form =
    Form::Object(&[("network_id", Form::Uuid), ("ip_version", Form::Maybe(&subnet::IP_VERSION))]);
const ONBOARDED: Form = Form::List(&Form::Whole(&[("id", Form::Uuid), ("cidr", Form::Cidr)]));
