//! Which agent serves what: networks for DHCP, routers for routing.
//!
//! Called within the unit of work that changes what there is to serve, so that a
//! network with DHCP has its server as soon as the answer is out.

pub mod agents;
mod arrival;
mod dhcp;
pub mod placement;
pub mod routers;

pub use arrival::host_arrived;
pub use dhcp::ensure_dhcp;
pub use routers::schedule_router;
