//! Error kinds of the Network API: type and status, in one table.

use std::fmt;

use isospin_store_kit::StoreError;

mod next_call;

pub use next_call::NextCall;

macro_rules! fault_types {
    ($($name:ident => $status:literal),* $(,)?) => {
        /// The kinds of refusal clients tell apart by name (reference/network-api-core §1.3, §30).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum FaultType { $($name),* }

        impl FaultType {
            /// Every kind, for the test that prints the table.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The text of `NeutronError.type`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// The HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }
        }
    };
}

fault_types! {
    // 400: the request cannot be meant this way.
    HTTPBadRequest => 400, BadRequest => 400, InvalidInput => 400, InvalidIpForNetwork => 400,
    InvalidIpForSubnet => 400, InvalidAllocationPool => 400, OutOfBoundsAllocationPool => 400,
    NetworkSubnetPoolAffinityError => 400, DNSNameServersExhausted => 400, HostRoutesExhausted => 400,
    ExternalIpAddressExhausted => 400, AllowedAddressPairExhausted => 400,
    DuplicateAddressPairInRequest => 400, AllowedAddressPairsMissingIP => 400,
    AllocationOnAutoAddressSubnet => 400, PortSecurityAndIPRequiredForSecurityGroups => 400,
    SubnetMismatchForPort => 400, InvalidRoutes => 400, RoutesExhausted => 400,
    SecurityGroupInvalidPortRange => 400, SecurityGroupInvalidPortValue => 400,
    SecurityGroupInvalidIcmpValue => 400, SecurityGroupMissingIcmpType => 400,
    SecurityGroupProtocolRequiredWithPorts => 400, SecurityGroupInvalidProtocolForPort => 400,
    SecurityGroupRuleInvalidProtocol => 400, SecurityGroupMultipleRemoteEntites => 400,
    SecurityGroupRuleParameterConflict => 400, SecurityGroupEthertypeConflictWithProtocol => 400,
    SecurityGroupNotSingleGroupRules => 400, SecurityGroupRulesNotSingleProject => 400, InvalidCIDR => 400,
    TenantIdProjectIdFilterConflict => 400, QuotaMissingTenant => 400, InvalidQuotaValue => 400,
    SegmentsSetInConjunctionWithProviders => 400, InvalidSubnetServiceType => 400, MalformedRequestBody => 400,
    UnsupportedPortDeviceOwner => 400, FixedIPsSubnetsNotOnSameSegment => 400, AddressesAlreadyExist => 400,
    EmptySubnetPoolPrefixList => 400, PrefixVersionMismatch => 400, IllegalSubnetPoolPrefixBounds => 400,
    IllegalSubnetPoolPrefixUpdate => 400, IllegalSubnetPoolUpdate => 400, SubnetPoolDeleteError => 400,
    IllegalSubnetPoolIpVersionAssociationToAddressScope => 400, MinPrefixSubnetAllocationError => 400,
    MaxPrefixSubnetAllocationError => 400, NetworkAddressScopeAffinityError => 400,
    AddressScopeUpdateError => 400,
    ConntrackHelperNotAllowed => 400, InvalidProtocolForHelper => 400, ServiceProfileEmpty => 400,
    SegmentsContainDuplicateEntry => 400, VlanTransparencyDriverError => 400, QinqDriverError => 400,
    NetworkIdsDontMatch => 400, SubnetsNotAllAssociatedWithSegments => 400,
    NoUpdateSubnetWhenMultipleSegmentsOnNetwork => 400, SubnetSegmentAssociationChangeNotAllowed => 400,
    NetworkSegmentRangeNetTypeNotSupported => 400, NetworkSegmentRangeDefaultReadOnly => 400,
    NetworkVlanRangeError => 400, NetworkTunnelRangeError => 400,
    // 403: visible, but not allowed.
    PolicyNotAuthorized => 403, HTTPForbidden => 403, AdminRequired => 403, NotAuthorized => 403,
    PolicyRemoveAuthorizationError => 403,
    // 404: unknown, or hidden from the caller.
    HTTPNotFound => 404, NetworkNotFound => 404, SubnetNotFound => 404, PortNotFound => 404,
    RouterNotFound => 404, FloatingIPNotFound => 404, SecurityGroupNotFound => 404,
    SecurityGroupRuleNotFound => 404, SubnetPoolNotFound => 404, AddressScopeNotFound => 404,
    AgentNotFound => 404, ExtensionsNotFound => 404, TagNotFound => 404, TagResourceNotFound => 404,
    ExternalGatewayForFloatingIPNotFound => 404, RouterInterfaceNotFound => 404,
    RouterInterfaceNotFoundForSubnet => 404, PortNotFoundOnNetwork => 404, PortBindingNotFound => 404,
    TenantQuotaNotFound => 404, InvalidDHCPAgent => 404, InvalidL3Agent => 404, RbacPolicyNotFound => 404,
    AddressGroupNotFound => 404, AddressesNotFound => 404, DefaultSecurityGroupRuleNotFound => 404,
    SecurityGroupDefaultStatefulnessNotFound => 404, AvailabilityZoneNotFound => 404,
    PortForwardingNotFound => 404, ConntrackHelperNotFound => 404, FlavorNotFound => 404,
    ServiceProfileNotFound => 404, ServiceProfileDriverNotFound => 404,
    FlavorServiceProfileBindingNotFound => 404, MeteringLabelNotFound => 404, MeteringLabelRuleNotFound => 404,
    QosPolicyNotFound => 404, QosRuleNotFound => 404, TrunkNotFound => 404, SubPortNotFound => 404,
    SegmentNotFound => 404, NetworkSegmentRangeNotFound => 404,
    // 405
    HTTPMethodNotAllowed => 405,
    // 409: conflict with what exists.
    Conflict => 409, OverQuota => 409, IpAddressInUse => 409, IpAddressAlreadyAllocated => 409,
    IpAddressGenerationFailure => 409, MacAddressInUse => 409, NetworkInUse => 409, SubnetInUse => 409,
    PortInUse => 409, PortBound => 409, ServicePortInUse => 409, RouterInUse => 409,
    RouterInterfaceInUseByFloatingIP => 409, RouterInterfaceInUseByRoute => 409,
    RouterInterfaceAttachmentConflict => 409, RouterExternalGatewayInUseByFloatingIp => 409,
    FloatingIPPortAlreadyAssociated => 409, FipAssociated => 409, FipInUseByPortForwarding => 409,
    PortHasBindingFloatingIP => 409, FlavorInUse => 409, ServiceProfileInUse => 409,
    FlavorServiceProfileBindingExists => 409, MeteringLabelRuleOverlaps => 409, SecurityGroupInUse => 409,
    SecurityGroupRuleExists => 409, DuplicateSecurityGroupRuleInPost => 409,
    SecurityGroupDefaultAlreadyExists => 409, SecurityGroupCannotRemoveDefault => 409,
    SecurityGroupCannotUpdateDefault => 409, SecurityGroupConflict => 409, InvalidSharedSetting => 409, ExternalNetworkInUse => 409,
    DefaultExternalNetworkExists => 409, NetworkMTUSubnetConflict => 409, GatewayIpInUse => 409,
    GatewayConflictWithAllocationPools => 409, OverlappingAllocationPools => 409, IpamValueInvalid => 409,
    VlanIdInUse => 409, TunnelIdInUse => 409, FlatNetworkInUse => 409, AddressPairAndPortSecurityRequired => 409,
    PortSecurityPortHasSecurityGroup => 409, DeviceIDNotOwnedByTenant => 409, AgentInUse => 409,
    NetworkHostedByDHCPAgent => 409, NetworkNotHostedByDhcpAgent => 409, RouterHostedByL3Agent => 409,
    RouterNotHostedByL3Agent => 409, RouterSchedulingFailed => 409,
    DuplicateRbacPolicy => 409, RbacPolicyInUse => 409, AddressGroupInUse => 409,
    DefaultSecurityGroupRuleExists => 409, DuplicateDefaultSgRuleInPost => 409,
    AddressScopeInUse => 409, AddressScopePrefixConflict => 409, SubnetPoolQuotaExceeded => 409,
    SubnetAllocationError => 409, AutoAllocationFailure => 409,
    SecurityGroupDefaultStatefulnessAlreadyExists => 409,
    QosPolicyInUse => 409, QoSPolicyDefaultAlreadyExists => 409, QoSRulesConflict => 409,
    QoSRuleParameterConflict => 409, QosRuleNotSupported => 409, ParentPortInUse => 409,
    TrunkPortInUse => 409, DuplicateSubPort => 409, PortInUseAsSubPort => 409,
    PortInUseAsTrunkParent => 409, TrunkInUse => 409, TrunkDisabled => 409, TrunkInErrorState => 409,
    SubPortMtuGreaterThanTrunkPortMtu => 409,
    SegmentInUse => 409,
    NetworkSegmentRangeOverlaps => 409, NetworkSegmentRangeReferencedByProject => 409,
    HostConnectedToMultipleSegments => 409, HostNotConnectedToAnySegment => 409,
    HostNotCompatibleWithFixedIps => 409, PortBindingAlreadyExists => 409, PortBindingAlreadyActive => 409,
    // 412
    RevisionNumberConstraintFailed => 412,
    // 413, 414
    HTTPRequestEntityTooLarge => 413, HTTPRequestURITooLong => 414,
    // 5xx: ours, not the caller's.
    HTTPInternalServerError => 500, HTTPNotImplemented => 501, ServiceUnavailable => 503,
    FlavorDisabled => 503, ServiceProfileDisabled => 503, NoNetworkAvailable => 503, NetworkMacAddressGenerationFailure => 503,
    PortBindingError => 500,
}

