//! What a range is inside the server.

use std::collections::BTreeMap;

use isospin_types::SegmentRangeId;

use crate::drivers::NetworkType;

/// A range of segmentation ids, both ends included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentIdRange {
    pub id: SegmentRangeId,
    pub name: String,
    pub description: String,
    /// Made of the settings.
    pub is_default: bool,
    /// For everybody.
    pub shared: bool,
    /// Whose it is, when not shared; "" = nobody's own.
    pub project_id: String,
    pub network_type: NetworkType,
    /// "" = the type has none.
    pub physical_network: String,
    pub minimum: u32,
    pub maximum: u32,
    pub created_at: String,
    pub updated_at: String,
    pub revision_number: i64,
}

/// A range with what an answer shows beside its own columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeDetails {
    pub range: SegmentIdRange,
    /// Id and project of each network in it.
    pub used: BTreeMap<u32, String>,
    /// Ids to be had, the lowest [`LISTED`] of them.
    pub available: Vec<u32>,
    pub tags: Vec<String>,
}

/// Free ids an answer names at most. Tunnels have 16 million; all VLANs are fewer.
pub const LISTED: usize = 10_000;
