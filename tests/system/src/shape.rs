//! What Isospin made on this host, as lines that can be compared.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::host::run;
use crate::until;

/// Devices with their bridge, MTU and addresses, routes and rules, of the host and of
/// every `qrouter-` and `qdhcp-` namespace; sorted. Left out is what differs each time
/// the same thing is made: indexes, handles, link-local addresses.
///
/// # Errors
/// A tool failed.
pub fn shape() -> Result<BTreeSet<String>> {
    let mut lines = BTreeSet::new();
    place("", &mut lines)?;
    for entry in std::fs::read_dir("/run/netns")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("qrouter-") || name.starts_with("qdhcp-") {
            place(&name, &mut lines)?;
        }
    }
    Ok(lines)
}

/// Waits until the shape is again what it was.
///
/// # Errors
/// It is not: with the difference.
pub fn same_shape(before: &BTreeSet<String>, limit: Duration) -> Result<()> {
    let same = || (shape().ok()? == *before).then_some(());
    until("the host is as before", limit, same).map(drop).with_context(|| {
        let now = shape().unwrap_or_default();
        format!("missing: {:#?} new: {:#?}", before - &now, &now - before)
    })
}

fn place(netns: &str, lines: &mut BTreeSet<String>) -> Result<()> {
    let ip = |arguments: &[&str]| {
        let place: &[&str] = if netns.is_empty() { &[] } else { &["-n", netns] };
        run("ip", &[place, arguments].concat())
    };
    let devices: Value = serde_json::from_str(&ip(&["-j", "address"])?).context("ip -j address")?;
    for device in devices.as_array().into_iter().flatten() {
        let name = device["ifname"].as_str().unwrap_or_default();
        lines.insert(format!("{netns} {name} mtu {} master {}", device["mtu"], device["master"]));
        for address in device["addr_info"].as_array().into_iter().flatten() {
            if address["scope"] != "link" {
                lines.insert(format!("{netns} {name} {}/{}", address["local"], address["prefixlen"]));
            }
        }
    }
    for route in ip(&["route"])?.lines() {
        // A bridge that lost its last port says so; one that never had any does not.
        lines.insert(format!("{netns} route {}", route.trim().trim_end_matches(" linkdown")));
    }
    let nft: &[&str] = &["nft", "-js", "list", "ruleset"];
    let rules = match netns {
        "" => run(nft[0], &nft[1..])?,
        _ => run("ip", &[&["netns", "exec", netns], nft].concat())?,
    };
    let mut rules: Value = serde_json::from_str(&rules).context("nft -j")?;
    for object in rules["nftables"].as_array_mut().into_iter().flatten() {
        comparable(object);
        lines.insert(format!("{netns} {object}"));
    }
    Ok(())
}

/// Takes away handles, and orders the elements of sets, which the kernel gives in any order.
fn comparable(object: &mut Value) {
    for part in object.as_object_mut().into_iter().flat_map(|object| object.values_mut()) {
        if let Some(part) = part.as_object_mut() {
            part.remove("handle");
        }
        if let Some(elements) = part["elem"].as_array_mut() {
            elements.sort_by_key(Value::to_string);
        }
    }
}
