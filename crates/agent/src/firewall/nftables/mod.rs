//! The firewall in the kernel: two tables of ours, changed by differences.
//!
//! What is in the kernel is remembered, so that a pass that touches one port
//! sends a handful of elements. A full pass reads the tables back and repairs.

pub mod base;
mod diff;
mod observe;
mod render;
#[cfg(test)]
mod tests;
mod values;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use isospin_host_io::{HostError, Nft, Place, sysctl};

pub use render::render;
pub use values::{Part, Table};
pub use wire::device;

use self::base::TABLE;
use self::diff::Transaction;
use crate::firewall::policy::{Kept, Policy};

/// Family and name of a table.
pub type TableName = (&'static str, &'static str);

/// The stateless checks at the taps.
pub const BRIDGE: TableName = ("bridge", TABLE);
/// Security groups and connection zones.
pub const INET: TableName = ("inet", TABLE);
/// Masquerading of physical networks whose gateway is this host.
pub const NAT: TableName = ("inet", "isospin_nat");
/// Limits and marks of single ports.
pub const QOS: TableName = ("bridge", "isospin_qos");

/// Every table this agent may own.
const OURS: [TableName; 4] = [INET, BRIDGE, NAT, QOS];

/// The tables beside those of the policy: which of [`NAT`] and [`QOS`] are wanted.
pub type Further = BTreeMap<TableName, Table>;

/// The tables of one place.
#[derive(Debug)]
pub struct Nftables {
    place: Place,
    nft: Nft,
    /// What the kernel holds; `None` when that is not known.
    held: Option<Held>,
}

#[derive(Debug)]
enum Held {
    /// As read. A table that is there but of another layout is `None` inside.
    Read(BTreeMap<TableName, Option<Table>>),
    /// As this was applied, with the further tables.
    Applied(Arc<Policy>, Further),
}

impl Nftables {
    /// The firewall of a place; nothing is touched before the first call.
    #[must_use]
    pub fn open(place: Place) -> Self {
        Self { nft: Nft::open(place.clone()), place, held: None }
    }

    /// Forgets what the kernel is thought to hold: the next call reads it.
    pub fn forget(&mut self) {
        self.held = None;
    }

    /// Numbers in use, to be kept.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub async fn kept(&mut self) -> Result<Kept, HostError> {
        let tables = match self.held().await? {
            Held::Applied(policy, _) => return Ok(Kept::of(policy)),
            Held::Read(tables) => tables,
        };
        let zones = tables.get(&INET).and_then(Option::as_ref).and_then(|table| table.sets.get("zones"));
        let zones = zones.into_iter().flat_map(|set| &set.elements).filter_map(|(key, value)| {
            match (key.first()?, value.as_ref()?) {
                (Part::Device(bridge), Part::Number { first, .. }) => {
                    Some((bridge.clone(), u16::try_from(*first).ok()?))
                }
                _ => None,
            }
        });
        Ok(Kept { zones: zones.collect() })
    }

    /// Whether the tables are there, of an earlier life or of this one.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub async fn is_present(&mut self) -> Result<bool, HostError> {
        Ok(match self.held().await? {
            Held::Applied(..) => true,
            Held::Read(tables) => [BRIDGE, INET].iter().all(|name| matches!(tables.get(name), Some(Some(_)))),
        })
    }

    /// Makes the kernel equal to the policy and the further tables, in one
    /// transaction; returns the number of changes.
    ///
    /// # Errors
    /// When a tool fails. The kernel is then as it was, and is read again by the
    /// next call.
    pub async fn apply(&mut self, policy: &Arc<Policy>, further: Further) -> Result<u64, HostError> {
        let mut step = step(self.held().await?, policy, &further);
        if step.changes > 0
            && let Err(error) = self.commit(&step).await
        {
            // Somebody may have changed the tables meanwhile: look, and try what is true now.
            tracing::warn!(error = %error.reason(), "firewall transaction refused; reading the tables again");
            self.forget();
            step = self::step(self.held().await?, policy, &further);
            if let Err(error) = self.nft.commit(&step.script).await {
                self.forget();
                return Err(error);
            }
        }
        self.held = Some(Held::Applied(Arc::clone(policy), further));
        Ok(step.changes)
    }

    /// Elements go the short way; everything else, and what is too long for it, to the tool.
    async fn commit(&self, step: &Transaction) -> Result<(), HostError> {
        if let Some(changes) = &step.elements
            && self.nft.change_elements(changes).await?
        {
            return Ok(());
        }
        self.nft.commit(&step.script).await
    }

    async fn held(&mut self) -> Result<&Held, HostError> {
        let held = match self.held.take() {
            Some(held) => held,
            None => {
                let mut tables = BTreeMap::new();
                for name in OURS {
                    if let Some(listing) = self.nft.list_table_numeric(name.0, name.1).await? {
                        tables.insert(name, observe::table(&listing));
                    }
                }
                Held::Read(tables)
            }
        };
        Ok(self.held.insert(held))
    }

    /// Makes sure bridged packets are handed to the inet table; returns the number
    /// of changes. Were they not, filtered ports would pass no IP at all (N14).
    ///
    /// # Errors
    /// When the kernel lacks br_netfilter.
    pub async fn assert_hooks(&self) -> Result<u64, HostError> {
        let setting = |name: &str| (format!("net.bridge.bridge-nf-call-{name}"), "1".to_owned());
        sysctl::set_all(&self.place, &[setting("iptables"), setting("ip6tables")]).await
    }
}

fn step(held: &Held, policy: &Policy, further: &Further) -> Transaction {
    match held {
        Held::Applied(before, further_before) => {
            // What both have needs no look at every element: render what differs.
            let (before, after) = policy.difference(before);
            between(&tables(&before, further_before, Some), &tables(&after, further, |table| table))
        }
        Held::Read(before) => between(before, &tables(policy, further, |table| table)),
    }
}

/// The wanted tables by name, each put into `wrap`.
fn tables<T>(policy: &Policy, further: &Further, wrap: impl Fn(Table) -> T) -> BTreeMap<TableName, T> {
    let [bridge, inet] = render(policy);
    let further = further.iter().map(|(name, table)| (*name, table.clone()));
    let all = [(BRIDGE, bridge), (INET, inet)].into_iter().chain(further);
    all.map(|(name, table)| (name, wrap(table))).collect()
}

fn between(before: &BTreeMap<TableName, Option<Table>>, after: &BTreeMap<TableName, Table>) -> Transaction {
    let mut step = Transaction::default();
    for name @ (family, table) in OURS {
        step.append(match (before.get(&name), after.get(&name)) {
            (Some(Some(before)), Some(after)) => diff::between(family, table, Some(before), after),
            (_, Some(after)) => diff::rebuild(family, table, after),
            (Some(_), None) => diff::remove(family, table),
            (None, None) => Transaction::default(),
        });
    }
    step
}
