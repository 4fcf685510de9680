//! Networks and ports for a crowd of agents.

use anyhow::{Context, Result};
use isospin_client::Session;
use serde_json::{Value, json};

use super::crowd::Crowd;
use crate::driver::{Call, drive};
use crate::objects;
use crate::server::{Engine, Server};

/// Hosts on each network.
const HOSTS_EACH: usize = 5;
/// Ports in one request.
const BULK: usize = 100;

/// What the administrator of a server makes.
pub struct Region {
    session: Session,
    address: String,
    /// Name of each host with the network of its ports.
    hosts: Vec<(String, String)>,
}

impl Region {
    /// Networks for the crowd, a few hosts on each.
    pub async fn open(server: &Server, crowd: &Crowd, engine: Engine) -> Result<Self> {
        let session = server.session("admin").await?;
        objects::lift_quotas(&session, session.project_id()).await?;
        let names: Vec<&str> = crowd.names().collect();
        let mut hosts = Vec::with_capacity(names.len());
        for (index, together) in names.chunks(HOSTS_EACH).enumerate() {
            let network = objects::network(&session, &format!("10.{}.0.0/16", index % 250)).await?;
            hosts.extend(together.iter().map(|name| ((*name).to_owned(), network.clone())));
        }
        let address = server.network_address().with_context(|| engine.name())?;
        Ok(Self { session, address, hosts })
    }

    /// A group whose members reach each other, as default groups are; its id.
    pub async fn group(&self) -> Result<String> {
        let body = json!({"security_group": {"name": "bench"}});
        let group = objects::id(&self.session.post("/security-groups", body).await?, "security_group")?;
        let rule = json!({"security_group_id": group, "direction": "ingress", "remote_group_id": group});
        self.session.post("/security-group-rules", json!({"security_group_rule": rule})).await?;
        Ok(group)
    }

    /// A group for the hosts of each network, as tenants have theirs.
    pub async fn groups(&self) -> Result<Vec<String>> {
        let mut groups = Vec::new();
        for _ in (0..self.hosts.len()).step_by(HOSTS_EACH) {
            groups.push(self.group().await?);
        }
        Ok(groups)
    }

    /// So many more ports, `from` are there: the same number on each host, in the one
    /// group or in that of the network.
    pub async fn ports(&self, groups: &[String], from: usize, count: usize) -> Result<()> {
        let calls: Vec<Call> = (from..from + count)
            .step_by(BULK)
            .map(|first| {
                let ports: Vec<Value> = (first..(first + BULK).min(from + count))
                    .map(|index| {
                        let at = index % self.hosts.len();
                        let (host, network) = &self.hosts[at];
                        let group = &groups[at / HOSTS_EACH % groups.len()];
                        json!({"network_id": network, "binding:host_id": host, "security_groups": [group],
                            "device_owner": "compute:bench", "device_id": format!("machine-{index}")})
                    })
                    .collect();
                Call::post("/v2.0/ports", json!({"ports": ports}))
            })
            .collect();
        drive(&self.address, self.session.token(), &calls, 1, false).await?;
        Ok(())
    }

    /// Lets everybody reach this TCP port of the members.
    pub async fn open_port(&self, group: &str, port: usize) -> Result<()> {
        let rule = json!({"security_group_id": group, "direction": "ingress", "protocol": "tcp",
            "port_range_min": port, "port_range_max": port});
        self.session.post("/security-group-rules", json!({"security_group_rule": rule})).await?;
        Ok(())
    }
}