/// A refusal, ready to be told to a client.
///
/// `message` is for the caller: one plain sentence that names the field, the value
/// and the rule. `detail` says what to call next where one call would help.
#[derive(Debug)]
pub struct Fault {
    pub kind: FaultType,
    pub message: String,
    pub detail: String,
    /// What happened inside, for the operator's log; never sent.
    pub cause: Option<Box<StoreError>>,
}

impl Fault {
    /// Objects a refusal names at most.
    pub const NAMED: usize = 10;

    /// A refusal of the given kind, with the calls that help against it.
    pub fn new(kind: FaultType, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), detail: next_call::told(kind), cause: None }
    }

    /// The same with a hint of its own, before those of its kind.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        let kind = std::mem::replace(&mut self.detail, detail.into());
        if !kind.is_empty() {
            self.detail.push(' ');
            self.detail.push_str(&kind);
        }
        self
    }

    /// The same, naming in the message what stands in the way: objects of a kind.
    #[must_use]
    pub fn blocked_by<I: fmt::Display>(self, kind: &str, ids: impl IntoIterator<Item = I>) -> Self {
        self.blocked(ids.into_iter().map(|id| format!("{kind} {id}")))
    }

    /// As [`Fault::blocked_by`], for objects of several kinds, each with its kind.
    #[must_use]
    pub fn blocked(mut self, objects: impl IntoIterator<Item = String>) -> Self {
        let named: Vec<String> = objects.into_iter().take(Self::NAMED).collect();
        if !named.is_empty() {
            self.message.push_str(" Blocked by ");
            self.message.push_str(&named.join(", "));
            self.message.push('.');
        }
        self
    }

    /// 400 `HTTPBadRequest`.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(FaultType::HTTPBadRequest, message)
    }

    /// 400 `HTTPBadRequest` for one attribute: field, value and rule are in `reason`.
    pub fn invalid_attribute(name: &str, reason: impl fmt::Display) -> Self {
        Self::bad_request(format!("Invalid input for {name}. Reason: {reason}."))
    }

    /// 400 `InvalidInput`.
    pub fn invalid_input(reason: impl fmt::Display) -> Self {
        Self::new(FaultType::InvalidInput, format!("Invalid input for operation: {reason}."))
    }

    /// 404 for an URL or a collection that is not there.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(FaultType::HTTPNotFound, "The resource could not be found.")
    }

    /// 403: the named rule refuses.
    pub fn policy(rule: impl fmt::Display) -> Self {
        Self::new(FaultType::PolicyNotAuthorized, format!("{rule} is disallowed by policy"))
    }

    /// 412: another revision is stored than the caller wants to change.
    #[must_use]
    pub fn revision(expected: i64, current: i64) -> Self {
        Self::new(
            FaultType::RevisionNumberConstraintFailed,
            format!("Constrained to {expected}, but current revision is {current}"),
        )
    }

    /// 409: limits of the named quota keys are reached.
    pub fn over_quota(resources: &[&str]) -> Self {
        let names: Vec<String> = resources.iter().map(|name| format!("'{name}'")).collect();
        Self::new(FaultType::OverQuota, format!("Quota exceeded for resources: [{}].", names.join(", ")))
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.kind.status()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}

impl std::error::Error for Fault {}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let (kind, message) = if error.is_unavailable() {
            (
                FaultType::ServiceUnavailable,
                "The service is currently unable to handle the request. Try again.",
            )
        } else {
            (
                FaultType::HTTPInternalServerError,
                "Request Failed: internal server error while processing your request.",
            )
        };
        Self { kind, message: message.to_owned(), detail: String::new(), cause: Some(Box::new(error)) }
    }
}
