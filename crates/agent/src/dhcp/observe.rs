//! Reads a network's namespace and devices into plain values.

use std::collections::BTreeSet;
use std::path::Path;

use ipnet::IpNet;
use isospin_host_io::{HostError, Links, Namespace, Place, sysctl};

use super::intent::NetworkIntent;
use super::plan::{Device, Observed, Space, Tap};

/// The alias of `lo` that marks a namespace as made by the agent of `host`: how a
/// fresh agent knows its own, and leaves those of another agent on the machine alone.
#[must_use]
pub fn mark(host: &str) -> String {
    // The kernel takes 255 octets.
    let mut text = format!("isospin dhcp {host}");
    while text.len() > 255 {
        text.pop();
    }
    text
}

/// A namespace with its devices. Holding it keeps the namespace alive, so it is
/// dropped as soon as the name stands for another.
#[derive(Debug, Clone)]
pub struct Door {
    pub namespace: Namespace,
    pub links: Links,
}

impl Door {
    /// Opens the namespace; `None` when there is none of this name.
    ///
    /// # Errors
    /// When it is there and cannot be entered.
    pub async fn open(name: &str) -> Result<Option<Self>, HostError> {
        let Some(namespace) = Namespace::open(name)? else { return Ok(None) };
        let links = Links::open(&Place::Namespace(namespace.clone())).await?;
        Ok(Some(Self { namespace, links }))
    }

    /// Whether the name still stands for this namespace.
    #[must_use]
    pub fn is_current(&self) -> bool {
        Namespace::current_inode(self.namespace.name()) == Some(self.namespace.inode())
    }

    /// The namespace as a place.
    #[must_use]
    pub fn place(&self) -> Place {
        Place::Namespace(self.namespace.clone())
    }

    /// Whether the namespace carries this mark.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn is_marked(&self, mark: &str) -> Result<bool, HostError> {
        let loopback = self.links.get("lo").await?;
        Ok(loopback.is_some_and(|link| link.alias.as_deref() == Some(mark)))
    }
}

/// Settings of every namespace here: no forwarding (new namespaces take the
/// host's), a second address survives the removal of the first, and no addresses
/// or routes from router advertisements.
#[must_use]
pub fn settings() -> Vec<(String, String)> {
    let mut settings = vec![("net.ipv4.ip_forward", "0"), ("net.ipv4.conf.all.promote_secondaries", "1")];
    if Path::new("/proc/sys/net/ipv6").exists() {
        settings.extend([
            ("net.ipv6.conf.all.forwarding", "0"),
            ("net.ipv6.conf.default.accept_ra", "0"),
            ("net.ipv6.conf.default.accept_dad", "0"),
        ]);
    }
    settings.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Looks at one network. `door` is its namespace, when there is one.
///
/// # Errors
/// When the kernel refuses.
pub async fn observe(host: &Links, door: Option<&Door>, want: &NetworkIntent) -> Result<Observed, HostError> {
    let tap = host.get(&want.tap).await?.map(|link| Tap { veth: link.kind == "veth", mtu: link.mtu });
    let space = match door {
        None => None,
        Some(door) => Some(space(door, want).await?),
    };
    Ok(Observed { space, tap })
}

async fn space(door: &Door, want: &NetworkIntent) -> Result<Space, HostError> {
    let links = door.links.list().await?;
    let ours = links.iter().any(|link| link.name == "lo" && link.alias.as_ref() == Some(&want.mark));
    let device = match links.iter().find(|link| link.name == want.inside) {
        None => None,
        Some(link) => {
            let addresses = door.links.addresses(Some(&want.inside)).await?;
            let addresses: BTreeSet<IpNet> =
                addresses.into_iter().map(|address| address.net).filter(|net| !is_link_local(net)).collect();
            Some(Device { index: link.index, mac: link.mac, mtu: link.mtu, up: link.up, addresses })
        }
    };
    let prepared = ours && are_settings_right(door).await?;
    Ok(Space { ours, prepared, empty: is_empty(&links), device })
}

async fn are_settings_right(door: &Door) -> Result<bool, HostError> {
    let (keys, wanted): (Vec<String>, Vec<String>) = settings().into_iter().unzip();
    let now = sysctl::get_all(&door.place(), &keys).await?;
    Ok(now.iter().map(Option::as_ref).eq(wanted.iter().map(Some)))
}

/// Kernels make these devices in every new namespace, as modules they have loaded want.
const BORN_WITH: [&str; 8] = ["lo", "sit0", "tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6tnl0"];

fn is_empty(links: &[isospin_host_io::Link]) -> bool {
    links.iter().all(|link| BORN_WITH.contains(&link.name.as_str()) || link.name.starts_with("ip6"))
}

const fn is_link_local(net: &IpNet) -> bool {
    match net {
        IpNet::V6(net) => net.addr().is_unicast_link_local(),
        IpNet::V4(_) => false,
    }
}
