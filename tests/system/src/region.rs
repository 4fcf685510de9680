//! A lab of several hosts, and what the Network API is told about it.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use isospin_conformance::{Api, Installation};
use isospin_testkit::lab::{Driver, Instance, Lab, Plug, addresses};
use serde_json::{Value, json};

use crate::{Host, until};

/// Time the ports of a test may take to be ACTIVE.
const WIRING: Duration = Duration::from_secs(30);

/// The lab and its administrator.
pub struct Region {
    pub lab: Lab,
    pub admin: Api,
    // The calling thread's network is its own.
    _host: Host,
}

/// A port with the instance behind it.
#[derive(Debug, Clone)]
pub struct Guest {
    pub instance: Instance,
    pub id: String,
    pub mac: String,
    pub ips: [IpAddr; 2],
    /// Which of the lab's hosts it is on.
    pub host: usize,
}

impl Region {
    /// A lab with these hosts; `None`: this machine cannot have one, which is said aloud.
    ///
    /// # Errors
    /// Something does not start.
    pub fn start(test: &str, drivers: &[Driver]) -> Result<Option<Self>> {
        let Some(host) = Host::enter(test)? else { return Ok(None) };
        if !isospin_testkit::lab::can_run() {
            return Ok(None);
        }
        let lab = Lab::start(&Installation::binary(), drivers)?;
        let password = lab.controller.password("admin")?;
        let admin = Api::at(&lab.controller.identity(), "admin", &password, "admin")?;
        let admin = Api { network: lab.controller.network(), ..admin };
        Ok(Some(Self { lab, admin, _host: host }))
    }

    /// A network of this type, with subnets 10.1.`net`.0/24 and fd00:`net`::/64 without DHCP.
    ///
    /// # Errors
    /// It was refused.
    pub fn network(&self, net: u8, provider: &Value) -> Result<Value> {
        let mut network = json!({"name": format!("net-{net}")});
        for (key, value) in provider.as_object().into_iter().flatten() {
            network[format!("provider:{key}")] = value.clone();
        }
        let network = self.admin.create("networks", "network", &network)?;
        let [v4, v6] = addresses(net, 0);
        for (version, cidr) in [(4, format!("{v4}/24")), (6, format!("{v6}/64"))] {
            let subnet = json!({"network_id": network["id"], "ip_version": version, "cidr": cidr,
                "enable_dhcp": false, "gateway_ip": null});
            self.admin.create("subnets", "subnet", &subnet)?;
        }
        Ok(network)
    }

    /// A port on a host of the lab, with an instance behind it; `port` says more of it.
    ///
    /// # Errors
    /// It was refused, or cannot be plugged in.
    pub fn guest(&self, network: &Value, host: usize, ips: [IpAddr; 2], port: &Value) -> Result<Guest> {
        let port = self.bound(network, host, ips, port)?;
        self.plug(network, host, ips, &port)
    }

    /// The port alone: its instance is still to come.
    ///
    /// # Errors
    /// It was refused.
    pub fn bound(&self, network: &Value, host: usize, ips: [IpAddr; 2], port: &Value) -> Result<Value> {
        let on = self.lab.hosts.get(host).context("no such host")?;
        let fixed: Vec<Value> = ips.iter().map(|ip| json!({"ip_address": ip.to_string()})).collect();
        let mut wanted = json!({"network_id": network["id"], "binding:host_id": on.name(),
            "device_owner": "compute:nova", "fixed_ips": fixed});
        for (key, value) in port.as_object().into_iter().flatten() {
            wanted[key.as_str()] = value.clone();
        }
        self.admin.create("ports", "port", &wanted)
    }

    /// The instance of a port that is bound.
    ///
    /// # Errors
    /// It cannot be plugged in.
    pub fn plug(&self, network: &Value, host: usize, ips: [IpAddr; 2], port: &Value) -> Result<Guest> {
        let on = self.lab.hosts.get(host).context("no such host")?;
        let id = port["id"].as_str().context("no id")?;
        let plug = Plug {
            name: &format!("vm-{}", id.get(..11).context("a short id")?),
            tap: &format!("tap{}", id.get(..11).context("a short id")?),
            mac: port["mac_address"].as_str().context("no MAC")?,
            mtu: u32::try_from(network["mtu"].as_u64().context("no MTU")?)?,
            addresses: &ips,
        };
        let instance = on.plug(&plug)?;
        Ok(Guest { instance, id: id.to_owned(), mac: plug.mac.to_owned(), ips, host })
    }

    /// Waits until every port is ACTIVE and no agent has anything left to do.
    ///
    /// # Errors
    /// It does not come to that: with the ports that are not.
    pub fn settled(&self) -> Result<()> {
        let active = || {
            let ports = self.admin.list("ports").ok()?;
            ports.iter().all(|port| port["status"] == "ACTIVE").then_some(())
        };
        until("every port is ACTIVE", WIRING, active).with_context(|| {
            let ports = self.admin.list("ports").unwrap_or_default();
            let down = ports.iter().filter(|port| port["status"] != "ACTIVE");
            let line = |port: &Value| {
                format!(
                    "{} on {}: {} {}",
                    port["id"], port["binding:host_id"], port["status"], port["binding:vif_type"]
                )
            };
            let statuses: Vec<_> =
                self.lab.hosts.iter().map(|host| host.status().unwrap_or_default()).collect();
            format!("{:#?} {statuses:#?}", down.map(line).collect::<Vec<_>>())
        })?;
        for host in &self.lab.hosts {
            host.settled()?;
        }
        Ok(())
    }
}
