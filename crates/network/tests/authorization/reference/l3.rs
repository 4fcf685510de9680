//! What lies under routers and floating IPs, flavors, metering.

use super::{ADMIN, NONE, READER, Row};

const MANAGER: &str = "admin, manager";
const UNDER: &str = "admin, P member";
const UNDER_READER: &str = "admin, P reader";

pub const ROWS: &[Row] = &[
    Row {
        resource: "floatingip_port_forwarding",
        create: UNDER,
        get: UNDER_READER,
        update: UNDER,
        delete: UNDER,
        ..NONE
    },
    Row {
        resource: "router_conntrack_helper",
        create: UNDER,
        get: UNDER_READER,
        update: UNDER,
        delete: UNDER,
        ..NONE
    },
    Row {
        resource: "flavor",
        create: ADMIN,
        get: "all",
        update: ADMIN,
        delete: ADMIN,
        actions: &[("create_flavor_service_profile", ADMIN), ("delete_flavor_service_profile", ADMIN)],
        ..NONE
    },
    Row { resource: "service_profile", create: ADMIN, get: ADMIN, update: ADMIN, delete: ADMIN, ..NONE },
    Row { resource: "service_provider", get: "all", ..NONE },
    Row { resource: "metering_label", create: MANAGER, get: READER, delete: MANAGER, ..NONE },
    Row { resource: "metering_label_rule", create: MANAGER, get: READER, delete: MANAGER, ..NONE },
];
