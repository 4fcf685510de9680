//! Who may know how full networks are (reference/policy.md §2).

use isospin_api_kit::policy::Rule;

/// Default rules.
pub const POLICY: &[Rule] = &[Rule::new("get_network_ip_availability", "rule:admin_or_service")];
