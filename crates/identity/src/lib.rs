//! The Identity API v3: who is who, who may do what where, and which services there are.
//!
//! * [`open`] and [`router`] give the service; [`bootstrap`](bootstrap::bootstrap)
//!   fills an empty one.
//! * [`IdentityApp::authenticator`] answers the network API: a token seen before
//!   costs no query, and is still refused the moment after it was revoked.
//! * [`keystone`] answers the network API by asking another Keystone instead.
//! * Tokens are Keystone's Fernet tokens; nothing of a token is stored but that it
//!   was given back.

mod app;
pub mod bootstrap;
pub mod config;
mod delegation;
mod discovery;
mod fault;
mod generation;
mod input;
pub mod keystone;
mod listing;
mod passwords;
pub mod policy;
mod request;
mod resources;
pub mod routes;
mod tokens;

use isospin_store_kit::{Migration, MigrationSet};

pub use app::{IdentityApp, OpenError, open, open_with, route_table, router};
pub use config::IdentityConfig;
pub use tokens::keys::{KeyError, Rotated, Rotation, rotate_folder, rotate_stored};

/// The schema of the Identity API.
pub const MIGRATIONS: MigrationSet = MigrationSet {
    component: "identity",
    steps: &[
        Migration { id: 1, name: "initial", sql: include_str!("../migrations/0001_initial.sql") },
        Migration { id: 2, name: "delegation", sql: include_str!("../migrations/0002_delegation.sql") },
        Migration { id: 3, name: "resources", sql: include_str!("../migrations/0003_resources.sql") },
        Migration { id: 5, name: "tokens", sql: include_str!("../migrations/0005_tokens.sql") },
        Migration {
            id: 6,
            name: "security_compliance",
            sql: include_str!("../migrations/0006_security_compliance.sql"),
        },
    ],
};
