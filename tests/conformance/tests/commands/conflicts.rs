//! A refusal says what to call next; done as it says, the next attempt succeeds.

use anyhow::{Context, Result, ensure};
use isospin_conformance::{Api, Line};
use serde_json::Value;

use super::Cloud;

const TOPOLOGY: &[Line] = &[
    ("router create router", ""),
    ("router add subnet router subnet", ""),
    ("security group create group", ""),
    ("port create --network net --security-group group port", ""),
    ("subnet pool create --pool-prefix 10.60.0.0/16 --default-prefix-length 24 pool", ""),
    ("network create pooled", ""),
    ("subnet create --network pooled --subnet-pool pool --ip-version 4 from-pool", ""),
    ("net := network show net -f value -c id", ""),
    ("router := router show router -f value -c id", ""),
    ("group := security group show group -f value -c id", ""),
    ("port := port show port -f value -c id", ""),
    ("pool := subnet pool show pool -f value -c id", ""),
    ("blocking := subnet show from-pool -f value -c id", ""),
    ("interface := port list --router router -f value -c ID", ""),
];

/// The fault of a DELETE.
fn refused(api: &Api, path: &str) -> Result<Value> {
    let reply = api.network("DELETE", path, "")?;
    ensure!(matches!(reply.status, 400 | 409), "DELETE {path}: {} {}", reply.status, reply.text);
    Ok(reply.body()["NeutronError"].take())
}

#[test]
fn what_a_refusal_tells_to_call_helps() -> Result<()> {
    let mut cloud = Cloud::start()?;
    cloud.demo(TOPOLOGY)?;
    let api = Api::log_in(&cloud.installation, "demo")?;
    for (collection, name, blocking, told, command) in [
        (
            "security-groups",
            "{group}",
            "port {port}",
            "port unset --security-group GROUP PORT",
            "port unset --security-group {group} {port}",
        ),
        (
            "routers",
            "{router}",
            "{interface}",
            "router remove port ROUTER PORT",
            "router remove port {router} {interface}",
        ),
        ("networks", "{net}", "{port}", "port delete PORT", "port delete {port}"),
        ("subnetpools", "{pool}", "subnet {blocking}", "subnet delete SUBNET", "subnet delete {blocking}"),
    ] {
        let path = cloud.script.fill(&format!("/{collection}/{name}"));
        let fault = refused(&api, &path)?;
        let message = fault["message"].as_str().context("no message")?;
        ensure!(message.contains(&cloud.script.fill(blocking)), "nothing is named: {fault}");
        let detail = fault["detail"].as_str().context("detail is no text")?;
        ensure!(detail.contains(&format!("`openstack {told}`")), "nothing to call: {fault}");
        let command = cloud.script.fill(command);
        cloud.demo.ok(&command)?;
        let reply = api.network("DELETE", &path, "")?;
        ensure!(reply.status == 204, "after {command}, DELETE {path}: {}", reply.text);
    }
    Ok(())
}
