//! API tests of rules, on both engines, and pure ones of their conflicts.

mod conflicts;

use serde_json::{Value, json};

use super::kind::Kind;
use crate::testing::{NOWHERE, OTHER_PROJECT, TestApi};

fn id(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}

async fn policy(api: &TestApi, token: &str, object: Value) -> String {
    id(&api.create(token, "/v2.0/qos/policies", "policy", object).await)
}

fn rules_path(policy: &str, kind: Kind) -> String {
    format!("/v2.0/qos/policies/{policy}/{}", kind.resource().collection)
}

async fn create(api: &TestApi, policy: &str, kind: Kind, object: Value) -> Value {
    api.create("manager", &rules_path(policy, kind), kind.resource().name, object).await
}

/// What a client must say, and what it then finds, of each kind.
fn samples() -> [(Kind, Value, Value, Value); 5] {
    [
        (
            Kind::BandwidthLimit,
            json!({"max_kbps": 1000, "max_burst_kbps": 100}),
            json!({"max_kbps": 1000, "max_burst_kbps": 100, "direction": "egress"}),
            json!({"max_kbps": 2000, "direction": "ingress"}),
        ),
        (Kind::DscpMarking, json!({"dscp_mark": 26}), json!({"dscp_mark": 26}), json!({"dscp_mark": "34"})),
        (
            Kind::MinimumBandwidth,
            json!({"min_kbps": 500, "direction": "egress"}),
            json!({"min_kbps": 500, "direction": "egress"}),
            json!({"min_kbps": 400}),
        ),
        (
            Kind::MinimumPacketRate,
            json!({"min_kpps": 100}),
            json!({"min_kpps": 100, "direction": "egress"}),
            json!({"direction": "any"}),
        ),
        (
            Kind::PacketRateLimit,
            json!({"max_kpps": 1000}),
            json!({"max_kpps": 1000, "max_burst_kpps": 0, "direction": "egress"}),
            json!({"max_burst_kpps": 7}),
        ),
    ]
}

#[tokio::test]
async fn each_kind_has_the_shape_and_life_clients_know() {
    TestApi::on_each_engine(|api| async move {
        for (kind, wanted, expected, change) in samples() {
            let (policy, name) = (policy(&api, "manager", json!({})).await, kind.resource().name);
            let made = create(&api, &policy, kind, wanted).await;
            let mut shown = made.clone();
            let rule = id(&made);
            shown.as_object_mut().expect("a rule").shift_remove("id");
            assert_eq!(shown.to_string(), expected.to_string(), "keys and their order");
            let path = format!("{}/{rule}", rules_path(&policy, kind));
            assert_eq!(api.expect(200, "reader", "GET", &path, Value::Null).await[name], made);
            let listed = api.expect(200, "reader", "GET", &rules_path(&policy, kind), Value::Null).await;
            assert_eq!(listed[kind.resource().collection], json!([made]));

            let changed = api.expect(200, "manager", "PUT", &path, json!({ name: change.clone() })).await;
            assert_ne!(changed[name], made);
            let alias = format!("{}/{rule}", kind.alias_path());
            let (spelt, alias_name) = (alias.replace("-rules", "_rules"), kind.alias().name);
            let shown = api.expect(200, "reader", "GET", &spelt, Value::Null).await;
            assert_eq!(shown[alias_name], changed[name]);
            let again = api.expect(200, "manager", "PUT", &alias, json!({ alias_name: change })).await;
            assert_eq!(again[alias_name], changed[name]);
            let parent = format!("/v2.0/qos/policies/{policy}");
            let parent = api.expect(200, "reader", "GET", &parent, Value::Null).await;
            assert_eq!(parent["policy"]["revision_number"], 2, "a PUT that changes nothing");
            api.expect(204, "manager", "DELETE", &alias, Value::Null).await;
            let (fault, _) = api.refused(404, "manager", "GET", &path, Value::Null).await;
            assert_eq!(fault, "QosRuleNotFound");
        }
    })
    .await;
}

