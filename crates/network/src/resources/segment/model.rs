//! What a segment is inside the server.

use isospin_types::{NetworkId, SegmentId};

use crate::drivers::Segment;

/// A place a network is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSegment {
    pub id: SegmentId,
    pub network_id: NetworkId,
    /// Order within the network.
    pub position: i64,
    /// "" = none.
    pub name: String,
    pub description: String,
    pub place: Segment,
    pub created_at: String,
    pub updated_at: String,
    pub revision_number: i64,
}

impl NetworkSegment {
    /// A segment nobody has named.
    #[must_use]
    pub fn new(network_id: NetworkId, position: i64, place: Segment, now: &str) -> Self {
        Self {
            id: SegmentId::random(),
            network_id,
            position,
            name: String::new(),
            description: String::new(),
            place,
            created_at: now.to_owned(),
            updated_at: now.to_owned(),
            revision_number: 0,
        }
    }
}
