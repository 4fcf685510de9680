//! What an address scope is inside the server.

use isospin_types::AddressScopeId;

/// A space of addresses of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressScope {
    pub id: AddressScopeId,
    pub project_id: String,
    pub name: String,
    /// 4 or 6.
    pub ip_version: u8,
    /// Whether every project may put pools into it.
    pub shared: bool,
}
