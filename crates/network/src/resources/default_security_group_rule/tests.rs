//! Default rules through the API, and the groups made from them.

use isospin_store_kit::Engine;
use serde_json::{Value, json};

use crate::testing::{NOWHERE, TestApi};

const DEFAULTS: &str = "/v2.0/default-security-group-rules";
const GROUPS: &str = "/v2.0/security-groups";

fn id(object: &Value) -> &str {
    object["id"].as_str().expect("an id")
}

async fn made(api: &TestApi, object: Value) -> Value {
    api.create("admin", DEFAULTS, "default_security_group_rule", object).await
}

async fn listed(api: &TestApi, query: &str) -> Vec<Value> {
    let list = api.expect(200, "reader", "GET", &format!("{DEFAULTS}?{query}"), Value::Null).await;
    list["default_security_group_rules"].as_array().expect("a list").clone()
}

/// What the rules of a group let through, in order.
fn rules(group: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").replace(id(group), "PARENT");
    let mut rules: Vec<String> = group["security_group_rules"]
        .as_array()
        .expect("rules")
        .iter()
        .map(|rule| {
            let parts = ["direction", "ethertype", "protocol", "remote_group_id", "description"];
            parts.map(|part| text(&rule[part])).join(" ")
        })
        .collect();
    rules.sort_unstable();
    rules
}

#[tokio::test]
async fn there_are_four_at_first_and_one_is_shown_as_the_reference_shows_it() {
    TestApi::on_each_engine(|api| async move {
        let first = listed(&api, "").await;
        let uses: Vec<_> = first
            .iter()
            .map(|rule| {
                let flags = (&rule["used_in_default_sg"], &rule["used_in_non_default_sg"]);
                (
                    rule["direction"].clone(),
                    rule["ethertype"].clone(),
                    rule["remote_group_id"].clone(),
                    json!(flags),
                )
            })
            .collect();
        let expected = [
            (json!("egress"), json!("IPv4"), Value::Null, json!([true, true])),
            (json!("egress"), json!("IPv6"), Value::Null, json!([true, true])),
            (json!("ingress"), json!("IPv4"), json!("PARENT"), json!([true, false])),
            (json!("ingress"), json!("IPv6"), json!("PARENT"), json!([true, false])),
        ];
        assert_eq!(uses, expected);
        let body = json!({
            "direction": "ingress", "protocol": "tcp", "port_range_min": 9999, "port_range_max": 9999,
            "used_in_default_sg": false, "used_in_non_default_sg": true,
        });
        let rule = made(&api, body).await;
        let expected = json!({
            "id": rule["id"], "ethertype": "IPv4", "direction": "ingress", "protocol": "tcp",
            "port_range_min": 9999, "port_range_max": 9999, "remote_ip_prefix": null,
            "remote_address_group_id": null, "remote_group_id": null, "description": "",
            "used_in_default_sg": false, "used_in_non_default_sg": true,
        });
        assert_eq!(rule, expected);
        assert_eq!(listed(&api, "protocol=tcp").await, std::slice::from_ref(&expected));
        assert_eq!(listed(&api, "remote_group_id=PARENT").await.len(), 2);
        assert_eq!(listed(&api, "used_in_default_sg=True").await.len(), 4);
        let path = format!("{DEFAULTS}/{}", id(&rule));
        let shown = api.expect(200, "member", "GET", &path, Value::Null).await;
        assert_eq!(shown["default_security_group_rule"], expected);
        api.expect(204, "admin", "DELETE", &path, Value::Null).await;
        let gone = api.refused(404, "admin", "GET", &path, Value::Null).await;
        assert_eq!(gone.0, "DefaultSecurityGroupRuleNotFound");
    })
    .await;
}

