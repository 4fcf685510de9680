//! QoS policies and their rules, trunks.

use super::{ADMIN, NONE, OWNER, READER, Row, SHARED_READER};

const MANAGER: &str = "admin, manager";

/// A kind of rule, under its policy or by its alias.
const fn rule(resource: &'static str) -> Row {
    const UNDER: &str = "admin, P manager";
    Row { resource, create: UNDER, get: "admin, P reader", update: UNDER, delete: UNDER, ..NONE }
}

pub const ROWS: &[Row] = &[
    Row { resource: "policy", create: MANAGER, get: SHARED_READER, update: MANAGER, delete: MANAGER, ..NONE },
    // Details are for administrators.
    Row { resource: "rule_type", get: ADMIN, list: "all", ..NONE },
    rule("policy_bandwidth_limit_rule"),
    rule("policy_dscp_marking_rule"),
    rule("policy_minimum_bandwidth_rule"),
    rule("policy_minimum_packet_rate_rule"),
    rule("policy_packet_rate_limit_rule"),
    rule("alias_bandwidth_limit_rule"),
    rule("alias_dscp_marking_rule"),
    rule("alias_minimum_bandwidth_rule"),
    rule("alias_minimum_packet_rate_rule"),
    rule("alias_packet_rate_limit_rule"),
    Row {
        resource: "trunk",
        create: OWNER,
        get: READER,
        update: OWNER,
        delete: OWNER,
        actions: &[("add_subports", OWNER), ("remove_subports", OWNER), ("get_subports", READER)],
        ..NONE
    },
];
