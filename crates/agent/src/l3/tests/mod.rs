//! Tests of routers: `pure` over values, `model` against a host in memory under
//! random changes, `lab` with real namespaces and packets.

mod facts;
mod lab;
mod model;
mod pure;
mod scopes;
