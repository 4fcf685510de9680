//! Values that cannot be wrong: identifiers, addresses and ranges shared by
//! every other crate. Nothing here is async, knows SQL or HTTP, or can fail
//! after construction.

mod fresh;
mod id;
mod mac;

pub use id::{
    AddressGroupId, AddressScopeId, AgentId, ConntrackHelperId, DefaultSecurityGroupRuleId, FlavorId,
    FloatingIpId, IdError, MeteringLabelId, MeteringLabelRuleId, NetworkId, PortForwardingId, PortId,
    ProjectId, QosPolicyId, QosRuleId, RbacPolicyId, RouterId, RouterInterfaceId, SecurityGroupId,
    SecurityGroupRuleId, SegmentId, SegmentRangeId, ServiceProfileId, SubnetId, SubnetPoolId, TrunkId,
    UserId,
};
pub use mac::{MacAddr, MacError};
