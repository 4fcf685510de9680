//! One network served by this host: its intent, its leases, its namespace and
//! its running server.

use std::sync::Arc;

use isospin_feed::facts::{Network, Port};
use isospin_host_io::{HostError, Links};
use isospin_types::{NetworkId, PortId};
use parking_lot::RwLock;

use super::intent::NetworkIntent;
use super::leases::{Lease, Leases};
use super::observe::Door;
use super::serve::{self, Footing, Running};
use super::{apply, observe, plan};

/// Why a network is not served.
#[derive(Debug, thiserror::Error)]
pub enum DhcpError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Foreign(#[from] plan::Foreign),
    #[error("device {0} vanished while it was set up")]
    Vanished(String),
}

impl DhcpError {
    /// One line for people, with all causes.
    pub fn reason(&self) -> String {
        match self {
            Self::Host(error) => error.reason(),
            Self::Foreign(_) | Self::Vanished(_) => self.to_string(),
        }
    }
}

/// A network served here.
pub struct Served {
    network: NetworkId,
    /// The DHCP port.
    port: PortId,
    intent: NetworkIntent,
    leases: Arc<RwLock<Leases>>,
    door: Option<Door>,
    running: Option<Running>,
}

impl Served {
    /// A network not set up yet, with the leases of its ports.
    pub fn new<'a>(
        network: &Network,
        port: PortId,
        intent: NetworkIntent,
        ports: impl Iterator<Item = &'a Port>,
    ) -> Self {
        let leases = Arc::new(RwLock::new(Leases::new(intent.service.clone())));
        let mut served = Self { network: network.id, port, intent, leases, door: None, running: None };
        ports.for_each(|port| served.set_lease(port));
        served
    }

    pub fn is_running(&self) -> bool {
        self.running.as_ref().is_some_and(|running| !running.is_finished())
    }

    /// Whether the DHCP port is this one.
    pub fn is_served_by(&self, port: PortId) -> bool {
        self.port == port
    }

    /// Whether the device of this name is one of the pair.
    pub fn has_device(&self, name: &str) -> bool {
        self.intent.tap == name || self.intent.inside == name
    }

    /// Makes or replaces a port's lease, and says which of its extra options are refused.
    pub fn set_lease(&mut self, port: &Port) {
        let (lease, refused) = Lease::of(port);
        let mut leases = self.leases.write();
        if leases.get(port.mac) == Some(&lease) {
            return;
        }
        leases.set(port.mac, lease);
        drop(leases);
        for reason in refused {
            tracing::warn!(port = %port.id, %reason, "an extra DHCP option is not sent");
        }
    }

    /// Forgets a port.
    pub fn remove_lease(&mut self, port: PortId) {
        self.leases.write().remove(port);
    }

    /// Forgets every port that is not among these, then learns these.
    pub fn replace_leases(&mut self, ports: &[&Port]) {
        let gone: Vec<PortId> = {
            let leases = self.leases.read();
            let kept = |id: &PortId| ports.binary_search_by_key(id, |port| port.id).is_ok();
            leases.ports().filter(|id| !kept(id)).collect()
        };
        gone.into_iter().for_each(|port| self.remove_lease(port));
        ports.iter().for_each(|port| self.set_lease(port));
    }

    /// Makes namespace, devices and server what `intent` says; returns the
    /// changes to the host.
    ///
    /// # Errors
    /// When the kernel refuses or a name is taken; what was done stays.
    pub async fn converge(
        &mut self,
        host: &Links,
        port: PortId,
        intent: NetworkIntent,
        may_remove: bool,
    ) -> Result<u64, DhcpError> {
        if self.leases.read().service() != &intent.service {
            self.leases.write().set_service(intent.service.clone());
        }
        self.port = port;
        self.intent = intent;
        if self.door.as_ref().is_none_or(|door| !door.is_current()) {
            // Nothing of ours may keep the old namespace alive.
            self.running = None;
            self.door = None;
            self.door = Door::open(&self.intent.namespace).await?;
        }
        let observed = observe::observe(host, self.door.as_ref(), &self.intent).await?;
        let steps = plan::plan(&self.intent, &observed, may_remove)?;
        let changes = apply::apply(host, &mut self.door, &self.intent, &steps).await?;
        let device = observed.space.and_then(|space| space.device).filter(|_| steps.is_empty());
        self.ensure_running(device.map(|device| device.index)).await?;
        Ok(changes)
    }

    /// Starts the server unless it runs on the device with this index; `None` looks it up.
    async fn ensure_running(&mut self, index: Option<u32>) -> Result<(), DhcpError> {
        let vanished = || DhcpError::Vanished(self.intent.inside.clone());
        let door = self.door.as_ref().ok_or_else(vanished)?;
        let index = match index {
            Some(index) => index,
            None => door.links.get(&self.intent.inside).await?.ok_or_else(vanished)?.index,
        };
        let footing = Footing {
            inode: door.namespace.inode(),
            index,
            v4: !self.intent.service.subnets4.is_empty(),
            v6: !self.intent.service.subnets6.is_empty(),
        };
        if self.running.as_ref().is_some_and(|running| running.is_alive_on(footing)) {
            return Ok(());
        }
        self.running = None;
        let leases = self.leases.clone();
        let running = serve::start(self.network, door, &self.intent.inside, footing, leases).await?;
        self.running = Some(running);
        Ok(())
    }
}
