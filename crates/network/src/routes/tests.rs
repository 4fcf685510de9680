//! The route table agrees with the policy.

use std::collections::BTreeSet;

use isospin_api_kit::FaultType;
use isospin_api_kit::policy::{Policy, Rule};

use super::*;
use crate::resources;

/// N25: no URL is served under a rule that nobody declared.
#[test]
fn n25_every_route_has_a_declared_rule() {
    let policy = Policy::new(resources::policy_rules()).expect("a policy");
    check(&resources::route_table(), &policy).expect("a rule for each route");
}

#[test]
fn n25_a_route_without_a_rule_does_not_start() {
    let policy = Policy::new(&[Rule::new("get_thing", "@")]).expect("a policy");
    let table = [
        Route::token(Verb::Get, "/v2.0/free"),
        Route::ruled(Verb::Get, "/v2.0/things", "get_thing"),
        Route::ruled(Verb::Put, "/v2.0/things/{id}", "update_things"),
    ];
    let refused = check(&table, &policy).expect_err("an undeclared rule");
    assert_eq!(
        refused.to_string(),
        "PUT /v2.0/things/{id} asks for the rule \"update_things\", which is not declared"
    );
    check(&table[..2], &policy).expect("declared rules");
}

#[test]
fn rules_on_attributes_are_known_by_the_attribute_tables() {
    let table = resources::route_table();
    let names = [
        "create_port:name",
        "update_port:fixed_ips:ip_address",
        "get_network:mtu",
        "get_port:binding:profile",
    ];
    for name in names {
        assert!(guards_attribute(&table, name), "{name}");
    }
    // No such attribute, not writable, no such action.
    for name in
        ["create_port:colour", "update_port:network_id", "get_ports:name", "delete_port:name", "get_port:"]
    {
        assert!(!guards_attribute(&table, name), "{name}");
    }
}

/// What a refused client is told to call can be called.
#[test]
fn the_next_calls_of_faults_are_served() {
    // Clients may write either sign between words, in paths and in names of parameters.
    let plain = |path: &str| {
        let segments = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
        segments.collect::<Vec<_>>().join("/").replace('-', "_")
    };
    let served: BTreeSet<String> = resources::route_table()
        .iter()
        .map(|route| format!("{} {}", route.verb, plain(&route.path)))
        .collect();
    for kind in FaultType::ALL {
        for call in kind.next_calls() {
            assert!(served.contains(&plain(call.request)), "{}: {call}", kind.name());
        }
    }
}

#[test]
fn nothing_is_listed_twice() {
    let mut seen = BTreeSet::new();
    for route in resources::route_table() {
        assert!(seen.insert((route.verb, route.path.clone())), "{} {}", route.verb, route.path);
    }
}
