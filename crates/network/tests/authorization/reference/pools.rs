//! Address scopes, subnet pools, and what is computed from networks.

use super::{ADMIN, NONE, OWNER, READER, Row, SHARED_READER, attribute};

pub const ROWS: &[Row] = &[
    Row {
        resource: "subnetpool",
        create: OWNER,
        get: SHARED_READER,
        update: OWNER,
        delete: OWNER,
        attributes: &[attribute("shared", ADMIN, "-", ""), attribute("is_default", ADMIN, ADMIN, "")],
        actions: &[("add_prefixes", OWNER), ("remove_prefixes", OWNER), ("onboard_network_subnets", OWNER)],
        ..NONE
    },
    Row {
        resource: "address_scope",
        create: OWNER,
        get: SHARED_READER,
        update: OWNER,
        delete: OWNER,
        attributes: &[attribute("shared", ADMIN, ADMIN, "")],
        ..NONE
    },
    Row { resource: "network_ip_availability", get: "admin, service", ..NONE },
    Row { resource: "auto_allocated_topology", get: READER, delete: OWNER, ..NONE },
];
