//! The feed: what a server tells the agents of its hosts, and what they report.
//!
//! * [`proto`] is the wire, generated from `proto/feed.proto`.
//! * [`facts`] are the same records as values that cannot be wrong; a record that
//!   does not parse is set aside by key and never stops the others.
//! * [`convert`] goes between the two.
//! * [`replica`] is what an agent holds: the facts at one version, from a complete
//!   snapshot only, kept on disk too.
//! * [`client`] is the agent's end of the stream, and how a host joins.
//! * [`pki`] is the authority behind the mutual TLS of both ends.

pub mod client;
pub mod convert;
pub mod facts;
pub mod pki;
pub mod replica;

#[cfg(test)]
mod samples;

/// The wire form of the feed, generated from `proto/feed.proto`.
#[allow(missing_docs, clippy::all, unused_qualifications)]
pub mod proto {
    tonic::include_proto!("isospin.feed.v1");
}

/// The frame header of the files a replica is kept in, from `proto/replica.proto`.
#[allow(missing_docs, clippy::all, unused_qualifications)]
mod replica_proto {
    tonic::include_proto!("isospin.replica.v1");
}
