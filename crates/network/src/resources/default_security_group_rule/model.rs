//! What a default rule is inside the server.

use isospin_types::{DefaultSecurityGroupRuleId, SecurityGroupId};

use crate::resources::security_group_rule::model::{Matching, Remote};

/// In place of a group's id: the group the rule is copied into.
pub const PARENT: &str = "PARENT";

/// A rule that new groups get a copy of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultRule {
    pub id: DefaultSecurityGroupRuleId,
    pub description: String,
    /// What the copies let through, but for [`DefaultRule::from_parent`].
    pub matching: Matching,
    /// Whether the other end is any member of the group itself; the matching names no
    /// remote then.
    pub from_parent: bool,
    /// Whether the default group of a project gets it.
    pub in_default: bool,
    /// Whether other groups get it.
    pub in_others: bool,
}

impl DefaultRule {
    /// What makes two rules the same.
    #[must_use]
    pub fn identity(&self) -> String {
        if self.from_parent { self.matching.identity_with(PARENT) } else { self.matching.identity() }
    }

    /// What the copy in a group lets through.
    #[must_use]
    pub const fn matching_in(&self, group: SecurityGroupId) -> Matching {
        let mut matching = self.matching;
        if self.from_parent {
            matching.remote = Remote::Group(group);
        }
        matching
    }
}
