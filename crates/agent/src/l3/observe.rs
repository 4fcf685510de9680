//! A router as it is on the host now, read into plain values.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use isospin_host_io::{AddressScope, Conntrack, HostError, Links, Namespace, Nft, Place, RouteEntry, sysctl};
use isospin_types::MacAddr;
use serde_json::Value;

use super::forwards::Elements;
use super::render::{Table, chain_line};
use super::table::{Listed, listed};
use super::{conntrack_helpers, metering, owned};

/// The open doors into one router's namespace. They keep it alive.
#[derive(Debug, Clone)]
pub(super) struct Doors {
    pub(super) namespace: Namespace,
    pub(super) links: Links,
    pub(super) nft: Nft,
    pub(super) conntrack: Conntrack,
}

impl Doors {
    pub(super) async fn open(namespace: Namespace) -> Result<Self, HostError> {
        let place: Place = namespace.clone().into();
        Ok(Self {
            links: Links::open(&place).await?,
            nft: Nft::open(place.clone()),
            conntrack: Conntrack::open(place),
            namespace,
        })
    }

    pub(super) fn place(&self) -> Place {
        self.namespace.clone().into()
    }
}

/// A router's traces on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Observed {
    /// `None` when there is no namespace.
    pub(super) inside: Option<Inside>,
    /// Devices of the host named like a tap, with their MTU.
    pub(super) taps: BTreeMap<String, u32>,
}

/// What is in a router's namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Inside {
    /// Alias of `lo`.
    pub(super) mark: Option<String>,
    pub(super) loopback_up: bool,
    /// `qr-*` and `qg-*`.
    pub(super) devices: BTreeMap<String, Device>,
    /// Those with our protocol number.
    pub(super) routes: BTreeSet<RouteEntry>,
    /// Values of the settings asked for; absent ones are left out.
    pub(super) settings: BTreeMap<String, String>,
    /// `None` when there is no such table, or it holds what we never write.
    pub(super) table: Option<Table>,
    /// Tables of conntrack helpers.
    pub(super) helpers: conntrack_helpers::Tables,
    /// The table that keeps address scopes apart; `None` when there is none.
    pub(super) scopes: Option<Listed>,
    /// The table that limits what passes the gateway; `None` when there is none.
    pub(super) qos: Option<Listed>,
    /// The table that counts what passes the gateway; `None` when there is none.
    pub(super) metering: Option<metering::Observed>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) mac: Option<MacAddr>,
    pub(super) mtu: u32,
    pub(super) up: bool,
    /// Those that stay: not the ones the kernel makes or learns itself.
    pub(super) addresses: BTreeSet<IpNet>,
}

/// Devices of the host that could be ends of our pairs.
pub(super) async fn taps(links: &Links) -> Result<BTreeMap<String, u32>, HostError> {
    let all = links.list().await?;
    let taps = all.into_iter().filter(|link| link.kind == "veth" && link.name.starts_with("tap"));
    Ok(taps.map(|link| (link.name, link.mtu)).collect())
}

/// Reads the inside of a router's namespace. `settings` are the keys to read.
pub(super) async fn inside(doors: &Doors, settings: &[String]) -> Result<Inside, HostError> {
    let mut inside = Inside::default();
    for link in doors.links.list().await? {
        if link.name == "lo" {
            (inside.mark, inside.loopback_up) = (link.alias, link.up);
        } else if owned::is_router_device(&link.name) {
            let addresses = BTreeSet::new();
            inside.devices.insert(link.name, Device { mac: link.mac, mtu: link.mtu, up: link.up, addresses });
        }
    }
    for address in doors.links.addresses(None).await? {
        let made_by_kernel = address.scope == AddressScope::Link && is_own_link_local(&inside, &address);
        if let Some(device) = inside.devices.get_mut(&address.link)
            && address.permanent
            && !made_by_kernel
        {
            device.addresses.insert(address.net);
        }
    }
    let ours = |route: &RouteEntry| route.protocol == owned::ROUTE_PROTOCOL;
    inside.routes = doors.links.routes().await?.into_iter().filter(ours).collect();
    let values = sysctl::get_all(&doors.place(), settings).await?;
    let known = settings.iter().zip(values).filter_map(|(key, value)| Some((key.clone(), value?)));
    inside.settings = known.collect();
    // With numbers: the names of protocols are those of this host.
    inside.table = doors.nft.list_table_numeric("ip", owned::TABLE).await?.as_ref().and_then(table);
    for (family, name) in doors.nft.list_tables().await? {
        let is = |wanted: &str, table: &str| family == wanted && name == table;
        if is("inet", owned::SCOPES_TABLE) {
            inside.scopes = doors.nft.list_table(&family, &name).await?.as_ref().map(listed);
        } else if is("ip", owned::QOS_TABLE) {
            inside.qos = doors.nft.list_table(&family, &name).await?.as_ref().map(listed);
        } else if is("inet", owned::METERING_TABLE) {
            let listing = doors.nft.list_table(&family, &name).await?;
            inside.metering = listing.as_ref().map(metering::Observed::of);
        } else if family == "ip" && name.starts_with(owned::HELPER_PREFIX) {
            let listing = doors.nft.list_table(&family, &name).await?;
            inside.helpers.insert(name, listing.as_ref().map(conntrack_helpers::listed).unwrap_or_default());
        }
    }
    Ok(inside)
}

fn is_own_link_local(inside: &Inside, address: &isospin_host_io::Address) -> bool {
    let mac = inside.devices.get(&address.link).and_then(|device| device.mac);
    mac.is_some_and(|mac| address.net.addr() == mac.link_local())
}

/// Reads the JSON of `nft -j list table`; `None` when it holds something we never write.
pub(super) fn table(listing: &Value) -> Option<Table> {
    let mut table = Table::default();
    for item in listing.get("nftables")?.as_array()? {
        if let Some(chain) = item.get("chain") {
            table.chains.insert(chain_of(chain)?);
        } else if let Some(rule) = item.get("rule") {
            let comment = rule.get("comment").and_then(Value::as_str).unwrap_or_default();
            let chain = rule.get("chain")?.as_str()?;
            table.rules.entry(chain.to_owned()).or_default().push(comment.to_owned());
        } else if let Some(map) = item.get("map") {
            table.maps.insert(map.get("name")?.as_str()?.to_owned(), elements(map)?);
        } else if item.get("table").is_none() && item.get("metainfo").is_none() {
            return None;
        }
    }
    Some(table)
}

fn chain_of(chain: &Value) -> Option<String> {
    let text = |key| chain.get(key).and_then(Value::as_str);
    let priority = i32::try_from(chain.get("prio")?.as_i64()?).ok()?;
    (text("policy")? == "accept")
        .then(|| Some(chain_line(text("name")?, text("type")?, text("hook")?, priority)))
        .flatten()
}

fn elements(map: &Value) -> Option<Elements> {
    let Some(elements) = map.get("elem") else { return Some(Elements::new()) };
    let pair = |element: &Value| Some((part(element.get(0)?)?, part(element.get(1)?)?));
    elements.as_array()?.iter().map(pair).collect()
}

/// A key or value of a map, as a script would write it.
fn part(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(object) => {
            let list = |name| object.get(name).and_then(Value::as_array);
            if let Some(parts) = list("concat") {
                return Some(parts.iter().map(part).collect::<Option<Vec<_>>>()?.join(" . "));
            }
            Some(list("range")?.iter().map(part).collect::<Option<Vec<_>>>()?.join("-"))
        }
        _ => None,
    }
}
