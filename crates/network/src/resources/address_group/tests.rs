//! Address groups through the API.

use isospin_store_kit::Engine;
use serde_json::{Value, json};

use crate::testing::{NOWHERE, OTHER_PROJECT, PROJECT, TestApi};

const GROUPS: &str = "/v2.0/address-groups";
const RULES: &str = "/v2.0/security-group-rules";

fn id(object: &Value) -> &str {
    object["id"].as_str().expect("an id")
}

async fn group(api: &TestApi, token: &str, object: Value) -> Value {
    api.create(token, GROUPS, "address_group", object).await
}

fn path(group: &Value) -> String {
    format!("{GROUPS}/{}", id(group))
}

#[tokio::test]
async fn a_group_is_shown_as_the_reference_shows_it() {
    TestApi::on_each_engine(|api| async move {
        let made = group(&api, "member", json!({"name": "s-ag", "addresses": ["132.168.4.12/24"]})).await;
        let expected = json!({
            "id": made["id"], "name": "s-ag", "project_id": PROJECT, "addresses": ["132.168.4.0/24"],
            "revision_number": 1, "description": "", "created_at": made["created_at"],
            "updated_at": made["updated_at"], "tenant_id": PROJECT,
        });
        assert_eq!(made, expected);
        let shown = api.expect(200, "reader", "GET", &path(&made), Value::Null).await;
        assert_eq!(shown["address_group"], expected);
        let listed = api.expect(200, "member", "GET", &format!("{GROUPS}?name=s-ag"), Value::Null).await;
        assert_eq!(listed, json!({"address_groups": [expected]}));
        let body = json!({"address_group": {"name": "renamed", "description": "d"}});
        let changed = api.expect(200, "member", "PUT", &path(&made), body.clone()).await;
        assert_eq!(changed["address_group"]["revision_number"], 2);
        assert_eq!(changed["address_group"]["addresses"], json!(["132.168.4.0/24"]));
        let again = api.expect(200, "member", "PUT", &path(&made), body).await;
        assert_eq!(again, changed, "a repeated PUT changes nothing");
        api.expect(204, "member", "DELETE", &path(&made), Value::Null).await;
        let gone = api.refused(404, "member", "GET", &path(&made), Value::Null).await;
        assert_eq!(
            gone,
            ("AddressGroupNotFound".to_owned(), format!("Address group {} could not be found.", id(&made)))
        );
        let two = json!({"address_groups": [{"name": "a"}, {"name": "b", "addresses": null}]});
        let made = api.expect(201, "member", "POST", GROUPS, two).await;
        assert_eq!(made["address_groups"][1]["addresses"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn addresses_come_and_go() {
    TestApi::on_each_engine(|api| async move {
        let made = group(&api, "member", json!({"addresses": ["132.168.4.12/24", "132.168.4.0/24"]})).await;
        assert_eq!(made["addresses"], json!(["132.168.4.0/24"]), "each once");
        let (add, remove) =
            (format!("{}/add_addresses", path(&made)), format!("{}/remove_addresses", path(&made)));
        let body = json!({"addresses": ["2001::db8:f00/64", "10.0.0.7"]});
        let changed = api.expect(200, "member", "PUT", &add, body.clone()).await["address_group"].clone();
        assert_eq!(changed["addresses"], json!(["10.0.0.7/32", "132.168.4.0/24", "2001::/64"]));
        assert_eq!(changed["revision_number"], 2);
        let twice = json!({"addresses": ["10.0.0.7/32", "10.0.0.8/32"]});
        assert_eq!(
            api.refused(400, "member", "PUT", &add, twice).await,
            (
                "AddressesAlreadyExist".to_owned(),
                format!("Addresses ['10.0.0.7/32'] already exist in the address group {}.", id(&made))
            )
        );
        let absent = json!({"addresses": ["10.0.0.7/32", "10.9.0.0/16"]});
        assert_eq!(
            api.refused(404, "member", "PUT", &remove, absent).await,
            (
                "AddressesNotFound".to_owned(),
                format!("Addresses ['10.9.0.0/16'] not found in the address group {}.", id(&made))
            )
        );
        let changed = api.expect(200, "member", "PUT", &remove, body).await["address_group"].clone();
        assert_eq!(changed["addresses"], json!(["132.168.4.0/24"]));
        for (body, part) in [
            (json!({}), "Unable to find 'addresses'"),
            (json!({"addresses": "10.0.0.0/8"}), "is not a list"),
            (json!({"addresses": ["10.0.0.0/33"]}), "'10.0.0.0/33' is not a valid IP subnet"),
            (json!({"addresses": [], "name": "x"}), "Unrecognized attribute(s) 'name'"),
        ] {
            let (_, message) = api.refused(400, "member", "PUT", &add, body).await;
            assert!(message.contains(part), "{message}");
        }
        let stale = [("if-match", "revision_number=1")];
        let sent = json!({"addresses": ["10.5.0.0/16"]}).to_string().into_bytes();
        assert_eq!(api.send("member", "PUT", &add, &stale, sent).await.0, 412);
        let whole = json!({"address_group": {"addresses": []}});
        let (_, message) = api.refused(400, "member", "PUT", &path(&made), whole).await;
        assert_eq!(message, "Cannot update read-only attribute addresses");
    })
    .await;
}

#[tokio::test]
async fn groups_of_others_are_not_there_until_they_are_shared() {
    TestApi::on_each_engine(|api| async move {
        let made = group(&api, "member", json!({"addresses": ["10.0.0.0/8"]})).await;
        let add = format!("{}/add_addresses", path(&made));
        let more = json!({"addresses": ["11.0.0.0/8"]});
        let theirs = api.create("other", "/v2.0/security-groups", "security_group", json!({})).await;
        let rule = json!({"security_group_rule": {
            "security_group_id": theirs["id"], "direction": "ingress", "remote_address_group_id": made["id"],
        }});
        for (method, url, body) in [
            ("GET", path(&made), Value::Null),
            ("PUT", add.clone(), more.clone()),
            ("DELETE", path(&made), Value::Null),
            ("POST", RULES.to_owned(), rule.clone()),
        ] {
            assert_eq!(api.refused(404, "other", method, &url, body).await.0, "AddressGroupNotFound");
        }
        assert_eq!(api.refused(403, "reader", "PUT", &add, more.clone()).await.0, "PolicyNotAuthorized");
        let entry = json!({
            "object_type": "address_group", "object_id": made["id"], "action": "access_as_shared",
            "target_tenant": OTHER_PROJECT,
        });
        let entry = api.create("member", "/v2.0/rbac-policies", "rbac_policy", entry).await;
        api.expect(200, "other", "GET", &path(&made), Value::Null).await;
        assert_eq!(api.refused(403, "other", "PUT", &add, more).await.0, "PolicyNotAuthorized");
        let rule = api.expect(201, "other", "POST", RULES, rule).await["security_group_rule"].clone();
        let entry = format!("/v2.0/rbac-policies/{}", id(&entry));
        let (kind, message) = api.refused(409, "member", "DELETE", &entry, Value::Null).await;
        assert_eq!(kind, "RbacPolicyInUse");
        assert!(message.ends_with(&format!("security_group_rule {}", id(&rule))), "{message}");
    })
    .await;
}

#[tokio::test]
async fn a_rule_names_a_group_and_keeps_it() {
    TestApi::on_each_engine(|api| async move {
        let made = group(&api, "member", json!({"addresses": ["10.0.0.0/8"]})).await;
        let sg = api.create("member", "/v2.0/security-groups", "security_group", json!({})).await;
        let body = json!({
            "security_group_id": sg["id"], "direction": "ingress", "protocol": "tcp",
            "port_range_min": 443, "port_range_max": 443, "remote_address_group_id": made["id"],
        });
        let rule = api.create("member", RULES, "security_group_rule", body.clone()).await;
        assert_eq!(rule["remote_address_group_id"], made["id"]);
        assert_eq!((&rule["remote_ip_prefix"], &rule["remote_group_id"]), (&Value::Null, &Value::Null));
        let same = api.refused(409, "member", "POST", RULES, json!({"security_group_rule": body})).await;
        assert_eq!(same.0, "SecurityGroupRuleExists");
        let list = format!("{RULES}?remote_address_group_id={}", id(&made));
        let listed = api.expect(200, "member", "GET", &list, Value::Null).await;
        assert_eq!(listed["security_group_rules"].as_array().map(Vec::len), Some(1));
        let mut both = body.clone();
        both["remote_ip_prefix"] = json!("10.0.0.0/8");
        let both = api.refused(400, "member", "POST", RULES, json!({"security_group_rule": both})).await;
        assert_eq!(both.0, "SecurityGroupMultipleRemoteEntites");
        let mut unknown = body;
        unknown["remote_address_group_id"] = json!(NOWHERE);
        let unknown =
            api.refused(404, "member", "POST", RULES, json!({"security_group_rule": unknown})).await;
        assert_eq!(unknown.0, "AddressGroupNotFound");
        let kept = api.expect(409, "member", "DELETE", &path(&made), Value::Null).await;
        assert_eq!(kept["NeutronError"]["type"], "AddressGroupInUse");
        let blocking = format!("Blocked by security_group_rule {}.", id(&rule));
        let message = kept["NeutronError"]["message"].as_str().expect("a message");
        assert!(message.ends_with(&blocking), "{kept}");
        api.expect(204, "member", "DELETE", &format!("{RULES}/{}", id(&rule)), Value::Null).await;
        api.expect(204, "member", "DELETE", &path(&made), Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn n04_what_is_no_prefix_never_gets_in() {
    let api = TestApi::new(Engine::Sqlite).await;
    for address in ["10.0.0.0/8\n", "10.0.0.0/8; drop", "::ffff/129", "", "any", "10.0.0.1"] {
        let body = json!({"address_group": {"addresses": [address]}});
        let (_, message) = api.refused(400, "member", "POST", GROUPS, body).await;
        assert!(message.starts_with("Invalid input for addresses. Reason:"), "{message}");
    }
}
