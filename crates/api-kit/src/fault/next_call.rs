//! What a refused client can call next: told in `detail`, one table for all kinds.
//!
//! A kind is here when calls anybody could name would help. The message says which
//! objects they are about.

use std::fmt;

use super::FaultType::{self, *};

/// A call that helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextCall {
    /// What it is for, as the beginning of a sentence.
    pub to: &'static str,
    /// Verb and URL, as in the route table.
    pub request: &'static str,
    /// The same as a command of the `openstack` client.
    pub command: &'static str,
}

const fn call(to: &'static str, request: &'static str, command: &'static str) -> NextCall {
    NextCall { to, request, command }
}

impl fmt::Display for NextCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, `openstack {}`.", self.to, self.request, self.command)
    }
}

const DELETE_PORT: NextCall = call("Delete a port", "DELETE /v2.0/ports/{id}", "port delete PORT");
const REMOVE_INTERFACE: NextCall = call(
    "Remove a router's interface",
    "PUT /v2.0/routers/{id}/remove_router_interface",
    "router remove port ROUTER PORT",
);
const CLEAR_GATEWAY: NextCall =
    call("Clear a router's gateway", "PUT /v2.0/routers/{id}", "router unset --external-gateway ROUTER");
const DELETE_FLOATING_IP: NextCall =
    call("Delete a floating IP", "DELETE /v2.0/floatingips/{id}", "floating ip delete FLOATING_IP");
const PART_FLOATING_IP: NextCall = call(
    "Part a floating IP from its port",
    "PUT /v2.0/floatingips/{id}",
    "floating ip unset --port FLOATING_IP",
);
const DELETE_FORWARDING: NextCall = call(
    "Delete a port forwarding",
    "DELETE /v2.0/floatingips/{floatingip_id}/port_forwardings/{id}",
    "floating ip port forwarding delete FLOATING_IP FORWARDING",
);
const DELETE_SUBNET: NextCall = call("Delete a subnet", "DELETE /v2.0/subnets/{id}", "subnet delete SUBNET");
const DELETE_TRUNK: NextCall =
    call("Delete the trunk", "DELETE /v2.0/trunks/{id}", "network trunk delete TRUNK");
const LEAVE_TRUNK: NextCall = call(
    "Take the port out of the trunk",
    "PUT /v2.0/trunks/{id}/remove_subports",
    "network trunk unset --subport PORT TRUNK",
);
const RELEASE_PORT: NextCall =
    call("Free the port of its device", "PUT /v2.0/ports/{id}", "port unset --device --device-owner PORT");
const LIMITS: NextCall = call(
    "See what is used of which limit",
    "GET /v2.0/quotas/{id}/details",
    "quota show --network --usage PROJECT",
);
const RAISE_LIMIT: NextCall = call(
    "An administrator can raise a limit",
    "PUT /v2.0/quotas/{id}",
    "quota set --RESOURCE NUMBER PROJECT",
);

