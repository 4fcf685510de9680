//! `isospin demo`: a small cloud on this host, checked step by step.
//!
//! An external flat network whose gateway is this host, a project network behind a
//! router, two instances (network namespaces), a floating IP; then what a person
//! would try with them, and what must not work.

mod checks;
mod cloud;
mod probe;
mod steps;

use anyhow::{Result, bail};

use crate::cli;
use crate::state_dir::StateDir;
use cloud::Cloud;
use steps::Steps;

pub async fn run(arguments: cli::Demo) -> Result<()> {
    let state = StateDir::new(arguments.place.state_dir)?;
    if !nix::unistd::geteuid().is_root() {
        bail!("the demo makes network namespaces on this host: run as root");
    }
    let cloud = Cloud::log_in(state).await?;
    let mut steps = Steps::new();
    if arguments.remove {
        steps.step("everything of the demo is removed", cloud.remove()).await?;
        return steps.finish();
    }
    cloud.remove().await?;
    let built = build(&cloud, &mut steps).await?;
    checks::instances(&built, &mut steps).await?;
    checks::outside(&cloud, &built, &mut steps).await?;
    checks::metadata(&cloud, &built, &mut steps).await?;
    checks::security(&cloud, &built, &mut steps).await?;
    steps.finish()
}

async fn build(cloud: &Cloud, steps: &mut Steps) -> Result<cloud::Built> {
    let external = steps
        .step("external network ext-net: flat on 'external', 10.77.77.200-220", cloud.external())
        .await?;
    let network = steps.step("project network demo-net: 10.10.10.0/24", cloud.project_network()).await?;
    let gateway = steps
        .step("demo-router between them, gateway 10.77.77.200", cloud.router(&external, &network))
        .await?;
    let one = steps
        .step("instance 1: namespace isospin-demo-1, address by DHCP", cloud.instance("demo-1", &network))
        .await?;
    let two = steps
        .step("instance 2: namespace isospin-demo-2, address by DHCP", cloud.instance("demo-2", &network))
        .await?;
    let isolated_network = steps
        .step("isolated network demo-isolated: 10.20.20.0/24, no router", cloud.isolated_network())
        .await?;
    let isolated = steps
        .step(
            "instance 3 on it: namespace isospin-demo-3, address by DHCP",
            cloud.instance("demo-3", &isolated_network),
        )
        .await?;
    let floating =
        steps.step("a floating IP for instance 1, ACTIVE", cloud.floating_ip(&external, &one)).await?;
    Ok(cloud::Built { gateway, one, two, isolated, floating })
}
