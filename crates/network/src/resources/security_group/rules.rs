//! Pure decisions about security groups.

use std::fmt;

use isospin_api_kit::{Fault, FaultType};
use isospin_types::{SecurityGroupId, SecurityGroupRuleId};

use super::model::{DEFAULT_NAME, SecurityGroup};
use crate::resources::default_security_group_rule::model::DefaultRule;
use crate::resources::security_group_rule::model::SecurityGroupRule;

/// The rules a group starts with: copies of those of the template.
#[must_use]
pub fn first_rules(group: &SecurityGroup, template: &[DefaultRule]) -> Vec<SecurityGroupRule> {
    let mut rules: Vec<SecurityGroupRule> = template
        .iter()
        .map(|default| SecurityGroupRule {
            id: SecurityGroupRuleId::random(),
            project_id: group.project_id.clone(),
            security_group_id: group.id,
            description: default.description.clone(),
            matching: default.matching_in(group.id),
            created_at: group.created_at.clone(),
            updated_at: group.updated_at.clone(),
            revision_number: 0,
        })
        .collect();
    // As they will be read: equally old, in the order of their ids.
    rules.sort_by_key(|rule| rule.id);
    rules
}

/// Refuses the name that only default groups have.
///
/// # Errors
/// 409 `SecurityGroupDefaultAlreadyExists`.
pub fn check_name(name: &str) -> Result<(), Fault> {
    if name.eq_ignore_ascii_case(DEFAULT_NAME) {
        return Err(Fault::new(
            FaultType::SecurityGroupDefaultAlreadyExists,
            "Default security group already exists.",
        ));
    }
    Ok(())
}

/// 409: a port's groups either all follow connections or none does.
#[must_use]
pub fn mixed() -> Fault {
    Fault::new(
        FaultType::SecurityGroupConflict,
        "Error Cannot apply both stateful and stateless security groups on the same port at the same time while \
         attempting the operation.",
    )
}

/// 409: the name of the default group stays.
#[must_use]
pub fn cannot_update_default() -> Fault {
    Fault::new(FaultType::SecurityGroupCannotUpdateDefault, "Updating default security group not allowed.")
}

/// 409: only an administrator removes a default group.
#[must_use]
pub fn cannot_remove_default() -> Fault {
    Fault::new(
        FaultType::SecurityGroupCannotRemoveDefault,
        "Insufficient rights for removing default security group.",
    )
}

/// 409: ports are under the group.
#[must_use]
pub fn in_use(id: SecurityGroupId, ports: &[String]) -> Fault {
    Fault::new(FaultType::SecurityGroupInUse, format!("Security Group {id} in use."))
        .blocked_by("port", ports)
}

/// 404, also for groups hidden from the caller.
pub fn not_found(id: impl fmt::Display) -> Fault {
    Fault::new(FaultType::SecurityGroupNotFound, format!("Security group {id} does not exist"))
}
