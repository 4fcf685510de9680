//! Tests of security group rules: the API on both engines, and the pure rules.

mod pure;

use serde_json::{Value, json};

use crate::testing::{NOWHERE, OTHER_PROJECT, PROJECT, TestApi};

const KEYS: &[&str] = &[
    "id",
    "project_id",
    "security_group_id",
    "ethertype",
    "direction",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_address_group_id",
    "normalized_cidr",
    "remote_group_id",
    "belongs_to_default_sg",
    "description",
    "revision_number",
    "created_at",
    "updated_at",
    "tenant_id",
];

const RULES: &str = "/v2.0/security-group-rules";

fn id(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}

async fn group(api: &TestApi, token: &str) -> String {
    id(&api.create(token, "/v2.0/security-groups", "security_group", json!({"name": "g"})).await)
}

/// An ingress rule in the group.
fn rule(group: &str, mut object: Value) -> Value {
    object["security_group_id"] = json!(group);
    if object.get("direction").is_none() {
        object["direction"] = json!("ingress");
    }
    object
}

async fn made(api: &TestApi, group: &str, object: Value) -> Value {
    api.create("member", RULES, "security_group_rule", rule(group, object)).await
}

async fn refused(api: &TestApi, status: u16, group: &str, object: Value) -> (String, String) {
    let body = json!({"security_group_rule": rule(group, object)});
    api.refused(status, "member", "POST", RULES, body).await
}

#[tokio::test]
async fn a_rule_has_the_shape_clients_know() {
    TestApi::on_each_engine(|api| async move {
        let group = group(&api, "member").await;
        let object = json!({"protocol": "tcp", "port_range_min": 80, "port_range_max": "90",
            "remote_ip_prefix": "10.0.0.5/8", "description": "web"});
        let first = made(&api, &group, object).await;
        let keys: Vec<&str> = first.as_object().expect("a rule").keys().map(String::as_str).collect();
        assert_eq!(keys, KEYS);
        assert_eq!(first["ethertype"], "IPv4");
        assert_eq!((&first["port_range_min"], &first["port_range_max"]), (&json!(80), &json!(90)));
        assert_eq!(first["remote_ip_prefix"], "10.0.0.5/8");
        assert_eq!(first["normalized_cidr"], "10.0.0.0/8");
        assert_eq!(first["belongs_to_default_sg"], false);
        assert_eq!((&first["project_id"], &first["description"]), (&json!(PROJECT), &json!("web")));
        let path = format!("{RULES}/{}", id(&first));
        let shown = api.expect(200, "reader", "GET", &path, Value::Null).await;
        assert_eq!(shown["security_group_rule"], first);
        let parent = format!("/v2.0/security-groups/{group}");
        let shown = api.expect(200, "reader", "GET", &parent, Value::Null).await["security_group"].take();
        assert_eq!(shown["revision_number"], 2, "a new rule changes its group");
        let embedded = shown["security_group_rules"].as_array().expect("rules");
        assert!(embedded.contains(&first));
        api.expect(405, "member", "PUT", &path, json!({"security_group_rule": {}})).await;
        api.expect(204, "member", "DELETE", &path, Value::Null).await;
        let shown = api.expect(200, "member", "GET", &parent, Value::Null).await;
        assert_eq!(shown["security_group"]["revision_number"], 3);
        let (kind, message) = api.refused(404, "member", "GET", &path, Value::Null).await;
        assert_eq!(kind, "SecurityGroupRuleNotFound");
        assert_eq!(message, format!("Security group rule {} does not exist", id(&first)));
    })
    .await;
}

