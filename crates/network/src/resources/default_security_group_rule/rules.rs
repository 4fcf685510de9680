//! Checks and decisions about default rules, without database.

use std::fmt;

use isospin_api_kit::attribute::check;
use isospin_api_kit::{Body, Fault, FaultType};
use isospin_types::DefaultSecurityGroupRuleId;
use serde_json::Value;

use super::model::{DefaultRule, PARENT};
use crate::resources::security_group_rule::model::Remote;
use crate::resources::security_group_rule::rules::{matching, several_remotes};

/// The id of a group, or `PARENT`.
pub fn remote_group(value: &Value) -> Result<Value, String> {
    if value.as_str() == Some(PARENT) {
        return Ok(value.clone());
    }
    check::uuid(value).map(Value::String).map_err(|reason| format!("{reason}, and not '{PARENT}'"))
}

/// The rule a POST describes: as strict as a security group rule.
///
/// # Errors
/// 400 of the kinds of reference §8.
pub fn create(body: &Body) -> Result<DefaultRule, Fault> {
    let from_parent = body.text("remote_group_id") == Some(PARENT);
    let matching = matching(body)?;
    if from_parent && matching.remote != Remote::Any {
        return Err(several_remotes());
    }
    Ok(DefaultRule {
        id: DefaultSecurityGroupRuleId::random(),
        description: body.text("description").unwrap_or_default().to_owned(),
        matching,
        from_parent,
        in_default: body.flag("used_in_default_sg").unwrap_or(false),
        in_others: body.flag("used_in_non_default_sg").unwrap_or(true),
    })
}

/// 404: no such rule.
pub fn not_found(id: impl fmt::Display) -> Fault {
    Fault::new(
        FaultType::DefaultSecurityGroupRuleNotFound,
        format!("Default Security Group rule {id} does not exist"),
    )
}

/// 409: an equal rule goes into the same groups.
pub fn exists(id: impl fmt::Display) -> Fault {
    Fault::new(
        FaultType::DefaultSecurityGroupRuleExists,
        format!("Default Security group rule already exists. Rule id is {id}."),
    )
}

/// 409: two rules of one request are equal.
#[must_use]
pub fn duplicate() -> Fault {
    Fault::new(FaultType::DuplicateDefaultSgRuleInPost, "Duplicate Default Security Group Rule in POST.")
}
