//! The objects of the demo, made through the public API.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail};
use isospin_client::{Credentials, Session};
use isospin_host_io::{Links, Namespace, Place};
use isospin_types::{MacAddr, PortId};
use serde_json::{Value, json};

use crate::cloud as access;
use crate::commands::attach;
use crate::credentials::Passwords;
use crate::state_dir::StateDir;
use crate::supervise::Status;

/// Names of the instances, also of their ports; namespaces have "isospin-" before.
const INSTANCES: [&str; 3] = ["demo-1", "demo-2", "demo-3"];

/// One instance.
pub struct Instance {
    pub port_id: String,
    pub device_id: String,
    pub name: &'static str,
    pub netns: String,
    pub device: String,
    pub mac: MacAddr,
    pub ip: Ipv4Addr,
    pub mtu: u32,
}

impl Instance {
    /// Its namespace.
    pub fn namespace(&self) -> Result<Namespace> {
        Namespace::open(&self.netns)?.with_context(|| format!("namespace {} has gone", self.netns))
    }
}

/// All that was built.
pub struct Built {
    pub gateway: Ipv4Addr,
    pub one: Instance,
    pub two: Instance,
    pub isolated: Instance,
    pub floating: Ipv4Addr,
}

/// The cloud, as its admin and as the demo user.
pub struct Cloud {
    pub state: StateDir,
    pub admin: Session,
    pub demo: Session,
}

impl Cloud {
    pub async fn log_in(state: StateDir) -> Result<Self> {
        let admin = access::admin(&state).await?;
        let demo = Session::log_in(&Credentials {
            identity_url: Status::read(&state)?.endpoints.identity,
            user: "demo".to_owned(),
            password: Passwords::load(&state)?.demo,
            project: "demo".to_owned(),
        })
        .await?;
        Ok(Self { state, admin, demo })
    }

    /// The external network, made by the admin; its id.
    pub async fn external(&self) -> Result<String> {
        let network = create(
            &self.admin,
            "networks",
            "network",
            json!({
            "name": "ext-net", "router:external": true,
            "provider:network_type": "flat", "provider:physical_network": "external"}),
        )
        .await?;
        create(
            &self.admin,
            "subnets",
            "subnet",
            json!({
            "name": "ext-subnet", "network_id": network, "ip_version": 4, "cidr": "10.77.77.0/24",
            "gateway_ip": "10.77.77.1", "enable_dhcp": false,
            "allocation_pools": [{"start": "10.77.77.200", "end": "10.77.77.220"}]}),
        )
        .await?;
        Ok(network)
    }

    /// The project's network; its id.
    pub async fn project_network(&self) -> Result<String> {
        let network = create(&self.demo, "networks", "network", json!({"name": "demo-net"})).await?;
        create(
            &self.demo,
            "subnets",
            "subnet",
            json!({
            "name": "demo-subnet", "network_id": network, "ip_version": 4, "cidr": "10.10.10.0/24",
            "dns_nameservers": ["10.77.77.1"]}),
        )
        .await?;
        Ok(network)
    }

    /// A network without a router; its id.
    pub async fn isolated_network(&self) -> Result<String> {
        let network = create(&self.demo, "networks", "network", json!({"name": "demo-isolated"})).await?;
        create(
            &self.demo,
            "subnets",
            "subnet",
            json!({
            "name": "demo-isolated-subnet", "network_id": network, "ip_version": 4,
            "cidr": "10.20.20.0/24", "gateway_ip": null}),
        )
        .await?;
        Ok(network)
    }

    /// The router with gateway and interface; its external address.
    pub async fn router(&self, external: &str, network: &str) -> Result<Ipv4Addr> {
        let router = create(&self.demo, "routers", "router", json!({"name": "demo-router"})).await?;
        let subnets = self.demo.get(&format!("/subnets?network_id={network}")).await?;
        let subnet = subnets["subnets"][0]["id"].as_str().context("demo-net has no subnet")?.to_owned();
        self.demo
            .put(&format!("/routers/{router}/add_router_interface"), json!({"subnet_id": subnet}))
            .await?;
        let gateway = json!({"router": {"external_gateway_info": {"network_id": external}}});
        let answer = self.demo.put(&format!("/routers/{router}"), gateway).await?;
        let address = &answer["router"]["external_gateway_info"]["external_fixed_ips"][0]["ip_address"];
        let address: Ipv4Addr = address.as_str().context("the router got no external address")?.parse()?;
        if address != Ipv4Addr::new(10, 77, 77, 200) {
            bail!("the router got {address}, not the first address of the pool");
        }
        let port =
            self.admin.get(&format!("/ports?device_id={router}&device_owner=network:router_gateway")).await?;
        let port = port["ports"][0]["id"].as_str().context("no gateway port")?;
        access::wait_active(&self.admin, "ports", "port", port).await?;
        Ok(address)
    }

