//! The extension list through the API, and its agreement with the attribute tables.

use std::collections::BTreeSet;

use isospin_store_kit::Engine;
use serde_json::{Value, json};

use crate::resources;
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
    let found = api.refused(404, "reader", "GET", "/v2.0/extensions/dvr", Value::Null).await;
    assert_eq!(found.1, "Extension with alias dvr does not exist");
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
    let table = resources::route_table();
    let types = table.iter().filter_map(|route| route.resource);
    for attribute in types.flat_map(|resource| resource.attributes().copied().collect::<Vec<_>>()) {
        let alias = attribute.alias;
        assert!(alias.is_empty() || listed.contains(alias), "{} is of {alias:?}", attribute.name);
    }
}
