//! Rules of the host's own IP: masquerading, and a guard for a userspace datapath.
//!
//! With `datapath_type=netdev` the kernel hears every frame of a tap as well: without a
//! guard an instance could talk to the host itself. A datapath in the kernel takes the
//! frames before.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use isospin_host_io::{HostError, LinkEventKind, LinkEvents, Links, Nft, SetChange, SetElement, SetVerb};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::names;
use crate::firewall::nftables::device;
use crate::firewall::policy::numbering::hash;
use crate::l2::masquerade::HOOK;

const TABLE: &str = "isospin_ovs";
/// Where frames come to the host's IP.
const FAMILIES: [(&str, &str); 2] = [("inet", "prerouting"), ("arp", "input")];

/// Rules, and the name of an empty chain that says which these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Elements of the set, which alone change: who takes a chain away waits 10 ms.
    devices: BTreeSet<String>,
    script: String,
    mark: String,
}

impl Rules {
    /// Those that drop what the kernel hears from these devices, and masquerade as the
    /// configuration says.
    #[must_use]
    pub fn new(devices: BTreeSet<String>, masquerade: &[String]) -> Self {
        let mut script = String::new();
        for (family, hook) in FAMILIES {
            script.push_str(&format!(
                "table {family} {TABLE} {{\n set taps {{ type ifname; }}\n \
                 chain guard {{ type filter hook {hook} priority -310; iifname @taps drop; }}\n}}\n"
            ));
        }
        if !masquerade.is_empty() {
            let rules = masquerade.join("; ");
            script
                .push_str(&format!("table inet {TABLE} {{\n chain postrouting {{ {HOOK} {rules}; }}\n}}\n"));
        }
        let mark = format!("made_{:x}", hash(&script));
        Self { devices, script, mark }
    }

    /// Whether they are there.
    ///
    /// # Errors
    /// When the tool fails.
    pub async fn are_present(&self, nft: &Nft) -> Result<bool, HostError> {
        for (family, _) in FAMILIES {
            let table = nft.list_table(family, TABLE).await?.unwrap_or_default();
            let items = table["nftables"].as_array().map(Vec::as_slice).unwrap_or_default();
            let is_marked = items.iter().any(|item| item["chain"]["name"] == self.mark.as_str());
            let elements = items.iter().filter_map(|item| item["set"]["elem"].as_array()).flatten();
            let devices: BTreeSet<&str> = elements.filter_map(Value::as_str).collect();
            if !is_marked || !devices.into_iter().eq(&self.devices) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Puts them in the place of what is there, in one step.
    ///
    /// # Errors
    /// When the tool refuses.
    pub async fn apply(&self, nft: &Nft) -> Result<(), HostError> {
        let mut script = String::new();
        for (family, _) in FAMILIES {
            // Added first: what is not there cannot be deleted.
            script.push_str(&format!("add table {family} {TABLE}\ndelete table {family} {TABLE}\n"));
        }
        script.push_str(&self.script);
        for (family, _) in FAMILIES {
            if !self.devices.is_empty() {
                let names: Vec<String> = self.devices.iter().map(|device| format!("\"{device}\"")).collect();
                script.push_str(&format!("add element {family} {TABLE} taps {{ {} }}\n", names.join(", ")));
            }
            script.push_str(&format!("add chain {family} {TABLE} {}\n", self.mark));
        }
        nft.apply(&script).await
    }

    /// The same where those rules are: only devices that came or went are told.
    ///
    /// # Errors
    /// When the kernel refuses; something else is there then.
    pub async fn apply_since(&self, held: &Self, nft: &Nft) -> Result<(), HostError> {
        if held.script != self.script {
            return self.apply(nft).await;
        }
        match self.difference(held) {
            Some(changes) if nft.change_elements(&changes).await? => Ok(()),
            _ => self.apply(nft).await,
        }
    }

    /// What came and what went; `None` when a name is none the kernel could have.
    fn difference(&self, held: &Self) -> Option<Vec<SetChange>> {
        let mut changes = Vec::new();
        for (verb, from, to) in [(SetVerb::Add, held, self), (SetVerb::Delete, self, held)] {
            let devices = to.devices.difference(&from.devices);
            let elements: Vec<SetElement> = devices.map(|name| device(name)).collect::<Option<_>>()?;
            if !elements.is_empty() {
                changes.extend(in_each_family(verb, &elements));
            }
        }
        Some(changes)
    }
}

fn in_each_family(verb: SetVerb, elements: &[SetElement]) -> impl Iterator<Item = SetChange> {
    FAMILIES.into_iter().map(move |(family, _)| {
        let (table, set) = (TABLE.to_owned(), "taps".to_owned());
        SetChange { family, table, set, verb, elements: elements.to_vec() }
    })
}

/// Guards against taps of ports in the moment they come, as long as this is kept: a pass may be
/// waiting for a switch that hangs.
#[derive(Debug)]
pub struct Early(JoinHandle<()>);

impl Early {
    /// Begins.
    ///
    /// # Errors
    /// When netlink is refused.
    pub async fn watch(links: &Links, nft: Nft) -> Result<Self, HostError> {
        Ok(Self(tokio::spawn(taps(links.events().await?, nft))))
    }

    /// Whether it has lost events, so that another is needed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn taps(mut events: LinkEvents, nft: Nft) {
    let mut guarded = BTreeSet::new();
    while let Some(event) = events.next().await {
        if event.kind == LinkEventKind::Removed {
            guarded.remove(&event.name);
            continue;
        }
        if !names::is_tap(&event.name) || !guarded.insert(event.name.clone()) {
            continue;
        }
        let elements: Vec<SetElement> = device(&event.name).into_iter().collect();
        let changes: Vec<SetChange> = in_each_family(SetVerb::Add, &elements).collect();
        if let Err(error) = nft.change_elements(&changes).await {
            // No tables yet: the pass that makes them has the device as well.
            tracing::debug!(device = event.name, %error, "a tap waits for a pass");
            guarded.remove(&event.name);
        }
    }
}
