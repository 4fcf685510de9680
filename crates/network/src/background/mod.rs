//! What the server does beside answering requests.

pub mod scheduling;
