//! What is counted at the gateways of routers.

use std::collections::BTreeMap;

use isospin_feed::proto::{MeteringLabel, MeteringRule};
use isospin_store_kit::{Columns, Row, StoreError};

use super::each;

/// What [`labels`] reads, in the order of routers and labels.
pub(super) const COLUMNS: &str = "r.id, l.id, m.direction, m.excluded, m.remote_ip_prefix, m.source_ip_prefix, \
     m.destination_ip_prefix, m.id";

/// Routers `r` with the labels they count under, and the rules of these.
pub(super) const COUNTED: &str = "routers r JOIN metering_labels l ON l.project_id = r.project_id OR l.shared = TRUE \
     LEFT JOIN metering_label_rules m ON m.metering_label_id = l.id";

/// Labels by router.
pub(super) fn labels(rows: Vec<Row>) -> BTreeMap<String, Vec<MeteringLabel>> {
    let mut by_router: BTreeMap<String, Vec<MeteringLabel>> = BTreeMap::new();
    for (router_id, id, rule) in each("metering label", rows, read) {
        let labels = by_router.entry(router_id).or_default();
        if labels.last().is_none_or(|label| label.id != id) {
            labels.push(MeteringLabel { id, rules: Vec::new() });
        }
        if let Some(label) = labels.last_mut() {
            label.rules.extend(rule);
        }
    }
    by_router
}

fn read(columns: &mut Columns) -> Result<(String, String, Option<MeteringRule>), StoreError> {
    let (router_id, id) = (columns.text()?, columns.text()?);
    // A label without rules counts nothing, yet its count is there to be read.
    let Some(direction) = columns.opt_text()? else { return Ok((router_id, id, None)) };
    let ingress = direction == "ingress";
    let excluded = columns.flag()?;
    let mut prefix = || Ok::<_, StoreError>(columns.opt_text()?.unwrap_or_default());
    let (remote, source, destination) = (prefix()?, prefix()?, prefix()?);
    // `remote_ip_prefix` is of the inner network in both directions, as everywhere.
    let (source_prefix, destination_prefix) = match (remote.is_empty(), ingress) {
        (true, _) => (source, destination),
        (false, true) => (String::new(), remote),
        (false, false) => (remote, String::new()),
    };
    let is_v6 = |prefix: &str| prefix.contains(':');
    if !source_prefix.is_empty()
        && !destination_prefix.is_empty()
        && is_v6(&source_prefix) != is_v6(&destination_prefix)
    {
        // No packet is of both; stored before the API refused it.
        return Ok((router_id, id, None));
    }
    Ok((router_id, id, Some(MeteringRule { ingress, excluded, source_prefix, destination_prefix })))
}
