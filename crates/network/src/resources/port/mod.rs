//! Ports: where something is plugged into a network, with its MAC, addresses,
//! security groups and the host it is on.
//!
//! The single table of what a port is on the wire is [`TYPE`]. Routers, floating
//! IPs and DHCP make and change their ports through [`store`].

mod bindings;
mod changes;
mod filters;
mod forms;
mod handlers;
mod input;
pub mod model;
pub mod policy;
mod qos;
mod removal;
pub mod rules;
pub mod store;
#[cfg(test)]
mod tests;
mod view;

use isospin_api_kit::attribute::{Absent, Attribute, Check, Filter, Form, ResourceType, STANDARD, Show};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use crate::resources::network;
use crate::resources::registration::Resource;
use crate::resources::tag;
use crate::routes::Routes;
pub use removal::remove;
use rules::checks;

use policy::POLICY;

/// A port on the wire.
pub const TYPE: ResourceType = ResourceType {
    name: "port",
    collection: "ports",
    attributes: &[CORE, BINDING, CARD, SECURITY, QOS, OTHER, STANDARD],
};

/// Where the rows are.
pub const TABLE: Table = Table { name: "ports", id: "id", tags: "tags" };

const CORE: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).column("id"),
    Attribute::settable("name", Check::Text(255), Absent::EMPTY_TEXT).column("name"),
    Attribute::fixed("network_id", Check::Uuid, Absent::Required).column("network_id"),
    Attribute::fixed("project_id", Check::Text(255), Absent::Unset).column("project_id"),
    Attribute::settable("mac_address", Check::Mac, Absent::Unset)
        .or_null()
        .column("mac_address")
        .alias("port-mac-address-regenerate"),
    Attribute::settable("admin_state_up", Check::Bool, Absent::TRUE).column("admin_state_up"),
    Attribute::read_only("status", Check::Text(16)).column("status"),
    Attribute::settable("device_id", Check::Text(255), Absent::EMPTY_TEXT).column("device_id"),
    Attribute::settable("device_owner", Check::Text(255), Absent::EMPTY_TEXT).column("device_owner"),
    Attribute::settable("fixed_ips", Check::Own(checks::fixed_ips), Absent::Unset)
        .form(forms::FIXED_IPS)
        .filter(Filter::Own),
    Attribute::read_only("ip_allocation", Check::Text(16)).column("ip_allocation").alias("ip_allocation"),
];

const BINDING: &[Attribute] = &[
    Attribute::settable("binding:vnic_type", Check::OneOf(checks::VNIC_TYPES), Absent::Is(checks::normal))
        .alias("binding"),
    Attribute::settable("binding:profile", Check::Own(checks::profile), Absent::EMPTY_OBJECT)
        .form(forms::ANY)
        .show(Show::Ruled)
        .alias("binding"),
    Attribute::settable("binding:host_id", Check::Own(checks::host), Absent::EMPTY_TEXT)
        .form(Form::Text)
        .show(Show::Ruled)
        .filter(Filter::Column("binding_host"))
        .alias("binding"),
    Attribute::read_only("binding:vif_type", Check::Text(64)).show(Show::Ruled).alias("binding"),
    Attribute::read_only("binding:vif_details", Check::Object)
        .form(forms::ANY)
        .show(Show::Ruled)
        .alias("binding"),
];

const CARD: &[Attribute] = &[
    Attribute::fixed("device_profile", Check::Text(255), Absent::NULL).or_null().alias("port-device-profile"),
    Attribute::fixed("hardware_offload_type", Check::OneOf(checks::OFFLOAD_TYPES), Absent::NULL)
        .or_null()
        .alias("port-hardware-offload-type"),
    Attribute::settable("numa_affinity_policy", Check::OneOf(checks::NUMA_POLICIES), Absent::NULL)
        .or_null()
        .alias("port-numa-affinity-policy"),
    Attribute::settable("trusted", Check::Bool, Absent::NULL)
        .or_null()
        .show(Show::Ruled)
        .alias("port-trusted-vif"),
    // Their aliases are not offered: no driver here acts on them.
    Attribute::settable("hints", Check::Own(checks::hints), Absent::NULL)
        .form(forms::HINTS)
        .or_null()
        .show(Show::Ruled),
    Attribute::settable("propagate_uplink_status", Check::Bool, Absent::TRUE),
];

