//! Elements of sets and maps, written without the `nft` tool (linux/netfilter/nf_tables.h):
//! the tool takes some 3 ms to start and reads what is there before it adds one (ADR 9).

use crate::nfnetlink::{Request, put};

/// NFNL_SUBSYS_NFTABLES.
pub(super) const SUBSYSTEM: u8 = 10;
const NEW_ELEMENTS: u16 = 12;
const DELETE_ELEMENTS: u16 = 14;

// Attributes of a request: table, set, and the list of elements with its items.
const TABLE: u16 = 1;
const SET: u16 = 2;
const ELEMENTS: u16 = 3;
const ITEM: u16 = 1;
// Of an element.
const KEY: u16 = 1;
const DATA: u16 = 2;
// Of a key or of data.
const VALUE: u16 = 1;
const VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const VERDICT_CHAIN: u16 = 2;
/// NFT_GOTO.
const GOTO: i32 = -4;

/// Elements in one request: with 65,535 octets for all of them, the longest fit.
const PORTION: usize = 256;
/// Octets of one transaction: the kernel refuses what is longer than a socket's buffer (208 KiB).
const LIMIT: usize = 128 << 10;

/// Elements of one set or map that come or go. Not for sets with `flags interval`, whose
/// elements have ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetChange {
    /// Family of the table, as the tool calls it.
    pub family: &'static str,
    pub table: String,
    pub set: String,
    pub verb: SetVerb,
    pub elements: Vec<SetElement>,
}

/// What happens to the elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetVerb {
    /// An element that is there already may be added again with the same value.
    Add,
    /// One that is not there refuses the whole transaction.
    Delete,
}

/// An element as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetElement {
    /// Fields one after the other, each padded to 4 octets when there are several.
    pub key: Vec<u8>,
    /// In maps; needed to add an element, not to delete it.
    pub value: Option<SetValue>,
}

/// What a map leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetValue {
    Data(Vec<u8>),
    /// A chain to go on in.
    Goto(String),
}

/// The requests of a transaction; `None` when it is too long for one, or of a family this does
/// not know.
pub(super) fn requests(changes: &[SetChange]) -> Option<Vec<Request>> {
    let mut requests = Vec::new();
    for change in changes {
        let (kind, family) = (kind(change.verb), family(change.family)?);
        for portion in change.elements.chunks(PORTION) {
            requests.push(Request { kind, family, attributes: attributes(change, portion) });
        }
    }
    let length: usize = requests.iter().map(|request| request.attributes.len()).sum();
    (length <= LIMIT).then_some(requests)
}

const fn kind(verb: SetVerb) -> u16 {
    let number = match verb {
        SetVerb::Add => NEW_ELEMENTS,
        SetVerb::Delete => DELETE_ELEMENTS,
    };
    (SUBSYSTEM as u16) << 8 | number
}

/// NFPROTO_*.
fn family(name: &str) -> Option<u8> {
    Some(match name {
        "inet" => 1,
        "ip" => 2,
        "arp" => 3,
        "bridge" => 7,
        "ip6" => 10,
        _ => return None,
    })
}

fn attributes(change: &SetChange, elements: &[SetElement]) -> Vec<u8> {
    let mut list = Vec::new();
    for element in elements {
        put(&mut list, ITEM, true, &self::element(element));
    }
    let mut attributes = Vec::new();
    put(&mut attributes, TABLE, false, &terminated(&change.table));
    put(&mut attributes, SET, false, &terminated(&change.set));
    put(&mut attributes, ELEMENTS, true, &list);
    attributes
}

fn element(element: &SetElement) -> Vec<u8> {
    let mut attributes = Vec::new();
    put(&mut attributes, KEY, true, &value(&element.key));
    match &element.value {
        None => {}
        Some(SetValue::Data(data)) => put(&mut attributes, DATA, true, &value(data)),
        Some(SetValue::Goto(chain)) => {
            let mut verdict = Vec::new();
            put(&mut verdict, VERDICT_CODE, false, &GOTO.to_be_bytes());
            put(&mut verdict, VERDICT_CHAIN, false, &terminated(chain));
            let mut data = Vec::new();
            put(&mut data, VERDICT, true, &verdict);
            put(&mut attributes, DATA, true, &data);
        }
    }
    attributes
}

fn value(bytes: &[u8]) -> Vec<u8> {
    let mut attribute = Vec::with_capacity(bytes.len() + 4);
    put(&mut attribute, VALUE, false, bytes);
    attribute
}

fn terminated(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}
