//! Networks and what is on them, routers, security groups, and what serves them.

use super::{ADMIN, NONE, OWNER, READER, Row, attribute};

const ON_NETWORK: &str = "admin, service, N member";
const ON_NETWORK_OR_SHARED: &str = "admin, service, N member, sh";
const BOUND: &str = "admin, service";
const PORT_OWNER: &str = "admin, member, service";

pub const ROWS: &[Row] = &[
    Row {
        resource: "network",
        create: OWNER,
        get: "admin, reader, service, sh, ext",
        update: OWNER,
        delete: OWNER,
        attributes: &[
            attribute("shared", ADMIN, ADMIN, ""),
            attribute("router:external", ADMIN, ADMIN, ""),
            attribute("is_default", ADMIN, ADMIN, ""),
            attribute("provider:network_type", ADMIN, ADMIN, ADMIN),
            attribute("provider:physical_network", ADMIN, ADMIN, ADMIN),
            attribute("provider:segmentation_id", ADMIN, ADMIN, ADMIN),
            // Shown of networks on several segments only; these are on one.
            attribute("segments", ADMIN, ADMIN, "-"),
        ],
        ..NONE
    },
    Row {
        resource: "subnet",
        create: "admin, N member",
        get: "admin, reader, N reader, service, sh, ext",
        update: "admin, member, N member",
        delete: "admin, member, N member",
        attributes: &[
            // The value asked with is null, which a POST may always carry.
            attribute("segment_id", "", ADMIN, ADMIN),
            attribute("service_types", ADMIN, ADMIN, ""),
        ],
        ..NONE
    },
    Row {
        resource: "port",
        create: ON_NETWORK_OR_SHARED,
        get: "admin, service, reader, N reader",
        update: "admin, service, member",
        delete: "admin, service, member, N member",
        attributes: &[
            attribute("device_id", PORT_OWNER, PORT_OWNER, ""),
            attribute("device_owner.network", ON_NETWORK, ON_NETWORK, ""),
            attribute("mac_address", ON_NETWORK, "admin, service, N manager", ""),
            attribute("fixed_ips", ON_NETWORK_OR_SHARED, ON_NETWORK, ""),
            attribute("fixed_ips.subnet_id", ON_NETWORK_OR_SHARED, ON_NETWORK, ""),
            attribute("fixed_ips.ip_address", ON_NETWORK, ON_NETWORK, ""),
            attribute("port_security_enabled", ON_NETWORK, ON_NETWORK, ""),
            attribute("allowed_address_pairs", ON_NETWORK, ON_NETWORK, ""),
            attribute("binding:host_id", BOUND, BOUND, BOUND),
            attribute("binding:profile", "service", "service", BOUND),
            attribute("binding:vnic_type", PORT_OWNER, PORT_OWNER, ""),
            attribute("binding:vif_type", "-", "-", BOUND),
            attribute("binding:vif_details", "-", "-", BOUND),
            attribute("resource_request", "-", "-", ADMIN),
            attribute("hints", ADMIN, ADMIN, ADMIN),
            attribute("trusted", ADMIN, ADMIN, ADMIN),
            attribute("data_plane_status", "-", ADMIN, ""),
        ],
        ..NONE
    },
    Row {
        resource: "router",
        create: OWNER,
        get: READER,
        update: OWNER,
        delete: OWNER,
        attributes: &[
            attribute("distributed", ADMIN, ADMIN, ADMIN),
            attribute("ha", ADMIN, ADMIN, ADMIN),
            attribute("external_gateway_info.enable_snat", ADMIN, ADMIN, ""),
            attribute("external_gateway_info.external_fixed_ips", ADMIN, ADMIN, ""),
            attribute("enable_default_route_bfd", ADMIN, ADMIN, ""),
            attribute("enable_default_route_ecmp", ADMIN, ADMIN, ""),
        ],
        actions: &[
            ("add_router_interface", OWNER),
            ("remove_router_interface", OWNER),
            ("add_extraroutes", OWNER),
            ("remove_extraroutes", OWNER),
        ],
        ..NONE
    },
    Row {
        resource: "floatingip",
        create: OWNER,
        get: READER,
        update: OWNER,
        delete: OWNER,
        attributes: &[attribute("floating_ip_address", "admin, manager", "-", "")],
        ..NONE
    },
    Row { resource: "floatingip_pool", get: "all", ..NONE },
    Row {
        resource: "security_group",
        create: OWNER,
        get: "admin, reader, sh",
        update: OWNER,
        delete: OWNER,
        ..NONE
    },
    Row {
        resource: "security_group_rule",
        create: "admin, P member",
        get: "admin, P reader",
        delete: "admin, P member",
        ..NONE
    },
    Row {
        resource: "rbac_policy",
        create: OWNER,
        get: READER,
        update: OWNER,
        delete: OWNER,
        attributes: &[attribute("target_tenant.all", ADMIN, ADMIN, "")],
        ..NONE
    },
    Row {
        resource: "quota",
        get: "admin, manager, own project",
        list: "admin, manager",
        update: ADMIN,
        delete: ADMIN,
        ..NONE
    },
    Row {
        resource: "agent",
        get: ADMIN,
        update: ADMIN,
        delete: ADMIN,
        actions: &[
            ("get_dhcp-networks", ADMIN),
            ("create_dhcp-network", ADMIN),
            ("delete_dhcp-network", ADMIN),
            ("get_dhcp-agents", ADMIN),
            ("get_l3-routers", ADMIN),
            ("create_l3-router", ADMIN),
            ("delete_l3-router", ADMIN),
            ("get_l3-agents", ADMIN),
        ],
        ..NONE
    },
    Row { resource: "availability_zone", get: "all", ..NONE },
];