const SECURITY: &[Attribute] = &[
    Attribute::settable("security_groups", Check::UuidList, Absent::Unset)
        .filter(Filter::Own)
        .alias("security-group"),
    Attribute::settable("port_security_enabled", Check::Bool, Absent::Unset).alias("port-security"),
    Attribute::settable("allowed_address_pairs", Check::Own(checks::address_pairs), Absent::EMPTY_LIST)
        .form(forms::ADDRESS_PAIRS)
        .alias("allowed-address-pairs"),
];

const QOS: &[Attribute] = &[
    Attribute::settable("qos_policy_id", Check::Uuid, Absent::NULL).or_null().alias("qos"),
    Attribute::read_only("qos_network_policy_id", Check::Uuid).alias("qos-port-network-policy"),
    // Shown, but of no extension that is listed: no driver sets aside what is asked for.
    Attribute::read_only("resource_request", Check::Object)
        .form(forms::RESOURCE_REQUEST)
        .show(Show::Ruled)
        .alias("port-resource-request"),
    Attribute::read_only("trunk_details", Check::Object).form(forms::TRUNK_DETAILS).alias("trunk-details"),
];

const OTHER: &[Attribute] = &[
    Attribute::settable("extra_dhcp_opts", Check::Own(checks::dhcp_options), Absent::EMPTY_LIST)
        .form(forms::DHCP_OPTIONS)
        .alias("extra_dhcp_opt"),
    Attribute::settable("dns_name", Check::Own(checks::dns_name), Absent::EMPTY_TEXT)
        .form(Form::Text)
        .alias("dns-integration"),
    Attribute::read_only("dns_assignment", Check::Object)
        .form(forms::DNS_ASSIGNMENT)
        .alias("dns-integration"),
    data_plane_status(),
    Attribute::settable("dns_domain", Check::Own(network::rules::dns_domain), Absent::EMPTY_TEXT)
        .form(Form::Text)
        .alias("dns-domain-ports"),
    Attribute::fixed("tags", Check::TextList { each: 255 }, Absent::EMPTY_LIST)
        .alias("tag-ports-during-bulk-creation"),
];

/// Said by others than who makes the port.
const fn data_plane_status() -> Attribute {
    let check = Check::OneOf(&["ACTIVE", "DOWN"]);
    let mut attribute = Attribute::settable("data_plane_status", check, Absent::Unset).or_null();
    attribute.post = false;
    attribute.alias("data-plane-status")
}

