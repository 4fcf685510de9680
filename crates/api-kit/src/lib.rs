//! What every API service shares.
//!
//! * [`Caller`]: who is asking, as a token says; [`auth`] turns a token into one.
//! * [`Fault`] and [`FaultType`]: the one table of error kinds, types and statuses.
//! * [`attribute`]: tables that are the single source of what goes over the wire;
//!   [`Body`] validates requests against them.
//! * [`list`]: filters, fields, sorting and paging, pushed into SQL.
//! * [`policy`]: oslo.policy expressions and their evaluation.
//! * [`routes`]: what route tables are made of.
//! * [`outgoing`], [`service_user`]: requests of ours to other services, and as whom.
//! * [`view`]: which attributes of an object a caller gets to see.
//! * [`http`]: request context, request ids, answers; [`Measured`] counts requests.

mod access_rule;
pub mod attribute;
pub mod auth;
mod body;
mod caller;
mod clock;
pub mod extension;
mod fault;
pub mod http;
pub mod list;
mod measured;
pub mod outgoing;
pub mod policy;
pub mod routes;
pub mod service_user;
pub mod view;

pub use access_rule::{AccessRule, permits};
pub use body::{Bodies, Body};
pub use caller::Caller;
pub use clock::now_seconds;
pub use fault::{Fault, FaultType, NextCall};
pub use measured::Measured;
