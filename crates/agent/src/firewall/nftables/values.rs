//! Tables, chains, sets and their elements as values, and their nft text.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use isospin_types::MacAddr;

use crate::firewall::policy::numbering::hash;

/// One field of a set's key, or the value of a map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A device name.
    Device(String),
    Mac(MacAddr),
    /// Addresses `first..=last`.
    Address {
        first: IpAddr,
        last: IpAddr,
    },
    /// Numbers `first..=last`: protocols, ports, marks, zones, raw bytes.
    Number {
        first: u128,
        last: u128,
    },
    /// The chain a verdict map goes on in.
    Goto(String),
}

impl Part {
    /// One address.
    #[must_use]
    pub const fn ip(ip: IpAddr) -> Self {
        Self::Address { first: ip, last: ip }
    }

    /// One number.
    #[must_use]
    pub fn number(number: impl Into<u128>) -> Self {
        let number = number.into();
        Self::Number { first: number, last: number }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(name) => write!(f, "\"{name}\""),
            Self::Mac(mac) => write!(f, "{mac}"),
            Self::Address { first, last } if first == last => write!(f, "{first}"),
            Self::Address { first, last } => write!(f, "{first}-{last}"),
            // Hexadecimal is read as any number and as raw bytes alike.
            Self::Number { first, last } if first == last => write!(f, "{first:#x}"),
            Self::Number { first, last } => write!(f, "{first:#x}-{last:#x}"),
            Self::Goto(chain) => write!(f, "goto {chain}"),
        }
    }
}

/// The key of an element: its fields in order.
pub type Key = Vec<Part>;

/// A set or, where its elements have values, a map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set {
    /// "set" or "map" and its declaration; empty in what was read from the kernel.
    pub declaration: Option<(&'static str, &'static str)>,
    pub elements: BTreeMap<Key, Option<Part>>,
}

/// A rule: its text, and the mark its comment carries. Rules read from the
/// kernel have only the mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleText {
    pub text: Cow<'static, str>,
    pub mark: String,
}

impl RuleText {
    /// A rule whose mark is made from its text: reading back the marks tells
    /// whether the kernel has the rules of this release, in this order.
    #[must_use]
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        let text = text.into();
        let mark = format!("isospin:{:016x}", hash(&text));
        Self { text, mark }
    }
}

/// A chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// Declaration of a base chain. What was read has an empty one.
    pub hook: Option<&'static str>,
    pub rules: Vec<RuleText>,
}

/// One table of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    pub sets: BTreeMap<String, Set>,
    pub chains: BTreeMap<String, Chain>,
}

impl Table {
    /// Adds an empty set or map.
    pub fn declare(&mut self, name: impl Into<String>, kind: &'static str, declaration: &'static str) {
        let set = Set { declaration: Some((kind, declaration)), elements: BTreeMap::new() };
        self.sets.insert(name.into(), set);
    }

    /// Puts an element into a declared set.
    pub fn put(&mut self, set: &str, key: Key, value: Option<Part>) {
        if let Some(set) = self.sets.get_mut(set) {
            set.elements.insert(key, value);
        }
    }

    /// Adds a chain with its rules.
    pub fn chain(
        &mut self,
        name: impl Into<String>,
        hook: Option<&'static str>,
        rules: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
    ) {
        let rules = rules.into_iter().map(RuleText::new).collect();
        self.chains.insert(name.into(), Chain { hook, rules });
    }
}
