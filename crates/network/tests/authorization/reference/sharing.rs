//! Address groups, and what new security groups get.

use super::{ADMIN, NONE, OWNER, READER, Row, SHARED_READER};

pub const ROWS: &[Row] = &[
    Row {
        resource: "address_group",
        create: OWNER,
        get: SHARED_READER,
        update: OWNER,
        delete: OWNER,
        actions: &[("add_addresses", OWNER), ("remove_addresses", OWNER)],
        ..NONE
    },
    Row { resource: "default_security_group_rule", create: ADMIN, get: "all", delete: ADMIN, ..NONE },
    Row {
        resource: "security_groups_default_statefulness",
        create: "admin, manager",
        get: READER,
        update: "admin, manager",
        delete: "admin, manager",
        ..NONE
    },
];
