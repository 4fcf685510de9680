//! The server half of the feed: tells agents what their hosts need, takes their
//! reports, enrols new hosts.
//!
//! Tasks and channels:
//!
//! ```text
//! store versions --watch--> hub (one task) --broadcast Arc<Batch>--> session (one task per agent)
//!                           loads each changed object once           keeps what its host needs and was told
//! session --mpsc--> gRPC stream --> agent --> reports --> store
//! ```
//!
//! * [`load`] turns rows into records; nothing else here knows SQL of resources.
//! * [`snapshot`] computes everything a host needs: the definition of correct.
//! * [`view`] applies one batch to what a host was told, or says that only a new
//!   computation can; tests compare it with the snapshot. [`needs`] counts for it.
//! * [`reports`] turns what agents say into the status of ports and floating IPs.

mod account;
mod agents;
mod enrol;
mod heartbeats;
mod hub;
mod load;
mod needs;
mod reports;
mod service;
mod session;
mod snapshot;
mod view;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub mod testing;

pub use agents::HEARTBEAT_INTERVAL;
pub use enrol::create_join_token;
pub use service::serve;

/// Key of a record: kind and id.
type Key = (i32, String);
