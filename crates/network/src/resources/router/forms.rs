//! How the values of a router's attributes, and the bodies of its actions, look.

use isospin_api_kit::attribute::Form;

use crate::resources::port_forwarding::PROTOCOL;

/// The gateway: an external network and the addresses on it.
pub const GATEWAY: Form = Form::Object(&[
    ("network_id", Form::Uuid),
    ("enable_snat", Form::Boolean),
    ("qos_policy_id", Form::Maybe(&Form::Uuid)),
    ("external_fixed_ips", Form::List(&Form::Object(&[("subnet_id", Form::Uuid), ("ip_address", Form::Ip)]))),
]);
/// Routes beyond what it is connected to.
pub const ROUTES: Form = Form::List(&Form::Whole(&[("destination", Form::Cidr), ("nexthop", Form::Ip)]));
/// What to attach or detach: one of these.
pub const INTERFACE: Form = Form::Object(&[("subnet_id", Form::Uuid), ("port_id", Form::Uuid)]);
/// What was attached or detached.
pub const ATTACHED: Form = Form::Object(&[
    ("id", Form::Uuid),
    ("project_id", Form::Text),
    ("tenant_id", Form::Text),
    ("port_id", Form::Uuid),
    ("network_id", Form::Uuid),
    ("subnet_id", Form::Uuid),
    ("subnet_ids", Form::List(&Form::Uuid)),
    ("tags", Form::List(&Form::Text)),
]);
/// Routes to add or remove.
pub const NAMED_ROUTES: Form = Form::Whole(&[("router", Form::Whole(&[("routes", ROUTES)]))]);
/// The router.
pub const ROUTER: Form = Form::Whole(&[("router", Form::Resource("router"))]);
/// Its conntrack helpers.
pub const HELPERS: Form = Form::List(&Form::Whole(&[
    ("protocol", PROTOCOL),
    ("port", Form::Between(1, 65_535)),
    ("helper", Form::Text),
]));