    /// A port plugged into a namespace and configured by DHCP.
    pub async fn instance(&self, name: &'static str, network: &str) -> Result<Instance> {
        let body = json!({"port": {"name": name, "network_id": network}});
        let port = self.demo.post("/ports", body).await?["port"].take();
        let port_id = text(&port, "id")?;
        let netns = format!("isospin-{name}");
        let device = attach::plug(&self.state, &self.admin, &port, &netns).await?;
        access::wait_active(&self.demo, "ports", "port", &port_id).await?;
        attach::configure(&self.state, &netns, &device).await?;
        let ip: Ipv4Addr =
            port["fixed_ips"][0]["ip_address"].as_str().context("the port has no address")?.parse()?;
        let namespace = Namespace::open(&netns)?.context("the namespace has gone")?;
        let links = Links::open(&Place::Namespace(namespace)).await?;
        let addresses = links.addresses(Some(&device)).await?;
        if !addresses.iter().any(|address| address.net.addr() == ip) {
            bail!("DHCP gave {:?}, the port has {ip}", addresses.iter().map(|a| a.net).collect::<Vec<_>>());
        }
        let mtu = links.get(&device).await?.context("the device has gone")?.mtu;
        // Bound by now: with the device id `plug` gave it.
        let port = self.demo.get(&format!("/ports/{port_id}")).await?["port"].take();
        Ok(Instance {
            device_id: text(&port, "device_id")?,
            mac: text(&port, "mac_address")?.parse()?,
            port_id,
            name,
            netns,
            device,
            ip,
            mtu,
        })
    }

    /// A floating IP for the instance, once it is ACTIVE.
    pub async fn floating_ip(&self, external: &str, instance: &Instance) -> Result<Ipv4Addr> {
        let body = json!({"floatingip": {"floating_network_id": external, "port_id": instance.port_id}});
        let answer = self.demo.post("/floatingips", body).await?["floatingip"].take();
        access::wait_active(&self.demo, "floatingips", "floatingip", &text(&answer, "id")?).await?;
        Ok(text(&answer, "floating_ip_address")?.parse()?)
    }

    /// Opens the project's default group; the rule's id.
    pub async fn open(&self, rule: Value) -> Result<String> {
        let groups = self.demo.get("/security-groups?name=default").await?;
        let mut rule = rule;
        rule["security_group_id"] = groups["security_groups"][0]["id"].clone();
        rule["direction"] = json!("ingress");
        create(&self.demo, "security-group-rules", "security_group_rule", rule).await
    }

    /// Removes everything the demo makes, whatever is there of it.
    pub async fn remove(&self) -> Result<()> {
        for port in self.all("ports", &INSTANCES).await? {
            let id: PortId = text(&port, "id")?.parse()?;
            if self.state.attachments().join(format!("{id}.json")).exists() {
                attach::unplug(&self.state, &self.admin, id).await?;
            }
        }
        let networks = self.all("networks", &["demo-net", "demo-isolated", "ext-net"]).await?;
        for network in networks.iter().filter(|network| network["router:external"] == true) {
            let query = format!("/floatingips?floating_network_id={}", text(network, "id")?);
            for floating in list(&self.admin.get(&query).await?, "floatingips") {
                self.admin.delete(&format!("/floatingips/{}", text(&floating, "id")?)).await?;
            }
        }
        for router in self.all("routers", &["demo-router"]).await? {
            self.remove_router(&text(&router, "id")?).await?;
        }
        for port in self.all("ports", &INSTANCES).await? {
            self.admin.delete(&format!("/ports/{}", text(&port, "id")?)).await?;
        }
        for network in networks {
            self.admin.delete(&format!("/networks/{}", text(&network, "id")?)).await?;
        }
        self.close_all().await
    }

    async fn remove_router(&self, id: &str) -> Result<()> {
        self.admin.put(&format!("/routers/{id}"), json!({"router": {"external_gateway_info": {}}})).await?;
        let ports =
            self.admin.get(&format!("/ports?device_id={id}&device_owner=network:router_interface")).await?;
        for port in list(&ports, "ports") {
            let body = json!({"port_id": text(&port, "id")?});
            self.admin.put(&format!("/routers/{id}/remove_router_interface"), body).await?;
        }
        Ok(self.admin.delete(&format!("/routers/{id}")).await?)
    }

    /// Takes back the rules a demo that was interrupted left open.
    async fn close_all(&self) -> Result<()> {
        let rules = self.demo.get("/security-group-rules?direction=ingress").await?;
        for rule in list(&rules, "security_group_rules") {
            if rule["description"] == "isospin demo" {
                self.demo.delete(&format!("/security-group-rules/{}", text(&rule, "id")?)).await?;
            }
        }
        Ok(())
    }

    async fn all(&self, collection: &str, names: &[&str]) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        for name in names {
            found.extend(access::named(&self.admin, collection, name).await?);
        }
        Ok(found)
    }
}

/// POSTs the object; the id it got.
async fn create(session: &Session, collection: &str, key: &str, object: Value) -> Result<String> {
    let answer = session.post(&format!("/{collection}"), json!({key: object})).await?;
    text(&answer[key], "id")
}

fn list(answer: &Value, key: &str) -> Vec<Value> {
    answer[key].as_array().cloned().unwrap_or_default()
}

fn text(object: &Value, key: &str) -> Result<String> {
    object[key].as_str().map(str::to_owned).with_context(|| format!("the API gave no {key}"))
}