#[tokio::test]
async fn what_is_written_becomes_canonical() {
    TestApi::on_each_engine(|api| async move {
        let group = group(&api, "member").await;
        for (object, expected) in [
            (json!({"protocol": "TCP"}), json!({"protocol": "tcp", "port_range_min": null})),
            (json!({"protocol": 17}), json!({"protocol": "17"})),
            (json!({"protocol": "any", "remote_ip_prefix": "10.1.1.1"}),
                json!({"protocol": null, "remote_ip_prefix": "10.1.1.1/32", "normalized_cidr": "10.1.1.1/32"})),
            (json!({"protocol": "sctp", "port_range_min": 1, "port_range_max": 65535}),
                json!({"protocol": "sctp", "port_range_min": null, "port_range_max": null})),
            (json!({"protocol": "icmp", "port_range_min": 8}),
                json!({"protocol": "icmp", "port_range_min": 8, "port_range_max": null})),
            (json!({"protocol": "icmp", "port_range_min": 0, "port_range_max": 0}),
                json!({"port_range_min": 0, "port_range_max": 0})),
            (json!({"protocol": "icmp", "ethertype": "ipv6"}), json!({"protocol": "ipv6-icmp", "ethertype": "IPv6"})),
            (json!({"ethertype": "IPv6", "remote_ip_prefix": "FD00::1"}), json!({"remote_ip_prefix": "fd00::1/128"})),
            (json!({"protocol": "vrrp"}), json!({"protocol": "vrrp"})),
            (json!({"remote_ip_prefix": "0.0.0.0/0", "protocol": "esp"}),
                json!({"remote_ip_prefix": "0.0.0.0/0", "normalized_cidr": "0.0.0.0/0"})),
        ] {
            let found = made(&api, &group, object.clone()).await;
            for (key, value) in expected.as_object().expect("an object") {
                assert_eq!(&found[key], value, "{key} of {object}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_no_agent_could_program_is_refused() {
    TestApi::on_each_engine(|api| async move {
        let group = group(&api, "member").await;
        for (object, expected) in [
            (
                json!({"protocol": "tcp", "port_range_min": 90, "port_range_max": 80}),
                "SecurityGroupInvalidPortRange",
            ),
            (json!({"protocol": "tcp", "port_range_min": 80}), "SecurityGroupInvalidPortRange"),
            (
                json!({"protocol": "tcp", "port_range_min": 0, "port_range_max": 80}),
                "SecurityGroupInvalidPortValue",
            ),
            (
                json!({"protocol": "tcp", "port_range_min": 1, "port_range_max": 65536}),
                "SecurityGroupInvalidPortValue",
            ),
            (
                json!({"protocol": "tcp", "port_range_min": -1, "port_range_max": 80}),
                "SecurityGroupInvalidPortValue",
            ),
            (json!({"protocol": "icmp", "port_range_min": 256}), "SecurityGroupInvalidIcmpValue"),
            (
                json!({"protocol": "icmp", "port_range_min": 1, "port_range_max": 256}),
                "SecurityGroupInvalidIcmpValue",
            ),
            (json!({"protocol": "icmp", "port_range_max": 1}), "SecurityGroupMissingIcmpType"),
            (json!({"port_range_min": 1, "port_range_max": 2}), "SecurityGroupProtocolRequiredWithPorts"),
            (json!({"protocol": "ipsec"}), "SecurityGroupRuleInvalidProtocol"),
            (json!({"protocol": 256}), "SecurityGroupRuleInvalidProtocol"),
            (json!({"protocol": "-1"}), "SecurityGroupRuleInvalidProtocol"),
            (json!({"protocol": "ipv6-icmp"}), "SecurityGroupEthertypeConflictWithProtocol"),
            (json!({"protocol": 58}), "SecurityGroupEthertypeConflictWithProtocol"),
            (json!({"remote_ip_prefix": "fd00::/64"}), "SecurityGroupRuleParameterConflict"),
            (
                json!({"remote_ip_prefix": "10.0.0.0/8", "ethertype": "IPv6"}),
                "SecurityGroupRuleParameterConflict",
            ),
            (
                json!({"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": group}),
                "SecurityGroupMultipleRemoteEntites",
            ),
            (json!({"ethertype": "ARP"}), "HTTPBadRequest"),
            (json!({"direction": "up"}), "HTTPBadRequest"),
            (json!({"port_range_min": "many"}), "HTTPBadRequest"),
            (json!({"remote_address_group_id": "office"}), "HTTPBadRequest"),
        ] {
            let (kind, message) = refused(&api, 400, &group, object.clone()).await;
            assert_eq!(kind, expected, "{object}: {message}");
        }
        let body = json!({"security_group_rule": {"security_group_id": group}});
        let (_, message) = api.refused(400, "member", "POST", RULES, body).await;
        assert_eq!(message, "Failed to parse request. Required attribute 'direction' not specified");
    })
    .await;
}

#[tokio::test]
async fn n04_a_prefix_that_is_none_never_reaches_an_agent() {
    TestApi::on_each_engine(|api| async move {
        let group = group(&api, "member").await;
        for wrong in ["10.0.0.0/33", "10.0.0/24", "/24", "10.0.0.0/", "::/129", "x", "10.0.0.0/8; drop"] {
            let (kind, message) = refused(&api, 400, &group, json!({ "remote_ip_prefix": wrong })).await;
            assert_eq!(kind, "InvalidCIDR");
            assert_eq!(message, format!("Invalid CIDR {wrong} given as IP prefix."));
        }
        assert_eq!(stored(&api).await, 6, "the automatic rules of two groups and no other");
    })
    .await;
}

#[tokio::test]
async fn n17_ports_need_a_protocol_that_has_them() {
    TestApi::on_each_engine(|api| async move {
        let group = group(&api, "member").await;
        for protocol in
            [json!("vrrp"), json!(112), json!("112"), json!("gre"), json!("esp"), json!("ip"), json!(0)]
        {
            let object = json!({"protocol": protocol, "port_range_min": 80, "port_range_max": 80});
            let (kind, _) = refused(&api, 400, &group, object).await;
            assert_eq!(kind, "SecurityGroupInvalidProtocolForPort", "{protocol}");
        }
        assert_eq!(stored(&api).await, 6);
    })
    .await;
}

async fn stored(api: &TestApi) -> i64 {
    let mut session = api.store().reader().await.expect("a reader");
    let row = session.row("SELECT COUNT(*) FROM security_group_rules", vec![]).await.expect("a row");
    row.expect("a row").columns().int().expect("a count")
}

#[tokio::test]
async fn equal_rules_are_one() {
    TestApi::on_each_engine(|api| async move {
        let group = group(&api, "member").await;
        let first = made(&api, &group, json!({"protocol": "tcp", "remote_ip_prefix": "0.0.0.0/0"})).await;
        for same in [
            json!({"protocol": "tcp"}),
            json!({"protocol": 6}),
            json!({"protocol": "TCP", "description": "other words"}),
            json!({"protocol": "6", "port_range_min": 1, "port_range_max": 65535}),
        ] {
            let (kind, message) = refused(&api, 409, &group, same).await;
            assert_eq!(kind, "SecurityGroupRuleExists");
            assert_eq!(message, format!("Security group rule already exists. Rule id is {}.", id(&first)));
        }
        refused(&api, 409, &group, json!({"direction": "egress"})).await;
        made(&api, &group, json!({"protocol": "tcp", "direction": "egress"})).await;
        made(&api, &group, json!({"protocol": "tcp", "ethertype": "IPv6"})).await;
        let used =
            api.expect(200, "member", "GET", &format!("/v2.0/quotas/{PROJECT}/details"), Value::Null).await;
        assert_eq!(used["quota"]["security_group_rule"]["used"], 9, "refused rules do not count");
    })
    .await;
}

#[tokio::test]
async fn several_rules_are_made_together_or_not_at_all() {
    TestApi::on_each_engine(|api| async move {
        let (one, two) = (group(&api, "member").await, group(&api, "member").await);
        let tcp = |port: u16| json!({"protocol": "tcp", "port_range_min": port, "port_range_max": port});
        let post = async |status: u16, rules: Vec<Value>| {
            api.expect(status, "member", "POST", RULES, json!({ "security_group_rules": rules })).await
        };
        let many = post(201, vec![rule(&one, tcp(1)), rule(&one, tcp(2))]).await;
        assert_eq!(many["security_group_rules"][1]["port_range_min"], 2);
        let kind = |fault: &Value| fault["NeutronError"]["type"].as_str().expect("a fault").to_owned();
        let twice = post(409, vec![rule(&one, tcp(3)), rule(&one, tcp(3))]).await;
        assert_eq!(kind(&twice), "DuplicateSecurityGroupRuleInPost");
        let there = post(409, vec![rule(&one, tcp(4)), rule(&one, tcp(1))]).await;
        assert_eq!(kind(&there), "SecurityGroupRuleExists");
        let mixed = post(400, vec![rule(&one, tcp(5)), rule(&two, tcp(5))]).await;
        assert_eq!(kind(&mixed), "SecurityGroupNotSingleGroupRules");
        let mut foreign = rule(&one, tcp(6));
        foreign["project_id"] = json!(OTHER_PROJECT);
        let body = json!({"security_group_rules": [rule(&one, tcp(7)), foreign]});
        let (kind, _) = api.refused(400, "admin", "POST", RULES, body).await;
        assert_eq!(kind, "SecurityGroupRulesNotSingleProject");
        assert_eq!(stored(&api).await, 4 + 2 + 2 + 2);
    })
    .await;
}

#[tokio::test]
async fn rules_belong_to_who_owns_the_group() {
    TestApi::on_each_engine(|api| async move {
        let (own, foreign) = (group(&api, "member").await, group(&api, "other").await);
        let (kind, message) = refused(&api, 404, &foreign, json!({})).await;
        assert_eq!(
            (kind.as_str(), message),
            ("SecurityGroupNotFound", format!("Security group {foreign} does not exist"))
        );
        let (kind, _) = refused(&api, 404, NOWHERE, json!({})).await;
        assert_eq!(kind, "SecurityGroupNotFound");
        for remote in [foreign.as_str(), NOWHERE, "no-uuid"] {
            let (kind, _) = refused(&api, 404, &own, json!({ "remote_group_id": remote })).await;
            assert_eq!(kind, "SecurityGroupNotFound");
        }
        let first = made(&api, &own, json!({ "remote_group_id": own })).await;
        let path = format!("{RULES}/{}", id(&first));
        for method in ["GET", "DELETE"] {
            let (kind, _) = api.refused(404, "other", method, &path, Value::Null).await;
            assert_eq!(kind, "SecurityGroupRuleNotFound");
        }
        api.refused(403, "reader", "DELETE", &path, Value::Null).await;
        let body = json!({"security_group_rule": rule(&own, json!({"protocol": "udp"}))});
        let (kind, _) = api.refused(403, "reader", "POST", RULES, body).await;
        assert_eq!(kind, "PolicyNotAuthorized");
        for wrong in [NOWHERE, "no-uuid"] {
            api.refused(404, "member", "GET", &format!("{RULES}/{wrong}"), Value::Null).await;
            api.refused(404, "member", "DELETE", &format!("{RULES}/{wrong}"), Value::Null).await;
        }
        let seen = async |token: &str| {
            let list = api.expect(200, token, "GET", RULES, Value::Null).await;
            list["security_group_rules"].as_array().map_or(0, Vec::len)
        };
        assert_eq!((seen("member").await, seen("other").await, seen("admin").await), (7, 6, 13));
    })
    .await;
}

#[tokio::test]
async fn lists_filter_by_what_rules_say() {
    TestApi::on_each_engine(|api| async move {
        let group = group(&api, "member").await;
        let web = made(
            &api,
            &group,
            json!({"protocol": "tcp", "port_range_min": 80, "port_range_max": 80,
            "remote_ip_prefix": "10.0.0.9/24"}),
        )
        .await;
        let any = made(&api, &group, json!({"protocol": "udp", "remote_ip_prefix": "0.0.0.0/0"})).await;
        for (query, expected) in [
            ("protocol=tcp".to_owned(), vec![&web]),
            ("protocol=udp&direction=ingress".to_owned(), vec![&any]),
            ("port_range_min=80".to_owned(), vec![&web]),
            ("port_range_min=x".to_owned(), vec![]),
            ("remote_ip_prefix=10.0.0.9/24".to_owned(), vec![&web]),
            ("normalized_cidr=10.0.0.0/24".to_owned(), vec![&web]),
            ("normalized_cidr=0.0.0.0/0".to_owned(), vec![&any]),
            ("normalized_cidr=::/0".to_owned(), vec![]),
            (format!("security_group_id={group}&direction=ingress&sort_key=protocol"), vec![&web, &any]),
            (format!("id={}", id(&web)), vec![&web]),
            ("belongs_to_default_sg=False&direction=ingress&sort_key=protocol".to_owned(), vec![&web, &any]),
        ] {
            let list = api.expect(200, "member", "GET", &format!("{RULES}?{query}"), Value::Null).await;
            let found: Vec<&Value> = list["security_group_rules"].as_array().expect("rules").iter().collect();
            assert_eq!(found, expected, "{query}");
        }
        let defaults = api
            .expect(200, "member", "GET", &format!("{RULES}?belongs_to_default_sg=True"), Value::Null)
            .await;
        assert_eq!(defaults["security_group_rules"].as_array().map(Vec::len), Some(4));
        api.refused(400, "member", "GET", &format!("{RULES}?nosuch=1"), Value::Null).await;
    })
    .await;
}
