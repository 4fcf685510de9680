//! What the server does beside answering requests.

pub mod nova;
pub mod scheduling;
