//! The lab, its administrator, and instances on its two hosts.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use isospin_client::{Credentials, Session};
use isospin_testkit::lab::{Driver, Instance, Lab};
use serde_json::{Value, json};

use super::hypervisor::{Hypervisor, Nic};
use crate::objects;
use crate::server::resident;

/// Longest wait for ports to be ACTIVE.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two questions to the server.
const LOOK: Duration = Duration::from_millis(2);
/// Rules of the group ports have here.
pub const RULES: usize = 22;
/// Objects in one bulk request.
const BULK: usize = 500;

/// Two hosts, and what the measurements share.
pub struct Cloud {
    pub driver: Driver,
    pub admin: Session,
    /// A tunnelled network with 10.1.0.0/16 and DHCP.
    pub network: String,
    /// A group of [`RULES`] rules that lets everything used here in.
    pub group: String,
    mtu: u32,
    hypervisors: Vec<Hypervisor>,
    guests: usize,
    pub lab: Lab,
}

/// A port and its instance.
#[derive(Debug, Clone)]
pub struct Guest {
    pub id: String,
    pub host: usize,
    pub nic: Nic,
    pub instance: Instance,
}

impl Cloud {
    pub async fn start(binary: &Path, driver: Driver) -> Result<Self> {
        let lab = Lab::start(binary, &[driver, driver])?;
        Self::of(lab, driver, driver != Driver::LinuxBridge).await
    }

    /// One host, whose Open vSwitch passes packets on as large as instances send them
    /// (`userspace-tso-enable`); checksums and cutting are left to devices then. The switches of
    /// this release take no such packet into a tunnel, so a second host would be of no use.
    pub async fn passing_large_packets(binary: &Path) -> Result<Self> {
        let mut lab = Lab::start(binary, &[Driver::OpenVSwitch])?;
        let switch = lab.hosts.first_mut().and_then(|host| host.switch.as_mut()).context("no switch")?;
        switch.vsctl("set Open_vSwitch . other_config:userspace-tso-enable=true")?;
        // It looks only when it starts.
        switch.restart()?;
        Self::of(lab, Driver::OpenVSwitch, false).await
    }

    async fn of(lab: Lab, driver: Driver, software_checksums: bool) -> Result<Self> {
        let credentials = Credentials {
            identity_url: lab.controller.identity(),
            user: "admin".to_owned(),
            password: lab.controller.password("admin")?,
            project: "admin".to_owned(),
        };
        let admin = Session::log_in(&credentials).await?.with_network_url(&lab.controller.network());
        objects::lift_quotas(&admin, admin.project_id()).await?;
        let network = objects::network(&admin, "10.1.0.0/16").await?;
        let shown = admin.get(&format!("/networks/{network}")).await?;
        let mtu = u32::try_from(shown["network"]["mtu"].as_u64().context("no MTU")?)?;
        let group = group(&admin, "bench").await?;
        let mut rules = vec![
            json!({"security_group_id": group, "direction": "ingress", "protocol": "tcp"}),
            json!({"security_group_id": group, "direction": "ingress", "protocol": "icmp"}),
        ];
        // Two were there from the start, for what goes out.
        for port in (0..).map(|index| 7000 + index).take(RULES - 2 - rules.len()) {
            rules.push(json!({"security_group_id": group, "direction": "ingress", "protocol": "udp",
                "port_range_min": port, "port_range_max": port}));
        }
        add_rules(&admin, &rules).await?;
        let hypervisors =
            lab.hosts.iter().map(|host| Hypervisor::start(&host.machine, software_checksums)).collect();
        Ok(Self { driver, admin, network, group, mtu, hypervisors, guests: 0, lab })
    }

