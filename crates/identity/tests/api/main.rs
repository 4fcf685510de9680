//! The Identity API over real databases.

#![expect(clippy::expect_used, reason = "a test that cannot go on ends; clippy knows test functions only")]

mod assignments;
mod authorization;
mod bootstrap;
mod catalog;
mod compliance;
mod delegated_tokens;
mod delegation;
mod keys;
mod logins;
mod passcodes;
mod people;
mod projects;
mod random;
mod remembering;
mod routes;
mod samples;
mod security;
mod service;
mod services;
mod timing;
mod tokens;
