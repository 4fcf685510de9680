//! The Network API v2.0.
//!
//! One folder per resource under [`resources`]; adding one touches that folder and
//! the registration list in `resources/mod.rs`. Handlers commit to the store and
//! never talk to an agent: the feed tells agents, and their reports come back as
//! rows.

mod app;
pub mod background;
pub mod blockers;
pub mod drivers;
pub mod feed;
pub mod ipam;
mod long_list;
pub mod openapi;
pub mod owner;
pub mod page;
pub mod prefix;
pub mod quota;
pub mod ranges;
pub mod resources;
pub mod routes;
mod settings;
#[cfg(test)]
pub mod testing;
mod under_way;

use isospin_store_kit::{Migration, MigrationSet};

pub use app::{App, StartError, router};
pub use settings::{QuotaDefaults, SegmentRange, Settings};

/// The schema of the Network API.
pub const MIGRATIONS: MigrationSet = MigrationSet {
    component: "network",
    steps: &[
        Migration { id: 1, name: "initial", sql: include_str!("../migrations/0001_initial.sql") },
        Migration { id: 2, name: "address_pools", sql: include_str!("../migrations/0002_address_pools.sql") },
        Migration { id: 3, name: "sharing", sql: include_str!("../migrations/0003_sharing.sql") },
        Migration { id: 4, name: "l3 services", sql: include_str!("../migrations/0004_l3_services.sql") },
        Migration { id: 5, name: "segments", sql: include_str!("../migrations/0005_segments.sql") },
        Migration { id: 6, name: "qos_trunks", sql: include_str!("../migrations/0006_qos_trunks.sql") },
        Migration {
            id: 7,
            name: "port_visibility",
            sql: include_str!("../migrations/0007_port_visibility.sql"),
        },
        Migration { id: 8, name: "guests", sql: include_str!("../migrations/0008_guests.sql") },
        Migration { id: 9, name: "nova_events", sql: include_str!("../migrations/0009_nova_events.sql") },
    ],
};
