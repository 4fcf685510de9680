//! Security groups and anti-spoofing of the ports on this host.
//!
//! Facts -> [`policy::Policy`] (pure, typed, free of overlaps) -> what a back end makes of
//! it: tables of nftables (`nftables/`) or flows of a switch (`openflow/`). Each is a
//! folder; what wires ports (`l2/`) chooses. [`evaluator`] says from the facts alone what must happen to a
//! packet; the policy is tested against it, and [`cut`] asks it which running
//! connections have lost the rule that allowed them.
//!
//! Why it is built this way: `docs/adr/0002-firewall-on-nftables.md`.

pub mod cut;
pub mod evaluator;
pub mod nftables;
pub mod openflow;
pub mod policy;
pub mod rule;
#[cfg(test)]
pub(crate) mod testing;