    /// What results are filed under.
    pub fn name(&self) -> &'static str {
        match self.driver {
            Driver::LinuxBridge => "Linux bridge",
            Driver::OpenVSwitch => "Open vSwitch",
            Driver::Hybrid => "Open vSwitch, hybrid",
        }
    }

    pub fn hypervisor(&self, host: usize) -> Result<&Hypervisor> {
        self.hypervisors.get(host).context("no such host")
    }

    /// Ports bound to a host with their instances booted, not plugged in yet.
    pub async fn prepare(&mut self, host: usize, count: usize, groups: &[&str]) -> Result<Vec<Guest>> {
        let mut guests = Vec::with_capacity(count);
        for first in (0..count).step_by(BULK) {
            let bodies = (first..count.min(first + BULK)).map(|_| self.body(host, groups));
            let answer = self.admin.post("/ports", json!({"ports": bodies.collect::<Vec<_>>()})).await?;
            for port in answer["ports"].as_array().map(Vec::as_slice).unwrap_or_default() {
                guests.push(self.guest(host, port)?);
            }
        }
        self.boot(&guests)?;
        Ok(guests)
    }

    /// What makes a port on a host.
    pub fn body(&self, host: usize, groups: &[&str]) -> Value {
        json!({"network_id": self.network, "binding:host_id": self.lab.hosts[host].name(),
            "device_owner": "compute:bench", "security_groups": groups})
    }

    /// The instance for a port the server told of.
    pub fn guest(&mut self, host: usize, port: &Value) -> Result<Guest> {
        let id = port["id"].as_str().context("no port id")?;
        let address = port["fixed_ips"][0]["ip_address"].as_str().context("no address")?;
        let tap = format!("tap{}", id.get(..11).context("a short id")?);
        self.guests += 1;
        let nic = Nic {
            netns: format!("vm{}", self.guests),
            tap: tap.clone(),
            mac: port["mac_address"].as_str().context("no MAC")?.parse()?,
            address: address.parse()?,
            mtu: self.mtu,
        };
        let machine = self.lab.hosts.get(host).context("no such host")?.machine.clone();
        let instance = Instance { machine, name: nic.netns.clone(), tap };
        Ok(Guest { id: id.to_owned(), host, nic, instance })
    }

    fn boot(&self, guests: &[Guest]) -> Result<()> {
        for host in 0..self.hypervisors.len() {
            let nics: Vec<Nic> =
                guests.iter().filter(|it| it.host == host).map(|it| it.nic.clone()).collect();
            let hypervisor = self.hypervisor(host)?;
            hypervisor.boot(&nics.iter().map(|nic| nic.netns.clone()).collect::<Vec<_>>())?;
            hypervisor.build(nics)?;
        }
        Ok(())
    }

    pub fn plug(&self, guests: &[Guest]) -> Result<()> {
        for host in 0..self.hypervisors.len() {
            let here = guests.iter().filter(|guest| guest.host == host);
            self.hypervisor(host)?.plug(here.map(|guest| guest.nic.tap.clone()).collect())?;
        }
        Ok(())
    }

    /// Instances that run, and whose ports are ACTIVE.
    pub async fn run(&mut self, host: usize, count: usize, groups: &[&str]) -> Result<Vec<Guest>> {
        let guests = self.prepare(host, count, groups).await?;
        self.plug(&guests)?;
        self.active().await?;
        Ok(guests)
    }

    /// One instance.
    pub async fn one(&mut self, host: usize, groups: &[&str]) -> Result<Guest> {
        self.run(host, 1, groups).await?.pop().context("no port")
    }

    /// Waits until every port of an instance is ACTIVE.
    pub async fn active(&self) -> Result<()> {
        self.wait(
            "ports that are not ACTIVE",
            "/ports?device_owner=compute:bench&status=DOWN&status=BUILD&status=ERROR&fields=id&limit=1",
        )
        .await
    }

    /// Waits until this port is.
    pub async fn one_active(&self, guest: &Guest) -> Result<()> {
        self.wait(
            "a port that is not ACTIVE",
            &format!("/ports?id={}&status=DOWN&status=BUILD&status=ERROR&fields=id", guest.id),
        )
        .await
    }

    async fn wait(&self, what: &str, path: &str) -> Result<()> {
        let mut look = tokio::time::interval(LOOK);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            look.tick().await;
            let answer = self.admin.get(path).await?;
            if answer["ports"].as_array().is_some_and(Vec::is_empty) {
                return Ok(());
            }
        }
        let logs = self.lab.hosts.iter().map(|host| host.status().unwrap_or_default()).collect::<Vec<_>>();
        bail!("{what} after {PATIENCE:?}: {logs:#?}")
    }

    /// Takes ports and their devices away.
    pub async fn remove(&self, guests: Vec<Guest>) -> Result<()> {
        for guest in &guests {
            self.admin.delete(&format!("/ports/{}", guest.id)).await?;
        }
        for host in 0..self.hypervisors.len() {
            let here = guests.iter().filter(|guest| guest.host == host);
            self.hypervisor(host)?.unplug(here.map(|guest| guest.nic.tap.clone()).collect())?;
        }
        self.lab.hosts.iter().try_for_each(|host| host.settled().map(drop))
    }

    /// A port that is bound to no host yet, and an instance on the first.
    pub async fn unbound(&mut self, groups: &[&str]) -> Result<Guest> {
        let body = json!({"network_id": self.network, "device_owner": "compute:bench",
            "security_groups": groups});
        let port = self.admin.post("/ports", json!({"port": body})).await?["port"].take();
        let guest = self.guest(0, &port)?;
        self.boot(std::slice::from_ref(&guest))?;
        Ok(guest)
    }

    /// How many ports of instances a host has.
    pub async fn ports_on(&self, host: usize) -> Result<usize> {
        let name = self.lab.hosts.get(host).context("no such host")?.name();
        let path = format!("/ports?device_owner=compute:bench&binding:host_id={name}&fields=id");
        let answer = self.admin.get(&path).await?;
        Ok(answer["ports"].as_array().map_or(0, Vec::len))
    }

    /// Resident memory of the agent of a host, bytes.
    pub fn agent_memory(&self, host: usize) -> Result<u64> {
        let agent = self.lab.hosts.get(host).and_then(|host| host.agent()).context("no agent")?;
        resident(agent)
    }
}

/// Makes a security group; its id.
pub async fn group(admin: &Session, name: &str) -> Result<String> {
    let body = json!({"security_group": {"name": name}});
    objects::id(&admin.post("/security-groups", body).await?, "security_group")
}

/// Makes rules, many in a request.
pub async fn add_rules(admin: &Session, rules: &[Value]) -> Result<()> {
    for part in rules.chunks(BULK) {
        admin.post("/security-group-rules", json!({"security_group_rules": part})).await?;
    }
    Ok(())
}