#[tokio::test]
async fn new_groups_are_made_from_the_template() {
    TestApi::on_each_engine(|api| async move {
        let old = api.create("member", GROUPS, "security_group", json!({})).await;
        let own = json!({
            "direction": "ingress", "protocol": "icmp", "remote_group_id": "PARENT", "description": "ping",
        });
        made(&api, own).await;
        for rule in listed(&api, "direction=egress&ethertype=IPv6").await {
            let path = format!("{DEFAULTS}/{}", id(&rule));
            api.expect(204, "admin", "DELETE", &path, Value::Null).await;
        }
        let new = api.create("member", GROUPS, "security_group", json!({})).await;
        assert_eq!(
            rules(&new),
            ["egress IPv4 - - Legacy default SG rule for egress traffic", "ingress IPv4 icmp PARENT ping",]
        );
        let path = format!("{GROUPS}/{}", id(&old));
        let kept = api.expect(200, "member", "GET", &path, Value::Null).await["security_group"].clone();
        assert_eq!(rules(&kept).len(), 2, "a group made before keeps its rules");
        let network = api.create("other", "/v2.0/networks", "network", json!({})).await;
        api.create("other", "/v2.0/ports", "port", json!({"network_id": network["id"]})).await;
        let groups = api.expect(200, "other", "GET", &format!("{GROUPS}?name=default"), Value::Null).await;
        assert_eq!(
            rules(&groups["security_groups"][0]),
            [
                "egress IPv4 - - Legacy default SG rule for egress traffic",
                "ingress IPv4 - PARENT Legacy default SG rule for ingress traffic",
                "ingress IPv6 - PARENT Legacy default SG rule for ingress traffic",
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn two_rules_for_the_same_groups_are_never_equal() {
    TestApi::on_each_engine(|api| async move {
        let parent = listed(&api, "remote_group_id=PARENT&ethertype=IPv4").await;
        let body = |in_default: bool, in_others: bool| {
            json!({"default_security_group_rule": {
                "direction": "ingress", "remote_group_id": "PARENT", "used_in_default_sg": in_default,
                "used_in_non_default_sg": in_others,
            }})
        };
        assert_eq!(
            api.refused(409, "admin", "POST", DEFAULTS, body(true, true)).await,
            (
                "DefaultSecurityGroupRuleExists".to_owned(),
                format!("Default Security group rule already exists. Rule id is {}.", id(&parent[0]))
            )
        );
        api.expect(201, "admin", "POST", DEFAULTS, body(false, true)).await;
        let one = json!({"direction": "ingress", "protocol": "tcp"});
        let same = json!({"direction": "ingress", "protocol": 6, "remote_ip_prefix": "0.0.0.0/0"});
        let two = json!({"default_security_group_rules": [one, same]});
        let twice = api.refused(409, "admin", "POST", DEFAULTS, two).await;
        assert_eq!(twice.0, "DuplicateDefaultSgRuleInPost");
    })
    .await;
}

#[tokio::test]
async fn a_default_rule_is_as_strict_as_a_rule() {
    let api = TestApi::new(Engine::Sqlite).await;
    let ask = async |token: &'static str, status: u16, mut object: Value| {
        object["direction"] = json!("ingress");
        api.refused(status, token, "POST", DEFAULTS, json!({"default_security_group_rule": object})).await.0
    };
    assert_eq!(ask("member", 403, json!({})).await, "PolicyNotAuthorized");
    assert_eq!(ask("admin", 400, json!({"remote_group_id": "parent"})).await, "HTTPBadRequest");
    assert_eq!(ask("admin", 404, json!({"remote_group_id": NOWHERE})).await, "SecurityGroupNotFound");
    assert_eq!(ask("admin", 404, json!({"remote_address_group_id": NOWHERE})).await, "AddressGroupNotFound");
    let both = json!({"remote_group_id": "PARENT", "remote_ip_prefix": "10.0.0.0/8"});
    assert_eq!(ask("admin", 400, both).await, "SecurityGroupMultipleRemoteEntites");
    let vrrp = json!({"protocol": "vrrp", "port_range_min": 1, "port_range_max": 2});
    assert_eq!(ask("admin", 400, vrrp).await, "SecurityGroupInvalidProtocolForPort");
    let path = format!("{DEFAULTS}/{}", id(&listed(&api, "").await[0]));
    assert_eq!(api.refused(403, "member", "DELETE", &path, Value::Null).await.0, "PolicyNotAuthorized");
    api.expect(405, "admin", "PUT", &path, json!({"default_security_group_rule": {}})).await;
}

#[tokio::test]
async fn what_a_template_names_is_kept_or_goes_with_it() {
    TestApi::on_each_engine(|api| async move {
        let group = api.create("admin", GROUPS, "security_group", json!({})).await;
        let addresses = api
            .create("admin", "/v2.0/address-groups", "address_group", json!({"addresses": ["10.0.0.0/8"]}))
            .await;
        made(&api, json!({"direction": "ingress", "remote_group_id": group["id"]})).await;
        let named =
            made(&api, json!({"direction": "egress", "remote_address_group_id": addresses["id"]})).await;
        let new = api.create("member", GROUPS, "security_group", json!({})).await;
        assert_eq!(new["security_group_rules"].as_array().map(Vec::len), Some(4));
        let path = format!("{GROUPS}/{}", id(&group));
        api.expect(204, "admin", "DELETE", &path, Value::Null).await;
        assert_eq!(listed(&api, &format!("remote_group_id={}", id(&group))).await, Vec::<Value>::new());
        let new = api.create("member", GROUPS, "security_group", json!({})).await;
        assert_eq!(new["security_group_rules"].as_array().map(Vec::len), Some(3));
        let path = format!("/v2.0/address-groups/{}", id(&addresses));
        let (kind, _) = api.refused(409, "admin", "DELETE", &path, Value::Null).await;
        assert_eq!(kind, "AddressGroupInUse");
        assert!(named["remote_address_group_id"] == addresses["id"]);
    })
    .await;
}
