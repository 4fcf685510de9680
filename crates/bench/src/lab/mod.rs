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
use clap::ValueEnum;
use isospin_testkit::lab::Driver;

use crate::report::Results;
use cloud::Cloud;

/// What is measured in a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// What the way through switch and firewall costs a packet.
    Paths,
    /// Rules that open and close a way.
    Rules,
    /// Instances that are plugged in.
    Plugs,
    /// An agent that starts again.
    Restart,
    /// A host with 85,000 rules.
    ManyRules,
}

/// How the hosts wire their ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Wiring {
    Linuxbridge,
    Openvswitch,
}

/// Measures these parts with each of these drivers, each in a lab of its own: none pays for what
/// another has left behind.
pub async fn run(binary: &Path, drivers: &[Wiring], parts: &[Part], results: &mut Results) -> Result<()> {
    // Processes of a machine start elsewhere.
    let binary = &std::path::absolute(binary)?;
    for driver in drivers {
        let driver = match driver {
            Wiring::Linuxbridge => Driver::LinuxBridge,
            Wiring::Openvswitch => Driver::OpenVSwitch,
        };
        for part in parts {
            let mut cloud = Cloud::start(binary, driver).await?;
            let done = measure(*part, &mut cloud, results).await;
            done.with_context(|| format!("{part:?} with {driver:?}"))?;
        }
        if driver == Driver::OpenVSwitch && parts.contains(&Part::Paths) {
            let mut cloud = Cloud::passing_large_packets(binary).await?;
            let done = paths::with_large_packets(&mut cloud, results).await;
            done.context("large packets")?;
        }
    }
    Ok(())
}

async fn measure(part: Part, cloud: &mut Cloud, results: &mut Results) -> Result<()> {
    match part {
        Part::Paths => paths::run(cloud, results).await,
        Part::Rules => rules::run(cloud, results).await,
        Part::Plugs => plugs::run(cloud, results).await,
        Part::Restart => restart::run(cloud, results).await,
        Part::ManyRules => rules::many(cloud, results).await,
    }
}
