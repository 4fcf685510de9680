//! A rule as clients see it.

use isospin_api_kit::Caller;
use isospin_api_kit::policy::Policy;
use isospin_api_kit::view::project;
use isospin_types::{AddressGroupId, SecurityGroupId, SecurityGroupRuleId};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::TYPE;
use super::model::SecurityGroupRule;
use super::policy::target;
use super::store::Found;

/// The rule for this caller, with the fields asked for (none = all).
#[must_use]
pub fn show(policy: &Policy, caller: &Caller, found: &Found, fields: &[String]) -> Value {
    let shown = Shown { rule: &found.rule, in_default_group: found.in_default_group };
    let object = match serde_json::to_value(shown) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    };
    project(&TYPE, policy, caller, &target(found), fields, object)
}

/// The whole rule, as it is shown within its group. It is written straight into the answer:
/// a group may have thousands.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    pub rule: &'a SecurityGroupRule,
    pub in_default_group: bool,
}

/// Attributes by their names on the wire.
#[derive(Serialize)]
struct Fields<'a> {
    id: SecurityGroupRuleId,
    project_id: &'a str,
    security_group_id: SecurityGroupId,
    ethertype: &'static str,
    direction: &'static str,
    protocol: Option<String>,
    port_range_min: Option<u16>,
    port_range_max: Option<u16>,
    remote_ip_prefix: Option<String>,
    remote_address_group_id: Option<AddressGroupId>,
    normalized_cidr: Option<String>,
    remote_group_id: Option<SecurityGroupId>,
    belongs_to_default_sg: bool,
    description: &'a str,
    revision_number: i64,
    created_at: &'a str,
    updated_at: &'a str,
    tenant_id: &'a str,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let SecurityGroupRule { matching, .. } = self.rule;
        let prefix = matching.remote.prefix();
        Fields {
            id: self.rule.id,
            project_id: &self.rule.project_id,
            security_group_id: self.rule.security_group_id,
            ethertype: matching.ethertype.as_str(),
            direction: matching.direction.as_str(),
            protocol: matching.protocol.map(|protocol| protocol.to_string()),
            port_range_min: matching.port_range_min,
            port_range_max: matching.port_range_max,
            remote_ip_prefix: prefix.map(|net| net.to_string()),
            remote_address_group_id: matching.remote.addresses(),
            normalized_cidr: prefix.map(|net| net.trunc().to_string()),
            remote_group_id: matching.remote.group(),
            belongs_to_default_sg: self.in_default_group,
            description: &self.rule.description,
            revision_number: self.rule.revision_number,
            created_at: &self.rule.created_at,
            updated_at: &self.rule.updated_at,
            tenant_id: &self.rule.project_id,
        }
        .serialize(serializer)
    }
}
