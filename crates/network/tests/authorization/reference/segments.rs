//! Segments of networks, ranges of their ids, bindings of ports.

use super::{ADMIN, NONE, Row};

const BOUND: &str = "service";

pub const ROWS: &[Row] = &[
    Row { resource: "segment", create: ADMIN, get: ADMIN, update: ADMIN, delete: ADMIN, ..NONE },
    Row {
        resource: "network_segment_range",
        create: ADMIN,
        get: ADMIN,
        update: ADMIN,
        delete: ADMIN,
        ..NONE
    },
    Row {
        resource: "port_binding",
        create: BOUND,
        get: "admin, service",
        update: BOUND,
        delete: BOUND,
        actions: &[("activate_port_binding", BOUND)],
        ..NONE
    },
];
