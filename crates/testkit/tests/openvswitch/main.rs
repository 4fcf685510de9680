//! The Open vSwitch driver with real packets: hosts with a switch of their own, on an
//! underlay, told facts as a server would tell them.

#![expect(clippy::expect_used, reason = "a test")]

mod cloud;
mod matrix;

use isospin_testkit::lab;

#[tokio::test]
async fn every_type_of_network_reaches_what_it_should_and_nothing_else() {
    if lab::can_run() {
        matrix::run().await;
    }
}
