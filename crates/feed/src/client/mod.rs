//! The agent's end of the feed.
//!
//! ```text
//!  server <--- mutual TLS, one HTTP/2 stream ---> run() --FeedEvent--> the task that owns the replica
//!                                                  ^                          |
//!                                                  +--- Outbox (per session) --+
//! ```
//! [`run`] connects, says `Hello`, sends heartbeats, puts messages together to whole
//! steps and begins again, with growing and random pauses, when a session ends. It
//! never touches the host. Each session has its own [`Outbox`]: what was meant for a
//! session that has ended is never sent in the next one.

mod backoff;
mod connect;
mod join;
mod session;

pub use backoff::Backoff;
pub use join::{JoinError, join};
pub use session::{ClientConfig, FeedEvent, Lookup, Outbox, run, run_where};

/// Why a server cannot be talked to.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ConnectError {
    #[error("'{0}' is not an https URL of a feed server")]
    Url(String),
    #[error("cannot connect to {url}")]
    Connect {
        url: String,
        #[source]
        source: tonic::transport::Error,
    },
}
