//! The door to the flow tables of Open vSwitch.
//!
//! Flows are typed values ([`Flow`]); what differs is sent as one bundle, which the
//! switch takes whole or not at all. Bundles go through `ovs-ofctl`, which costs some
//! 15 ms each (docs/adr/0006-open-vswitch.md). Meters ([`Meter`]) are in no bundle and go
//! over a connection of our own, as does [`Switch::watch`], which tells when flows go and
//! ends in the moment the switch does.

mod connection;
mod flow;
mod message;
mod meter;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use connection::Watched;
pub use flow::{Action, CtState, Field, Flow, ethertype};
pub use meter::{Meter, MeterChange, Unit};
pub use table::{Difference, FlowTable, Layers, Repair};

use crate::{HostError, Place, process};

/// Time a bundle or a comparison may take: a hundred thousand flows need about a second.
const LIMIT: Duration = Duration::from_secs(20);
const TOOL: &str = "ovs-ofctl";

/// The switches of one Open vSwitch.
#[derive(Debug, Clone)]
pub struct Switch {
    place: Place,
    run_dir: PathBuf,
}

impl Switch {
    /// The door; nothing is opened before the first call.
    #[must_use]
    pub fn open(place: Place, run_dir: &Path) -> Self {
        Self { place, run_dir: run_dir.to_owned() }
    }

    fn socket(&self, bridge: &str) -> PathBuf {
        self.run_dir.join(format!("{bridge}.mgmt"))
    }

    fn target(&self, bridge: &str) -> String {
        format!("unix:{}", self.socket(bridge).display())
    }

    /// Applies a difference to a bridge, in one step.
    ///
    /// # Errors
    /// When the switch is not there or refuses; it is then as it was.
    pub async fn apply(&self, bridge: &str, cookie: u64, difference: &Difference) -> Result<(), HostError> {
        if difference.is_empty() {
            return Ok(());
        }
        let target = self.target(bridge);
        let arguments = ["-O", "OpenFlow14", "--bundle", "add-flows", target.as_str(), "-"];
        process::run(&self.place, TOOL, &arguments, difference.bundle(cookie).as_bytes(), LIMIT).await?;
        Ok(())
    }

    /// What to do so that the flows with our cookie are those of the table, by
    /// comparison with what the switch holds. Flows of others stay, and those a flow of
    /// ours learned.
    ///
    /// # Errors
    /// When the switch is not there.
    pub async fn compare(&self, bridge: &str, cookie: u64, wanted: &Layers) -> Result<Repair, HostError> {
        let target = self.target(bridge);
        let arguments = ["-O", "OpenFlow14", "diff-flows", target.as_str(), "/dev/stdin"];
        let text = wanted.text(cookie);
        let output = process::run_any(&self.place, TOOL, &arguments, text.as_bytes(), LIMIT, &[0, 2]).await?;
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(table::repair(&lines, cookie))
    }

    /// Applies what [`Switch::compare`] gave.
    ///
    /// # Errors
    /// When the switch is not there or refuses; it is then as it was.
    pub async fn repair(&self, bridge: &str, repair: &Repair) -> Result<(), HostError> {
        let target = self.target(bridge);
        let arguments = ["-O", "OpenFlow14", "--bundle", "add-flows", target.as_str(), "-"];
        process::run(&self.place, TOOL, &arguments, repair.bundle.as_bytes(), LIMIT).await?;
        Ok(())
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
