//! The loop that keeps the host equal to the facts.
//!
//! ```text
//!  feed client --FeedEvent--> +------------------+ --pass()--> mechanisms, one after the other
//!  host watches --Notices---> | Converge::run    | --Report--> outbox of the session
//!  timers ------------------> | owns the replica | --steps---> replica on disk
//!                             +------------------+ --watch---> status, applied version
//! ```
//! One task owns the replica and all mechanisms. It takes in all that has arrived,
//! then runs one round: each mechanism's pass over the union of it. What arrives
//! during a round is the next round, which follows at once. An activation carries no
//! data a mechanism may rely on: [`Scope`] only says where looking is worth it.
//!
//! A round looks at everything at the start, after a snapshot, when somebody else
//! changed rules, namespaces or (by a lost event) we cannot know what, and every
//! [`FULL_EVERY`]; otherwise at the facts and devices that changed.
//!
//! **Order of the passes**: l2, l3, dhcp, metadata, then others as given. l2 first
//! because it closes what is to be closed before anything new can carry a frame, and
//! because instances are waiting for their wire. The devices l3 and dhcp make carry
//! nothing until l2 has wired them, which it does in the round their own events start.
//!
//! What failed is tried again after a growing pause: first by itself, then in a look
//! at everything, because a failure may mean that a mechanism remembers the host wrongly.

mod account;
mod items;
mod mechanism;
mod pending;
mod run;

pub use mechanism::{Item, ItemState, Mechanism, PassReport, Scope};
pub use run::{AgentError, FULL_EVERY, run};

#[cfg(test)]
mod tests;
