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
    Form::List(&Form::Object(&[("hostname", Form::Text), ("ip_address", Form::Ip), ("fqdn", Form::Text)]));
