//! `isospin demo` on a fresh host.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use isospin_conformance::{Api, Installation};
use isospin_system::{Host, run, shape};

/// Names of devices and namespaces of the host, and what udhcpc's script wrote.
fn left() -> Result<BTreeSet<String>> {
    let mut names = shape()?;
    names.extend(run("ip", &["netns"])?.lines().map(|line| format!("namespace {line}")));
    if let Ok(folder) = std::fs::read_dir("/etc/netns") {
        for entry in folder {
            names.insert(format!("/etc/netns/{}", entry?.file_name().to_string_lossy()));
        }
    }
    Ok(names)
}

#[test]
fn the_demo_ticks_every_step_twice_and_its_removal_leaves_nothing() -> Result<()> {
    let Some(_host) = Host::enter("the demo")? else { return Ok(()) };
    let installation = Installation::start("real")?;
    let admin = Api::log_in(&installation, "admin")?;
    let before = left()?;
    // Default groups come with the first port of a project, and stay.
    installation.run(&["demo"])?;
    installation.run(&["demo", "--remove"])?;
    let ids = || anyhow::Ok(admin.everything()?.into_keys().collect::<BTreeSet<_>>());
    let resources = ids()?;
    for round in 1..=2 {
        let said = installation.run(&["demo"]).with_context(|| format!("round {round}"))?;
        print!("{said}");
        assert!(!said.contains('✗') && said.matches('✓').count() >= 30, "{said}");
    }
    installation.run(&["demo", "--remove"])?;
    assert_eq!(ids()?, resources);
    isospin_system::until("nothing is left on the host", std::time::Duration::from_secs(5), || {
        (left().ok()? == before).then_some(())
    })
    .with_context(|| format!("differs: {:#?}", left().map(|now| &now ^ &before)))?;
    let attachments = std::fs::read_dir(installation.state_dir().join("attachments"))?.count();
    assert_eq!(attachments, 0, "attachments of instances that are gone");
    Ok(())
}
