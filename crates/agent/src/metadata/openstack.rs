//! The OpenStack tree: `/openstack/<version>/{meta_data,network_data,vendor_data}.json`.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use isospin_feed::facts::{FixedIp, Ipv6Mode, Subnet};
use serde_json::{Map, Value, json};

use super::index::Card;
use super::responder::{About, Document};

const VERSIONS: [&str; 9] = [
    "2012-08-10",
    "2013-04-04",
    "2013-10-17",
    "2015-10-15",
    "2016-06-30",
    "2016-10-06",
    "2017-02-22",
    "2018-08-27",
    "2020-10-14",
];

/// Versions, counted from the oldest, that brought something.
const RANDOM_SEED: usize = 1;
const VENDOR_DATA: usize = 2;
const NETWORK_DATA: usize = 3;
const DEVICES: usize = 4;
const VENDOR_DATA2: usize = 5;
const DEDICATED_CPUS: usize = 8;

/// The document at the path below `/openstack`.
#[must_use]
pub fn find(parts: &[&str], about: &About<'_>) -> Option<Document> {
    let Some((version, rest)) = parts.split_first() else {
        return Some(Document::list(VERSIONS.iter().chain(&["latest"])));
    };
    let age = if *version == "latest" {
        VERSIONS.len() - 1
    } else {
        VERSIONS.iter().position(|known| known == version)?
    };
    let since = |brought: usize, document: fn(&About<'_>) -> Value| {
        (age >= brought).then(|| Document::Json(document(about)))
    };
    match rest {
        [] => Some(listing(age)),
        ["meta_data.json"] => Some(Document::Json(meta_data(age, about))),
        ["vendor_data.json"] => since(VENDOR_DATA, |_| json!({})),
        ["network_data.json"] => since(NETWORK_DATA, network_data),
        ["vendor_data2.json"] => since(VENDOR_DATA2, |_| json!({})),
        _ => None,
    }
}

fn listing(age: usize) -> Document {
    let files = [
        (0, "meta_data.json"),
        (VENDOR_DATA, "vendor_data.json"),
        (NETWORK_DATA, "network_data.json"),
        (VENDOR_DATA2, "vendor_data2.json"),
    ];
    Document::list(files.into_iter().filter(|(since, _)| *since <= age).map(|(_, name)| name))
}

fn meta_data(age: usize, about: &About<'_>) -> Value {
    let mut data = Map::new();
    let mut put = |since: usize, name: &str, value: Value| {
        if since <= age {
            data.insert(name.to_owned(), value);
        }
    };
    put(0, "uuid", json!(about.id));
    put(0, "hostname", json!(about.host_name));
    put(0, "name", json!(about.name));
    put(0, "launch_index", json!(0));
    put(0, "availability_zone", json!(about.site.availability_zone));
    put(RANDOM_SEED, "random_seed", json!(random_seed()));
    put(NETWORK_DATA, "project_id", json!(about.card.port.project_id));
    put(DEVICES, "devices", json!([]));
    put(DEDICATED_CPUS, "dedicated_cpus", json!([]));
    Value::Object(data)
}

/// Randomness for the instance's own generator, other each time.
fn random_seed() -> String {
    let mut seed = [0u8; 512];
    rand::fill(&mut seed);
    STANDARD.encode(seed)
}

fn network_data(about: &About<'_>) -> Value {
    let (mut links, mut networks, mut services) = (Vec::new(), Vec::new(), Vec::new());
    for card in &about.instance.cards {
        links.push(link(card));
        for (fixed, subnet) in &card.addresses {
            networks.push(network(networks.len(), card, fixed, subnet));
            for service in dns(subnet) {
                if !services.contains(&service) {
                    services.push(service);
                }
            }
        }
    }
    json!({ "links": links, "networks": networks, "services": services })
}

fn link(card: &Card) -> Value {
    json!({
        "id": card.port.tap_name(),
        "vif_id": card.port.id.to_string(),
        "type": "bridge",
        "mtu": card.network.as_ref().map(|network| network.mtu),
        "ethernet_mac_address": card.port.mac.to_string(),
    })
}

/// With DHCP the instance is told to ask; without, how to configure itself.
fn network(number: usize, card: &Card, fixed: &FixedIp, subnet: &Subnet) -> Value {
    let version = if fixed.ip_address.is_ipv4() { 4 } else { 6 };
    let mode = match subnet.ipv6_address_mode {
        None => "",
        Some(Ipv6Mode::Slaac) => "_slaac",
        Some(Ipv6Mode::Dhcpv6Stateless) => "_dhcpv6-stateless",
        Some(Ipv6Mode::Dhcpv6Stateful) => "_dhcpv6-stateful",
    };
    let asks = mode.is_empty() && subnet.enable_dhcp && version == 4;
    let mut data = json!({
        "id": format!("network{number}"),
        "type": format!("ipv{version}{}", if asks { "_dhcp" } else { mode }),
        "link": card.port.tap_name(),
        "network_id": card.port.network_id.to_string(),
    });
    if !asks && let Value::Object(data) = &mut data {
        data.insert("ip_address".to_owned(), json!(fixed.ip_address.to_string()));
        data.insert("netmask".to_owned(), json!(subnet.cidr.netmask().to_string()));
        data.insert("routes".to_owned(), json!(routes(subnet)));
        data.insert("services".to_owned(), json!(dns(subnet)));
    }
    data
}

fn routes(subnet: &Subnet) -> Vec<Value> {
    let route = |destination: IpNet, gateway: IpAddr| {
        json!({
            "network": destination.network().to_string(),
            "netmask": destination.netmask().to_string(),
            "gateway": gateway.to_string(),
        })
    };
    let everything = match subnet.cidr {
        IpNet::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
        IpNet::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
    };
    let default = subnet.gateway_ip.map(|gateway| route(everything, gateway));
    let others = subnet.host_routes.iter().map(|host| route(host.destination, host.nexthop));
    default.into_iter().chain(others).collect()
}

fn dns(subnet: &Subnet) -> Vec<Value> {
    let servers = subnet.dns_nameservers.iter().filter(|server| !server.is_unspecified());
    servers.map(|server| json!({ "type": "dns", "address": server.to_string() })).collect()
}
