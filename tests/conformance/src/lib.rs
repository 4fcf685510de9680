//! A running Isospin and the real `openstack` client, for tests.
//!
//! The client is python-openstackclient from PyPI, unmodified, in `.venv`
//! (`make client`). Starting its interpreter takes a second, so [`Client`] keeps one
//! process and runs command after command in it; the code that runs is the same.
//! [`Keystone`] is a real one, from PyPI too (`make keystone`).
//! [`run_suite`] runs OpenStack's own test suites.

mod api;
mod attempt;
mod client;
mod installation;
mod keystone;
pub mod samples;
mod script;
mod skip;
mod suite;

pub use api::{Api, Reply};
pub use attempt::Attempt;
pub use client::{Answer, Client};
pub use installation::{Installation, root};
pub use keystone::{Behind, Keystone};
pub use script::{Line, Script, column, run};
pub use skip::may_run_as_root;
pub use suite::run_suite;
