//! The built-in answers: paths to documents, as Nova's metadata service has them.
//!
//! The tree is found by the path alone. A metadata service elsewhere would take
//! this file's place, asked with what [`Instance`] says.

use std::net::IpAddr;

use serde_json::Value;

use super::index::{Card, Instance};
use super::{ec2, openstack};

/// What instances of this host have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub availability_zone: String,
    /// Domain of host names; "" for none.
    pub domain: String,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    Text(String),
    Json(Value),
}

impl Document {
    /// The lines of a listing.
    pub fn list<S: AsRef<str>>(lines: impl IntoIterator<Item = S>) -> Self {
        let lines: Vec<String> = lines.into_iter().map(|line| line.as_ref().to_owned()).collect();
        Self::Text(lines.join("\n"))
    }
}

/// The document at `path`; `None` when there is none.
#[must_use]
pub fn find(path: &str, instance: &Instance, site: &Site) -> Option<Document> {
    let parts = parts(path);
    let about = About::of(instance, site)?;
    match parts.split_first() {
        Some((&"openstack", rest)) => openstack::find(rest, &about),
        Some((&"ec2", rest)) => ec2::find(rest, &about),
        _ => ec2::find(&parts, &about),
    }
}

/// The path's parts: doubled and final slashes do not count, `..` goes up.
fn parts(path: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts
}

/// What both trees say about an instance.
#[derive(Debug, Clone)]
pub struct About<'a> {
    pub instance: &'a Instance,
    pub card: &'a Card,
    pub site: &'a Site,
    /// The device id. A port that was given to something without one stands for it.
    pub id: String,
    /// With the domain.
    pub host_name: String,
    /// What people call it.
    pub name: String,
}

impl<'a> About<'a> {
    fn of(instance: &'a Instance, site: &'a Site) -> Option<Self> {
        let card = instance.card()?;
        let port = &card.port;
        let id = if port.device_id.is_empty() { port.id.to_string() } else { port.device_id.clone() };
        let short = short_name(card, instance.source);
        let domain = site.domain.trim_matches('.');
        let host_name = if domain.is_empty() { short.clone() } else { format!("{short}.{domain}") };
        let name = if port.name.is_empty() { short } else { port.name.clone() };
        Some(Self { instance, card, site, id, host_name, name })
    }

    /// The asking card's first address of version 4.
    #[must_use]
    pub fn local_ipv4(&self) -> String {
        let mut addresses = self.card.port.fixed_ips.iter().map(|fixed| fixed.ip_address);
        addresses.find(IpAddr::is_ipv4).map(|address| address.to_string()).unwrap_or_default()
    }

    /// The first floating IP of the asking card, or of any.
    #[must_use]
    pub fn public_ipv4(&self) -> String {
        let cards = std::iter::once(self.card).chain(&self.instance.cards);
        let mut floating = cards.flat_map(|card| &card.floating);
        floating.next().map(|floating| floating.floating_ip_address.to_string()).unwrap_or_default()
    }
}

/// The host name DHCP gives the same card.
fn short_name(card: &Card, source: IpAddr) -> String {
    let given = card.port.hostname.split('.').next().unwrap_or_default();
    if given.is_empty() {
        return format!("host-{}", source.to_string().replace(['.', ':'], "-"));
    }
    given.to_owned()
}
