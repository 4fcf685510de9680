//! The ranges of the settings as rows: the default network segment ranges.

use std::collections::{BTreeMap, BTreeSet};

use isospin_api_kit::now_seconds;
use isospin_store_kit::{StoreError, Tx, values};
use isospin_types::SegmentRangeId;

use super::tunnel::TUNNELS;
use super::{NetworkType, segments};
use crate::Settings;
use crate::ranges::{self, Range};

/// Where ids are unique: a type and, for VLANs, a physical network ("" else).
type Space = (NetworkType, String);

/// Brings the default ranges in line with the settings; to be called once when a
/// server starts. Networks keep their ids, also those no longer in any range.
///
/// # Errors
/// The store's.
pub async fn sync_ranges(tx: &mut Tx, settings: &Settings) -> Result<(), StoreError> {
    let configured = configured(settings);
    let stored = stored(tx).await?;
    let spaces: BTreeSet<&Space> = configured.keys().chain(stored.keys()).collect();
    for space in spaces {
        let wanted = configured.get(space).cloned().unwrap_or_default();
        let present = stored.get(space).cloned().unwrap_or_default();
        if wanted != present {
            replace(tx, space, &wanted, &present).await?;
            segments::refresh(tx, space.0, &space.1).await?;
        }
    }
    Ok(())
}

fn configured(settings: &Settings) -> BTreeMap<Space, Vec<Range>> {
    let tunnels =
        TUNNELS.iter().map(|tunnel| ((tunnel.network_type, String::new()), (tunnel.ranges)(settings)));
    let vlans = settings.vlan_ranges.iter();
    let vlans = vlans.map(|(name, ranges)| ((NetworkType::Vlan, name.clone()), ranges.as_slice()));
    tunnels
        .chain(vlans)
        .map(|(space, ranges)| {
            let ranges = ranges
                .iter()
                .filter(|range| range.first <= range.last)
                .map(|range| Range { first: range.first.into(), last: range.last.into() })
                .collect();
            (space, ranges::merge(ranges))
        })
        .filter(|(_, ranges)| !ranges.is_empty())
        .collect()
}

async fn stored(tx: &mut Tx) -> Result<BTreeMap<Space, Vec<Range>>, StoreError> {
    let rows = tx
        .rows(
            "SELECT network_type, physical_network, minimum, maximum FROM network_segment_ranges \
             WHERE is_default ORDER BY network_type, physical_network, minimum",
            vec![],
        )
        .await?;
    let mut stored: BTreeMap<Space, Vec<Range>> = BTreeMap::new();
    for row in rows {
        let mut columns = row.columns();
        let space = (columns.parse()?, columns.text()?);
        let range = Range { first: columns.number()?, last: columns.number()? };
        stored.entry(space).or_default().push(range);
    }
    Ok(stored)
}

/// Ranges that stay keep their row, and with it their id.
async fn replace(tx: &mut Tx, space: &Space, wanted: &[Range], present: &[Range]) -> Result<(), StoreError> {
    let (network_type, physical_network) = (space.0.as_str(), space.1.as_str());
    let ends = |range: &Range| {
        let end = |number: u128| i64::try_from(number).unwrap_or(i64::MAX);
        (end(range.first), end(range.last))
    };
    let mut statements = Vec::new();
    for gone in present.iter().filter(|range| !wanted.contains(range)) {
        let (minimum, maximum) = ends(gone);
        statements.push((
            "DELETE FROM network_segment_ranges WHERE is_default AND network_type = $1 \
             AND physical_network = $2 AND minimum = $3 AND maximum = $4",
            values![network_type, physical_network, minimum, maximum],
        ));
    }
    let now = now_seconds();
    for new in wanted.iter().filter(|range| !present.contains(range)) {
        let (minimum, maximum) = ends(new);
        statements.push((
            "INSERT INTO network_segment_ranges (id, name, description, is_default, shared, project_id, \
             network_type, physical_network, minimum, maximum, created_at, updated_at, revision_number) \
             VALUES ($1, '', '', TRUE, TRUE, '', $2, $3, $4, $5, $6, $7, 0)",
            values![SegmentRangeId::random(), network_type, physical_network, minimum, maximum, &now, &now],
        ));
    }
    tx.execute_many_later(statements).await?;
    Ok(())
}
