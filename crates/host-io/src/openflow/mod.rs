//! The door to the flow tables of Open vSwitch.
//!
//! Flows are typed values ([`Flow`]); what differs is sent as one bundle, which the
//! switch takes whole or not at all. Meters ([`Meter`]) are in no bundle. All goes over
//! connections of our own to a bridge (docs/adr/0006-open-vswitch.md); those of bundles are
//! kept for a while, and that of [`Switch::watch`] stays, tells when flows go, and ends in the
//! moment the switch does.

mod bundle;
mod connection;
mod encode;
mod flow;
mod lines;
mod message;
mod meter;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use connection::Watched;
pub use flow::{Action, CtState, Field, Flow, Part, Value, ethertype};
pub use meter::{Meter, MeterChange, Unit};
pub use table::{Changes, FlowTable, Layers};

use crate::HostError;
use lines::Lines;

/// The switches of one Open vSwitch.
#[derive(Debug, Clone)]
pub struct Switch {
    run_dir: PathBuf,
    lines: Lines,
}

impl Switch {
    /// The door; nothing is opened before the first call.
    #[must_use]
    pub fn open(run_dir: &Path) -> Self {
        Self { run_dir: run_dir.to_owned(), lines: Lines::default() }
    }

    fn socket(&self, bridge: &str) -> PathBuf {
        self.run_dir.join(format!("{bridge}.mgmt"))
    }

    /// Makes changes of a bridge, in one step.
    ///
    /// # Errors
    /// When the switch is not there or refuses; it is then as it was.
    pub async fn apply(&self, bridge: &str, changes: &Changes) -> Result<(), HostError> {
        if changes.is_empty() {
            return Ok(());
        }
        bundle::apply(&self.socket(bridge), &self.lines, changes.in_order()).await
    }

    /// What to do so that the flows with our cookie are those wanted, by comparison with
    /// what the switch holds. Flows of others stay, and those a flow of ours learned.
    ///
    /// # Errors
    /// When the switch is not there.
    pub async fn compare<K: Ord>(
        &self,
        bridge: &str,
        cookie: u64,
        wanted: &Layers<K>,
    ) -> Result<Changes, HostError> {
        let mut repair = wanted.repair(cookie);
        bundle::read(&self.socket(bridge), cookie, |held| repair.see(held)).await?;
        Ok(repair.end())
    }

    /// The meters of a bridge by number; `None` for those of other shapes.
    ///
    /// # Errors
    /// When the switch is not there.
    pub async fn meters(&self, bridge: &str) -> Result<BTreeMap<u32, Option<Meter>>, HostError> {
        meter::read(&self.socket(bridge)).await
    }

    /// Changes meters of a bridge, in this order; gives those the switch refused, with its
    /// reason. Who deletes a meter deletes the flows that name it.
    ///
    /// # Errors
    /// When the switch is not there.
    pub async fn change_meters(
        &self,
        bridge: &str,
        changes: &[MeterChange],
    ) -> Result<BTreeMap<u32, String>, HostError> {
        if changes.is_empty() {
            return Ok(BTreeMap::new());
        }
        meter::change(&self.socket(bridge), changes).await
    }

    /// A connection to the bridge that tells when flows go, and ends with the switch.
    ///
    /// # Errors
    /// When the switch is not there.
    pub async fn watch(&self, bridge: &str) -> Result<Watched, HostError> {
        Watched::open(&self.socket(bridge)).await
    }
}