#[tokio::test]
async fn wrong_values_are_refused_by_name() {
    TestApi::on_each_engine(|api| async move {
        let policy = policy(&api, "manager", json!({})).await;
        for (kind, object) in [
            (Kind::BandwidthLimit, json!({})),
            (Kind::BandwidthLimit, json!({"max_kbps": -1})),
            (Kind::BandwidthLimit, json!({"max_kbps": 2_147_483_648_i64})),
            (Kind::BandwidthLimit, json!({"max_kbps": 1, "direction": "any"})),
            (Kind::DscpMarking, json!({"dscp_mark": 9})),
            (Kind::DscpMarking, json!({"dscp_mark": 0, "direction": "egress"})),
            (Kind::MinimumBandwidth, json!({"min_kbps": "many"})),
            (Kind::MinimumPacketRate, json!({"min_kpps": 1, "direction": "up"})),
            (Kind::PacketRateLimit, json!({"max_kpps": 1, "id": NOWHERE})),
        ] {
            let body = json!({ kind.resource().name: object });
            api.expect(400, "manager", "POST", &rules_path(&policy, kind), body).await;
        }
        let (_, text) = api
            .refused(
                400,
                "manager",
                "POST",
                &rules_path(&policy, Kind::DscpMarking),
                json!({"dscp_marking_rule": {"dscp_mark": 9}}),
            )
            .await;
        assert!(text.starts_with("Invalid input for dscp_mark. Reason: '9' is not in ["), "{text}");
    })
    .await;
}

#[tokio::test]
async fn a_policy_has_one_rule_of_a_kind_for_each_direction() {
    TestApi::on_each_engine(|api| async move {
        let policy = policy(&api, "manager", json!({})).await;
        let path = rules_path(&policy, Kind::BandwidthLimit);
        let first = create(&api, &policy, Kind::BandwidthLimit, json!({"max_kbps": 1000})).await;
        let ingress = json!({"max_kbps": 1000, "direction": "ingress"});
        let other = id(&create(&api, &policy, Kind::BandwidthLimit, ingress).await);
        let second = json!({"bandwidth_limit_rule": {"max_kbps": 2000}});
        let (kind, text) = api.refused(409, "manager", "POST", &path, second).await;
        assert_eq!(kind, "QoSRulesConflict");
        let expected = format!(
            "Rule bandwidth_limit conflicts with rule {} which already exists in QoS Policy {policy}.",
            id(&first)
        );
        assert_eq!(text, expected);
        let turned = json!({"bandwidth_limit_rule": {"direction": "egress"}});
        api.expect(409, "manager", "PUT", &format!("{path}/{other}"), turned).await;
        let promise = json!({"minimum_bandwidth_rule": {"min_kbps": 1001}});
        let (kind, text) =
            api.refused(409, "manager", "POST", &rules_path(&policy, Kind::MinimumBandwidth), promise).await;
        assert_eq!(kind, "QoSRuleParameterConflict");
        assert_eq!(
            text,
            format!(
                "Unable to add the rule with value 1001 to the policy {policy} as the existing rule of type \
                 bandwidth_limit has value 1000."
            )
        );
    })
    .await;
}

