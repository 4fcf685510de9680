//! What the client says of agents and extensions.

use anyhow::{Context, Result};
use isospin_conformance::{Client, Installation, Line, Script, column};
use serde_json::json;

/// Columns of `network agent list` as operators know them, and the rows a host gives.
const AGENTS: [[&str; 5]; 4] = [
    ["DHCP agent", "nova", ":-)", "UP", "neutron-dhcp-agent"],
    ["L3 agent", "nova", ":-)", "UP", "neutron-l3-agent"],
    ["Linux bridge agent", "None", ":-)", "UP", "neutron-linuxbridge-agent"],
    ["Metadata agent", "None", ":-)", "UP", "neutron-metadata-agent"],
];

/// Extensions clients look for before they use a feature.
const EXTENSIONS: &[&str] = &[
    "agent",
    "allowed-address-pairs",
    "availability_zone",
    "binding",
    "dns-integration",
    "ext-gw-mode",
    "external-net",
    "extra_dhcp_opt",
    "extraroute",
    "net-mtu",
    "metering",
    "port-resource-request-groups",
    "port-security",
    "provider",
    "qos-fip",
    "qos-gateway-ip",
    "quotas",
    "revision-if-match",
    "router",
    "security-group",
    "standard-attr-description",
    "standard-attr-revisions",
    "standard-attr-tag",
    "standard-attr-timestamp",
];

/// Features this release does not have: a client that asks must be told so.
const ABSENT: &[&str] = &["dvr", "l3-ha", "logging", "qos-bw-minimum-ingress", "vlan-transparent"];

/// What agents are given to serve, and what is taken from them.
const WORK: &[Line] = &[
    ("dhcp := network agent list --agent-type dhcp -f value -c ID", ""),
    ("l3 := network agent list --agent-type l3 -f value -c ID", ""),
    ("network create --enable net", ""),
    ("subnet create --network net --subnet-range 10.1.0.0/24 subnet", ""),
    ("network list --agent {dhcp} -f value -c Name", "net"),
    ("network agent list --network net -f value -c ID", "{dhcp}"),
    ("network agent remove network --dhcp {dhcp} net", ""),
    ("network list --agent {dhcp} -f value -c Name", ""),
    ("network agent add network --dhcp {dhcp} net", ""),
    ("network list --agent {dhcp} -f value -c Name", "net"),
    ("router create router", ""),
    ("router add subnet router subnet", ""),
    ("router list --agent {l3} -f value -c Name", "router"),
    ("network agent list --router router -f value -c ID", "{l3}"),
    ("network agent remove router --l3 {l3} router", ""),
    ("router list --agent {l3} -f value -c Name", ""),
    ("network agent add router --l3 {l3} router", ""),
    ("router list --agent {l3} -f value -c Name", "router"),
    ("router remove subnet router subnet", ""),
    ("router delete router", ""),
    ("network delete net", ""),
];

#[test]
fn agents_have_the_columns_operators_know() -> Result<()> {
    let installation = Installation::start("simulated")?;
    let mut admin = Client::start(&installation, "isospin")?;
    let host = installation.status()?["agent"]["host"].as_str().context("no host")?.to_owned();
    let table = admin.ok("network agent list --sort-column 'Agent Type'")?;
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let columns = ["ID", "Agent Type", "Host", "Availability Zone", "Alive", "State", "Binary"];
    assert_eq!(rows[0], columns, "{table}");
    assert_eq!(rows.len() - 1, AGENTS.len(), "{table}");
    for (row, [kind, zone, alive, state, binary]) in rows[1..].iter().zip(AGENTS) {
        assert_eq!(row[1..], [kind, &*host, zone, alive, state, binary], "{table}");
        assert_eq!(row[0].len(), 36, "an id: {table}");
    }
    let id = rows[2][0];
    let shown = admin.json(&format!("network agent show {id}"))?;
    assert_eq!((&shown["agent_type"], &shown["alive"]), (&json!("L3 agent"), &json!(true)), "{shown}");
    assert_eq!(shown["configuration"]["agent_mode"], "legacy", "{shown}");
    admin.ok(&format!("network agent set --disable --description Away {id}"))?;
    let shown = admin.json(&format!("network agent show {id}"))?;
    assert_eq!(shown["admin_state_up"], false, "{shown}");
    admin.ok(&format!("network agent set --enable {id}"))?;
    let zones = admin.json("availability zone list --network")?;
    assert!(column(&zones, "Zone Name")?.contains(&"nova".to_owned()), "{zones}");
    Ok(())
}

#[test]
fn agents_are_given_networks_and_routers() -> Result<()> {
    let installation = Installation::start("simulated")?;
    let mut admin = Client::start(&installation, "isospin")?;
    Script::default().run(&mut admin, WORK)
}

#[test]
fn extensions_are_listed_where_they_work() -> Result<()> {
    let installation = Installation::start("none")?;
    let mut demo = Client::start(&installation, "isospin-demo")?;
    let listed = demo.json("extension list --network")?;
    let aliases = column(&listed, "Alias")?;
    for alias in EXTENSIONS {
        assert!(aliases.iter().any(|known| known == alias), "{alias} is missing: {aliases:?}");
    }
    for alias in ABSENT {
        assert!(!aliases.iter().any(|known| known == alias), "{alias} is not there, but listed");
    }
    for column_name in ["Name", "Description"] {
        assert!(column(&listed, column_name)?.iter().all(|text| !text.is_empty()), "{listed}");
    }
    assert_eq!(demo.ok("extension show router -f value -c alias")?.trim(), "router");
    assert!(demo.refused("extension show dvr")?.contains("No Extension found"));
    Ok(())
}
