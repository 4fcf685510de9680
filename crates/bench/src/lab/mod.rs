//! Two hosts with real agents, and real packets: `isospin-bench --only lab`, as root.
//!
//! What is measured is the agent's work and the way of packets, once with Linux bridges and
//! once with Open vSwitch in userspace. Ports are plugged in as a hypervisor does it: a
//! namespace is ready beforehand, the tap appears at the moment of plugging.

mod cloud;
mod echo;
mod hypervisor;
mod paths;
mod plugs;
mod restart;
mod rules;
mod traffic;

use std::path::Path;

use anyhow::{Context, Result};
use isospin_testkit::lab::Driver;

use crate::report::Results;
use cloud::Cloud;

/// Measures both drivers, each in a lab of its own.
pub async fn run(binary: &Path, results: &mut Results) -> Result<()> {
    for driver in [Driver::LinuxBridge, Driver::OpenVSwitch] {
        measure(binary, driver, results).await.with_context(|| format!("the lab with {driver:?}"))?;
    }
    Ok(())
}

async fn measure(binary: &Path, driver: Driver, results: &mut Results) -> Result<()> {
    let mut cloud = Cloud::start(binary, driver).await?;
    paths::run(&mut cloud, results).await.context("paths of packets")?;
    rules::run(&mut cloud, results).await.context("rules that come and go")?;
    plugs::run(&mut cloud, results).await.context("plugs")?;
    restart::run(&mut cloud, results).await.context("a restart")?;
    rules::many(&mut cloud, results).await.context("a host with many rules")
}