/// A rule is reached through its own policy only, by those who may (N26).
#[tokio::test]
async fn n26_a_rule_is_not_reached_through_another_policy() {
    TestApi::on_each_engine(|api| async move {
        let (own, second) =
            (policy(&api, "manager", json!({})).await, policy(&api, "manager", json!({})).await);
        let foreign = policy(&api, "admin", json!({})).await;
        for (kind, wanted, _, change) in samples() {
            let name = kind.resource().name;
            let theirs = api.create("admin", &rules_path(&foreign, kind), name, wanted.clone()).await;
            let mine = id(&create(&api, &own, kind, wanted).await);
            let body = json!({ name: change.clone() });
            for (parent, rule) in [(&own, id(&theirs)), (&second, mine.clone()), (&foreign, id(&theirs))] {
                let path = format!("{}/{rule}", rules_path(parent, kind));
                api.expect(404, "manager", "GET", &path, Value::Null).await;
                api.expect(404, "manager", "PUT", &path, body.clone()).await;
                api.expect(404, "manager", "DELETE", &path, Value::Null).await;
            }
            let alias = format!("{}/{}", kind.alias_path(), id(&theirs));
            api.expect(404, "manager", "GET", &alias, Value::Null).await;
            api.expect(404, "manager", "PUT", &alias, json!({ kind.alias().name: change })).await;
            api.expect(404, "manager", "DELETE", &alias, Value::Null).await;
            // Nor as a rule of another kind.
            for other in Kind::ALL.into_iter().filter(|other| *other != kind) {
                let path = format!("{}/{mine}", rules_path(&own, other));
                api.expect(404, "manager", "GET", &path, Value::Null).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn rules_are_for_managers_of_the_policys_project() {
    TestApi::on_each_engine(|api| async move {
        let own = policy(&api, "manager", json!({})).await;
        let kind = Kind::BandwidthLimit;
        let path = rules_path(&own, kind);
        let rule = create(&api, &own, kind, json!({"max_kbps": 1})).await;
        let body = json!({"bandwidth_limit_rule": {"max_kbps": 2}});
        api.expect(403, "member", "POST", &path, body.clone()).await;
        api.expect(403, "member", "PUT", &format!("{path}/{}", id(&rule)), body.clone()).await;
        api.expect(403, "reader", "DELETE", &format!("{path}/{}", id(&rule)), Value::Null).await;
        let (fault, _) = api.refused(404, "other", "POST", &path, body.clone()).await;
        assert_eq!(fault, "QosPolicyNotFound");
        // A policy open to others shows them its rules, which stay the owner's.
        let entry = json!({"object_type": "qos_policy", "object_id": own, "action": "access_as_shared",
            "target_tenant": OTHER_PROJECT});
        api.create("admin", "/v2.0/rbac-policies", "rbac_policy", entry).await;
        let shown = api.expect(200, "other", "GET", &format!("/v2.0/qos/policies/{own}"), Value::Null).await;
        assert_eq!(shown["policy"]["rules"][0]["id"], rule["id"]);
        api.expect(403, "other", "POST", &path, body).await;
        api.expect(404, "other", "GET", &format!("{path}/{}", id(&rule)), Value::Null).await;
        let listed = api.expect(200, "other", "GET", &path, Value::Null).await;
        assert_eq!(listed["bandwidth_limit_rules"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn lists_of_rules_filter_and_sort() {
    TestApi::on_each_engine(|api| async move {
        let own = policy(&api, "manager", json!({})).await;
        let kind = Kind::BandwidthLimit;
        for (direction, rate) in [("ingress", 10), ("egress", 20)] {
            create(&api, &own, kind, json!({"max_kbps": rate, "direction": direction})).await;
        }
        for (query, expected) in [
            ("sort_key=max_kbps&sort_dir=desc", json!([20, 10])),
            ("direction=ingress", json!([10])),
            ("max_kbps=20&fields=max_kbps", json!([20])),
            ("max_kbps=30", json!([])),
        ] {
            let path = format!("{}?{query}", rules_path(&own, kind));
            let listed = api.expect(200, "reader", "GET", &path, Value::Null).await;
            let rates = listed["bandwidth_limit_rules"].as_array().expect("a list");
            let rates: Value = rates.iter().map(|rule| rule["max_kbps"].clone()).collect();
            assert_eq!(rates, expected, "{query}");
        }
        api.expect(400, "reader", "GET", &format!("{}?nonsense=1", rules_path(&own, kind)), Value::Null)
            .await;
    })
    .await;
}