/// Which calls help against which refusal.
const TABLE: &[(FaultType, &[NextCall])] = &[
    (NetworkInUse, &[DELETE_PORT, REMOVE_INTERFACE, CLEAR_GATEWAY]),
    (SubnetInUse, &[DELETE_PORT, REMOVE_INTERFACE]),
    (ServicePortInUse, &[REMOVE_INTERFACE, CLEAR_GATEWAY, DELETE_FLOATING_IP]),
    (PortInUse, &[RELEASE_PORT]),
    (PortBound, &[call("Take the port from its host", "PUT /v2.0/ports/{id}", "port unset --host PORT")]),
    (RouterInUse, &[REMOVE_INTERFACE]),
    (RouterInterfaceInUseByFloatingIP, &[PART_FLOATING_IP]),
    (
        RouterInterfaceInUseByRoute,
        &[call(
            "Remove a route",
            "PUT /v2.0/routers/{id}/remove_extraroutes",
            "router remove route --route destination=PREFIX,gateway=ADDRESS ROUTER",
        )],
    ),
    (RouterExternalGatewayInUseByFloatingIp, &[PART_FLOATING_IP]),
    (ExternalNetworkInUse, &[CLEAR_GATEWAY]),
    (
        ExternalGatewayForFloatingIPNotFound,
        &[
            call(
                "Give the router of the subnet a gateway",
                "PUT /v2.0/routers/{id}",
                "router set --external-gateway NETWORK ROUTER",
            ),
            call(
                "Give the subnet a router",
                "PUT /v2.0/routers/{id}/add_router_interface",
                "router add subnet ROUTER SUBNET",
            ),
        ],
    ),
    (FloatingIPPortAlreadyAssociated, &[PART_FLOATING_IP]),
    (FipAssociated, &[PART_FLOATING_IP]),
    (PortHasBindingFloatingIP, &[PART_FLOATING_IP]),
    (FipInUseByPortForwarding, &[DELETE_FORWARDING]),
    (
        InvalidSharedSetting,
        &[
            DELETE_PORT,
            call(
                "See who the network is open to",
                "GET /v2.0/rbac-policies",
                "network rbac list --type network",
            ),
        ],
    ),
    (
        SecurityGroupInUse,
        &[call(
            "Take a port out of the group",
            "PUT /v2.0/ports/{id}",
            "port unset --security-group GROUP PORT",
        )],
    ),
    (
        SecurityGroupDefaultAlreadyExists,
        &[call("See the default group", "GET /v2.0/security-groups", "security group show default")],
    ),
    (
        AddressGroupInUse,
        &[call("Delete a rule", "DELETE /v2.0/security-group-rules/{id}", "security group rule delete RULE")],
    ),
    (
        AddressScopeInUse,
        &[
            call(
                "Take a subnet pool out of the scope",
                "PUT /v2.0/subnetpools/{id}",
                "subnet pool set --no-address-scope POOL",
            ),
            call("Delete a subnet pool", "DELETE /v2.0/subnetpools/{id}", "subnet pool delete POOL"),
        ],
    ),
    (SubnetPoolDeleteError, &[DELETE_SUBNET]),
    (OverQuota, &[LIMITS, RAISE_LIMIT]),
    (
        SubnetPoolQuotaExceeded,
        &[call(
            "The pool's owner can raise its limit",
            "PUT /v2.0/subnetpools/{id}",
            "subnet pool set --default-quota NUMBER POOL",
        )],
    ),
    (
        FlavorInUse,
        &[
            call("Delete a router", "DELETE /v2.0/routers/{id}", "router delete ROUTER"),
            call(
                "Close the flavor to new routers",
                "PUT /v2.0/flavors/{id}",
                "network flavor set --disable FLAVOR",
            ),
        ],
    ),
    (
        ServiceProfileInUse,
        &[call(
            "Take the profile from a flavor",
            "DELETE /v2.0/flavors/{flavor_id}/service_profiles/{id}",
            "network flavor remove profile FLAVOR PROFILE",
        )],
    ),
    (SegmentInUse, &[DELETE_SUBNET, DELETE_PORT]),
    (
        NetworkSegmentRangeReferencedByProject,
        &[call("Delete a network", "DELETE /v2.0/networks/{id}", "network delete NETWORK")],
    ),
    (
        QosPolicyInUse,
        &[
            call("Take the policy from a port", "PUT /v2.0/ports/{id}", "port unset --qos-policy PORT"),
            call("or from a network", "PUT /v2.0/networks/{id}", "network set --no-qos-policy NETWORK"),
        ],
    ),
    (
        QoSPolicyDefaultAlreadyExists,
        &[call(
            "Let the other be the default no more",
            "PUT /v2.0/qos/policies/{id}",
            "network qos policy set --no-default POLICY",
        )],
    ),
    (PortInUseAsTrunkParent, &[DELETE_TRUNK]),
    (PortInUseAsSubPort, &[LEAVE_TRUNK]),
    (TrunkPortInUse, &[LEAVE_TRUNK]),
    (ParentPortInUse, &[RELEASE_PORT, DELETE_TRUNK]),
    (TrunkInUse, &[RELEASE_PORT]),
    (TrunkDisabled, &[call("Enable the trunk", "PUT /v2.0/trunks/{id}", "network trunk set --enable TRUNK")]),
    (
        RouterHostedByL3Agent,
        &[call(
            "Take the router from its agent",
            "DELETE /v2.0/agents/{agent_id}/l3-routers/{router_id}",
            "network agent remove router --l3 AGENT ROUTER",
        )],
    ),
    (
        AddressPairAndPortSecurityRequired,
        &[call("Turn port security on", "PUT /v2.0/ports/{id}", "port set --enable-port-security PORT")],
    ),
    (
        PortSecurityPortHasSecurityGroup,
        &[call("Take the groups away", "PUT /v2.0/ports/{id}", "port set --no-security-group PORT")],
    ),
];

impl FaultType {
    /// The calls that help against a refusal of this kind; none where it depends.
    #[must_use]
    pub fn next_calls(self) -> &'static [NextCall] {
        TABLE.iter().find(|(kind, _)| *kind == self).map_or(&[], |(_, calls)| calls)
    }
}

/// The same as one text.
pub(super) fn told(kind: FaultType) -> String {
    kind.next_calls().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
