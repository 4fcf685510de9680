//! What a load needs before it begins: networks, quotas.

use anyhow::{Context, Result};
use isospin_client::Session;
use serde_json::{Value, json};

/// Lifts every limit of the project, so that the checks run but never refuse.
pub async fn lift_quotas(admin: &Session, project: &str) -> Result<()> {
    let limit = 100_000_000;
    let quota = json!({"quota": {"network": limit, "subnet": limit, "port": limit, "router": limit,
        "floatingip": limit, "security_group": limit, "security_group_rule": limit}});
    admin.put(&format!("/quotas/{project}"), quota).await?;
    Ok(())
}

/// The text under `key.id`.
pub fn id(answer: &Value, key: &str) -> Result<String> {
    answer[key]["id"].as_str().map(str::to_owned).with_context(|| format!("the answer has no {key} id"))
}

/// Makes a network with a subnet of this prefix; the network's id.
pub async fn network(session: &Session, cidr: &str) -> Result<String> {
    let network = id(&session.post("/networks", json!({"network": {"name": "bench"}})).await?, "network")?;
    let subnet = json!({"subnet": {"network_id": network, "ip_version": 4, "cidr": cidr}});
    session.post("/subnets", subnet).await?;
    Ok(network)
}

/// Makes an external network with a large pool; its id.
pub async fn external(admin: &Session) -> Result<String> {
    let body = json!({"network": {"name": "bench-ext", "router:external": true,
        "provider:network_type": "flat", "provider:physical_network": "bench"}});
    let network = id(&admin.post("/networks", body).await?, "network")?;
    let subnet = json!({"subnet": {"network_id": network, "ip_version": 4, "cidr": "172.16.0.0/14",
        "enable_dhcp": false}});
    admin.post("/subnets", subnet).await?;
    Ok(network)
}
