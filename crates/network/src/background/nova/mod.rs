//! Tells Nova what became of instances' ports: `POST /os-server-external-events`
//! (reference/agents-and-dataplane §10.1).
//!
//! * [`outbox`]: an event is a row, written in the unit of work that causes it; so no
//!   request waits for Nova, and none is lost while Nova or this server is down.
//! * [`client`]: Nova, as the service user of the configuration.
//! * [`sender`]: hands the rows over, oldest first. Of several servers one does.

mod client;
pub mod outbox;
mod sender;

#[cfg(test)]
mod tests;

use isospin_api_kit::service_user::ServiceUser;

pub use client::NovaError;
pub use sender::{forget, run};

/// How to reach Nova, and as whom.
#[derive(Clone)]
pub struct NovaConfig {
    /// With the role `service` or `admin`.
    pub user: ServiceUser,
    /// Region of the catalog; "" = any.
    pub region_name: String,
    /// Interface of the catalog: public, internal or admin.
    pub endpoint_type: String,
    /// URL of Nova's API; "" = as the catalog says.
    pub endpoint_override: String,
}
