//! One file for each command.

pub mod agent_status;
pub mod attach;
pub mod demo;
pub mod down;
pub mod identity;
pub mod keys;
pub mod openapi;
pub mod policy;
pub mod status;
pub mod token;
pub mod up;
