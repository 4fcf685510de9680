//! Starts of a real agent on a host that lacks something.

use anyhow::Result;
use isospin_conformance::{Attempt, Installation};
use isospin_system::{Host, run};

#[test]
fn a_host_without_ip_or_nft_is_refused_with_the_package_to_install() -> Result<()> {
    let Some(host) = Host::enter("the test of missing tools")? else { return Ok(()) };
    for (tool, package) in [("nft", "nftables"), ("ip", "iproute2")] {
        host.without(tool)?;
        let attempt = Attempt::new("real")?;
        let said = attempt.refused()?;
        assert!(said.contains(&format!("`{tool}` is missing")) && said.contains(package), "{said}");
        assert_eq!(std::fs::read_dir(attempt.state_dir())?.count(), 0, "something was made");
    }
    Ok(())
}

#[test]
fn dhcp_without_a_client_is_refused_before_the_port_is_plugged() -> Result<()> {
    let Some(host) = Host::enter("the test of a missing DHCP client")? else { return Ok(()) };
    let installation = Installation::start("real")?;
    host.without("udhcpc")?;
    let output = installation.output(&["attach", "port", "--netns", "machine", "--dhcp"])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("udhcpc"), "{said}");
    assert_eq!(run("ip", &["netns"])?, "", "a namespace was made");
    Ok(())
}
