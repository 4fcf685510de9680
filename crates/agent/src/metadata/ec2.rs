//! The EC2 tree: `/latest/meta-data/` and its dated versions.
//!
//! A directory lists its entries sorted, one a line, directories with a slash.

use std::collections::BTreeMap;

use super::index::Card;
use super::responder::{About, Document};

const VERSIONS: [&str; 9] = [
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
];

/// A file or a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Leaf(String),
    Folder(BTreeMap<String, Node>),
}

impl Node {
    fn folder<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self::Folder(entries.into_iter().map(|(name, node)| (name.to_owned(), node)).collect())
    }

    fn leaf(text: impl Into<String>) -> Self {
        Self::Leaf(text.into())
    }
}

/// The document at the path below the tree's root.
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
    let root = Node::folder([("meta-data", meta_data(age, about))]);
    let found = rest.iter().try_fold(&root, |node, part| match node {
        Node::Folder(entries) => entries.get(*part),
        Node::Leaf(_) => None,
    })?;
    Some(match found {
        Node::Leaf(text) => Document::Text(text.clone()),
        Node::Folder(entries) => Document::list(entries.iter().map(|(name, node)| match node {
            Node::Folder(_) => format!("{name}/"),
            Node::Leaf(_) => name.clone(),
        })),
    })
}

/// Entries with the version, counted from the oldest, that brought them.
fn meta_data(age: usize, about: &About<'_>) -> Node {
    let zone = Node::folder([("availability-zone", Node::leaf(&about.site.availability_zone))]);
    let host_name = || Node::leaf(&about.host_name);
    let entries = [
        (0, "ami-launch-index", Node::leaf("0")),
        (0, "hostname", host_name()),
        (0, "instance-id", Node::leaf(&about.id)),
        (0, "local-ipv4", Node::leaf(about.local_ipv4())),
        (1, "local-hostname", host_name()),
        (1, "public-hostname", host_name()),
        (1, "public-ipv4", Node::leaf(about.public_ipv4())),
        (6, "placement", zone),
        (7, "instance-action", Node::leaf("none")),
        (8, "mac", Node::leaf(about.card.port.mac.to_string())),
        (8, "network", network(about)),
    ];
    let known = entries.into_iter().filter(|(since, ..)| *since <= age);
    Node::Folder(known.map(|(_, name, node)| (name.to_owned(), node)).collect())
}

fn network(about: &About<'_>) -> Node {
    let cards = about.instance.cards.iter().enumerate();
    let by_mac = cards.map(|(number, card)| (card.port.mac.to_string(), interface(number, card, about)));
    Node::folder([("interfaces", Node::folder([("macs", Node::Folder(by_mac.collect()))]))])
}

fn interface(number: usize, card: &Card, about: &About<'_>) -> Node {
    let lines = |list: Vec<String>| Node::Leaf(list.join("\n"));
    let addresses = |v4: bool| {
        let fixed = card.port.fixed_ips.iter().map(|fixed| fixed.ip_address);
        fixed.filter(|address| address.is_ipv4() == v4).map(|address| address.to_string()).collect()
    };
    let blocks: Vec<String> = card
        .addresses
        .iter()
        .filter(|(fixed, _)| fixed.ip_address.is_ipv4())
        .map(|(_, subnet)| subnet.cidr.to_string())
        .collect();
    let public = card.floating.iter().map(|floating| floating.floating_ip_address.to_string()).collect();
    Node::folder([
        ("device-number", Node::leaf(number.to_string())),
        ("interface-id", Node::leaf(card.port.id.to_string())),
        ("ipv6s", lines(addresses(false))),
        ("local-hostname", Node::leaf(&about.host_name)),
        ("local-ipv4s", lines(addresses(true))),
        ("mac", Node::leaf(card.port.mac.to_string())),
        ("owner-id", Node::leaf(&card.port.project_id)),
        ("public-ipv4s", lines(public)),
        ("subnet-ipv4-cidr-block", Node::leaf(blocks.first().cloned().unwrap_or_default())),
        ("vpc-ipv4-cidr-blocks", lines(blocks)),
    ])
}
