//! Tests of routers: `pure` over values, `model` against a host in memory under
//! random changes, `lab` with real namespaces and packets.

mod facts;
mod lab;
mod metering;
mod model;
mod pure;
mod qos;
mod scopes;