/// What works.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "binding",
        name: "Port Binding",
        description: "Expose port bindings of a virtual port to external application",
        updated: "2014-02-03T10:00:00-00:00",
    },
    Extension {
        alias: "binding-extended",
        name: "Port Bindings Extended",
        description: "Expose port bindings of a virtual port to external application",
        updated: "2017-07-17T10:00:00-00:00",
    },
    Extension {
        alias: "data-plane-status",
        name: "Port data plane status extension",
        description: "Expose status of underlying data plane",
        updated: "2017-01-24T10:00:00-00:00",
    },
    Extension {
        alias: "port-device-profile",
        name: "Port device profile",
        description: "Expose the port device profile (Cyborg)",
        updated: "2020-12-17T10:00:00-00:00",
    },
    Extension {
        alias: "port-hardware-offload-type",
        name: "Port hardware offload",
        description: "Expose port hardware offload extension",
        updated: "2023-05-09T10:00:00-00:00",
    },
    Extension {
        alias: "port-numa-affinity-policy",
        name: "Port NUMA affinity policy",
        description: "Expose the port NUMA affinity policy",
        updated: "2020-07-08T10:00:00-00:00",
    },
    Extension {
        alias: "port-numa-affinity-policy-socket",
        name: "Port NUMA affinity policy \"socket\"",
        description: "Adds \"socket\" to the supported port NUMA affinity policies",
        updated: "2024-02-09T10:00:00-00:00",
    },
    Extension {
        alias: "port-trusted-vif",
        name: "Port trusted vif",
        description: "Expose port 'trusted' attribute in the API",
        updated: "2024-07-10T10:00:00-00:00",
    },
    Extension {
        alias: "port-security",
        name: "Port Security",
        description: "Provides port security",
        updated: "2012-07-23T10:00:00-00:00",
    },
    Extension {
        alias: "allowed-address-pairs",
        name: "Allowed Address Pairs",
        description: "Provides allowed address pairs",
        updated: "2013-07-23T10:00:00-00:00",
    },
    Extension {
        alias: "aap-reject-multicast",
        name: "Allowed address pairs reject multicast extension",
        description: "Reject multicast addresses in Allowed Address Pairs",
        updated: "2026-04-01T00:00:00-00:00",
    },
    Extension {
        alias: "extra_dhcp_opt",
        name: "Neutron Extra DHCP options",
        description: "Extra options configuration for DHCP. For example PXE boot options to DHCP clients can \
                      be specified (e.g. tftp-server, server-ip-address, bootfile-name)",
        updated: "2013-03-17T12:00:00-00:00",
    },
    Extension {
        alias: "dns-domain-ports",
        name: "dns_domain for ports",
        description: "Allows the DNS domain to be specified for a network port.",
        updated: "2017-04-24T10:00:00-00:00",
    },
    Extension {
        alias: "ip_allocation",
        name: "IP Allocation",
        description: "IP allocation extension.",
        updated: "2016-06-10T23:00:00-00:00",
    },
    Extension {
        alias: "ip-substring-filtering",
        name: "IP address substring filtering",
        description: "Provides IP address substring filtering when listing ports",
        updated: "2017-11-28T09:00:00-00:00",
    },
    Extension {
        alias: "port-security-groups-filtering",
        name: "Port filtering on security groups",
        description: "Provides security groups filtering when listing ports",
        updated: "2018-01-09T09:00:00-00:00",
    },
    Extension {
        alias: "port-mac-address-regenerate",
        name: "Neutron Port MAC address regenerate",
        description: "Network port MAC address regenerate",
        updated: "2018-05-03T10:00:00-00:00",
    },
    Extension {
        alias: "port-resource-request",
        name: "Port Resource Request",
        description: "Expose resource request to Port",
        updated: "2018-05-08T10:00:00-00:00",
    },
    Extension {
        alias: "port-resource-request-groups",
        name: "Port Resource Request Groups",
        description: "Support requesting multiple groups of resources and traits from the same RP subtree in resource_request",
        updated: "2021-08-02T10:00:00-00:00",
    },
    Extension {
        alias: "tag-ports-during-bulk-creation",
        name: "Tag Ports During Bulk Creation",
        description: "Allow to tag ports during bulk creation",
        updated: "2019-12-29T19:00:00-00:00",
    },
];

/// What this folder brings to the API.
pub const RESOURCE: Resource =
    Resource::new(POLICY, routes).extensions(EXTENSIONS).tagged(&TAGGED).counted("port", 500);

/// How its objects carry tags.
const TAGGED: tag::Kind = tag::kind!(
    "ports",
    "port",
    "ports",
    "SELECT ports.project_id, networks.project_id, ports.device_owner, networks.id FROM ports \
     JOIN networks ON networks.id = ports.network_id WHERE ports.id = $1"
);

/// Routes of ports.
fn routes() -> Routes {
    let ports = Routes::of(TYPE, "/v2.0/ports")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete);
    bindings::routes().merge(ports)
}
