//! How the values of a port's attributes look.

use isospin_api_kit::attribute::Form;

/// Addresses, by subnet.
pub const FIXED_IPS: Form = Form::List(&Form::Object(&[("subnet_id", Form::Uuid), ("ip_address", Form::Ip)]));
/// Further addresses; a prefix is one too.
pub const ADDRESS_PAIRS: Form =
    Form::List(&Form::Object(&[("ip_address", Form::Text), ("mac_address", Form::Mac)]));
/// Options of its DHCP lease.
pub const DHCP_OPTIONS: Form = Form::List(&Form::Object(&[
    ("opt_name", Form::Text),
    ("opt_value", Form::Text),
    ("ip_version", Form::Integer),
]));
/// Names of its addresses.
pub const DNS_ASSIGNMENT: Form =
    Form::List(&Form::Whole(&[("hostname", Form::Text), ("ip_address", Form::Ip), ("fqdn", Form::Text)]));
/// What hypervisors and drivers tell each other.
pub const ANY: Form = Form::Map(&Form::Plain);
/// Wishes to a back end.
pub const HINTS: Form = Form::Object(&[(
    "openvswitch",
    Form::Object(&[("other_config", Form::Object(&[("tx-steering", Form::OneOf(&["thread", "hash"]))]))]),
)]);
/// The guarantees a host must have room for.
pub const RESOURCE_REQUEST: Form = Form::Whole(&[
    (
        "request_groups",
        Form::List(&Form::Whole(&[
            ("id", Form::Uuid),
            ("required", Form::List(&Form::Text)),
            ("resources", Form::Map(&Form::Integer)),
        ])),
    ),
    ("same_subtree", Form::List(&Form::Uuid)),
]);
/// The trunk the port is the parent of.
pub const TRUNK_DETAILS: Form = Form::Whole(&[
    ("trunk_id", Form::Uuid),
    (
        "sub_ports",
        Form::List(&Form::Whole(&[
            ("segmentation_id", Form::Between(1, 4094)),
            ("segmentation_type", Form::OneOf(&["vlan"])),
            ("port_id", Form::Uuid),
            ("mac_address", Form::Mac),
        ])),
    ),
]);
