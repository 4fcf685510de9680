//! The extension list through the API, and its agreement with the attribute tables.

use std::collections::BTreeSet;

use isospin_api_kit::attribute::ResourceType;
use isospin_store_kit::Engine;
use serde_json::{Value, json};

use crate::resources::qos_rule::kind::Kind;
use crate::resources::{
    self, address_scope, auto_allocated_topology, availability_zone, conntrack_helper, flavor, floating_ip,
    network, network_ip_availability, network_segment_range, port, port_forwarding, qos_policy,
    qos_rule_type, router, security_group, security_group_rule, segment, service_profile, service_provider,
    subnet, subnet_pool, trunk,
};
use crate::testing::TestApi;

#[tokio::test]
async fn extensions_are_listed_and_shown() {
    let api = TestApi::new(Engine::Sqlite).await;
    let listed = api.expect(200, "reader", "GET", "/v2.0/extensions", Value::Null).await;
    let items = listed["extensions"].as_array().expect("a list");
    let provider = items.iter().find(|item| item["alias"] == "provider").expect("provider networks");
    let expected = json!({
        "name": "Provider Network", "alias": "provider", "links": [],
        "description": "Expose mapping of virtual networks to physical networks",
        "updated": "2012-09-07T10:00:00-00:00",
    });
    assert_eq!(*provider, expected);
    let shown = api.expect(200, "reader", "GET", "/v2.0/extensions/provider", Value::Null).await;
    assert_eq!(shown, json!({"extension": expected}));
    let json_suffix = api.expect(200, "reader", "GET", "/v2.0/extensions/provider.json", Value::Null).await;
    assert_eq!(json_suffix, shown);
    let found = api.refused(404, "reader", "GET", "/v2.0/extensions/trunk", Value::Null).await;
    assert_eq!(found.1, "Extension with alias trunk does not exist");
}

#[test]
fn no_alias_is_listed_twice() {
    let mut seen = BTreeSet::new();
    for extension in resources::extensions() {
        assert!(seen.insert(extension.alias), "{}", extension.alias);
        assert!(!extension.name.is_empty() && !extension.updated.is_empty());
    }
}

/// An attribute of an extension that is not listed would be invisible to clients
/// that look at the list first.
#[test]
fn attributes_belong_to_listed_extensions() {
    let listed: BTreeSet<&str> = resources::extensions().map(|extension| extension.alias).collect();
    let types = [
        address_scope::TYPE,
        auto_allocated_topology::TYPE,
        availability_zone::TYPE,
        network::TYPE,
        network_ip_availability::TYPE,
        subnet::TYPE,
        subnet_pool::TYPE,
        port::TYPE,
        security_group::TYPE,
        security_group_rule::TYPE,
        router::TYPE,
        floating_ip::TYPE,
        port_forwarding::TYPE,
        conntrack_helper::TYPE,
        flavor::TYPE,
        service_profile::TYPE,
        service_provider::TYPE,
        qos_policy::TYPE,
        qos_rule_type::TYPE,
        trunk::TYPE,
        segment::TYPE,
        network_segment_range::TYPE,
    ];
    let rules = Kind::ALL.map(|kind| *kind.resource());
    for attribute in types.iter().chain(&rules).flat_map(ResourceType::attributes) {
        let alias = attribute.alias;
        assert!(alias.is_empty() || listed.contains(alias), "{} is of {alias:?}", attribute.name);
    }
}
