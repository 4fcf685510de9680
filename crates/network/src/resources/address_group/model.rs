//! What an address group is inside the server.

use std::collections::BTreeSet;

use ipnet::IpNet;
use isospin_types::AddressGroupId;

/// A named list of prefixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressGroup {
    pub id: AddressGroupId,
    pub project_id: String,
    pub name: String,
    pub description: String,
    /// Without host bits.
    pub addresses: BTreeSet<IpNet>,
    pub created_at: String,
    pub updated_at: String,
    pub revision_number: i64,
}
