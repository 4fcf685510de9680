//! API tests of policies, on both engines.

mod users;

use serde_json::{Value, json};

use crate::testing::{NOWHERE, OTHER_PROJECT, PROJECT, TestApi};

const KEYS: &[&str] = &[
    "id",
    "project_id",
    "name",
    "shared",
    "rules",
    "is_default",
    "revision_number",
    "description",
    "created_at",
    "updated_at",
    "tenant_id",
    "tags",
];

async fn policy(api: &TestApi, token: &str, object: Value) -> Value {
    api.create(token, "/v2.0/qos/policies", "policy", object).await
}

/// Adds a rule; the rule.
async fn rule(api: &TestApi, policy: &str, kind: &str, object: Value) -> Value {
    let path = format!("/v2.0/qos/policies/{policy}/{kind}_rules");
    api.create("admin", &path, &format!("{kind}_rule"), object).await
}

/// A policy of the project with one limit on what is sent; its id.
async fn limiting(api: &TestApi, max_kbps: u32) -> String {
    let made = id(&policy(api, "manager", json!({"name": "limit"})).await);
    rule(api, &made, "bandwidth_limit", json!({"max_kbps": max_kbps})).await;
    made
}

fn id(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}

fn path(id: &str) -> String {
    format!("/v2.0/qos/policies/{id}")
}

async fn names(api: &TestApi, token: &str, query: &str) -> Vec<String> {
    let path = format!("/v2.0/qos/policies?{query}");
    let answer = api.expect(200, token, "GET", &path, Value::Null).await;
    let policies = answer["policies"].as_array().expect("a list");
    policies.iter().filter_map(|policy| policy["name"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_policy_has_the_shape_clients_know() {
    TestApi::on_each_engine(|api| async move {
        let made = policy(&api, "manager", json!({"name": "s-qos", "description": "sample"})).await;
        let keys: Vec<&str> = made.as_object().expect("a policy").keys().map(String::as_str).collect();
        assert_eq!(keys, KEYS);
        assert_eq!((&made["rules"], &made["shared"]), (&json!([]), &json!(false)));
        assert_eq!((&made["project_id"], &made["revision_number"]), (&json!(PROJECT), &json!(0)));
        let shown = api.expect(200, "reader", "GET", &path(&id(&made)), Value::Null).await;
        assert_eq!(shown["policy"], made);
        rule(&api, &id(&made), "dscp_marking", json!({"dscp_mark": 26})).await;
        let limit = rule(&api, &id(&made), "bandwidth_limit", json!({"max_kbps": 7})).await;
        let shown = api.expect(200, "reader", "GET", &path(&id(&made)), Value::Null).await;
        assert_eq!(shown["policy"]["revision_number"], 2);
        assert_eq!(
            shown["policy"]["rules"][0],
            json!({"max_kbps": 7, "max_burst_kbps": 0, "direction": "egress", "id": id(&limit),
                "qos_policy_id": id(&made), "type": "bandwidth_limit"})
        );
        assert_eq!(shown["policy"]["rules"][1]["type"], "dscp_marking");
    })
    .await;
}

#[tokio::test]
async fn a_policy_changes_and_goes() {
    TestApi::on_each_engine(|api| async move {
        let made = id(&policy(&api, "manager", json!({"name": "one"})).await);
        let change = json!({"policy": {"name": "two", "description": "d"}});
        let changed = api.expect(200, "manager", "PUT", &path(&made), change.clone()).await;
        assert_eq!(
            (&changed["policy"]["name"], &changed["policy"]["revision_number"]),
            (&json!("two"), &json!(1))
        );
        let again = api.expect(200, "manager", "PUT", &path(&made), change).await;
        assert_eq!(again, changed);
        let (kind, _) =
            api.refused(403, "member", "PUT", &path(&made), json!({"policy": {"name": "x"}})).await;
        assert_eq!(kind, "PolicyNotAuthorized");
        let stale = [("if-match", "revision_number=0")];
        assert_eq!(api.send("manager", "DELETE", &path(&made), &stale, Vec::new()).await.0, 412);
        let tags = format!("/v2.0/policies/{made}/tags/gold");
        api.expect(201, "manager", "PUT", &tags, Value::Null).await;
        assert_eq!(names(&api, "reader", "tags=gold").await, ["two"]);
        api.expect(204, "manager", "DELETE", &path(&made), Value::Null).await;
        let (kind, text) = api.refused(404, "manager", "GET", &path(&made), Value::Null).await;
        assert_eq!(
            (kind.as_str(), text),
            ("QosPolicyNotFound", format!("QoS policy {made} could not be found."))
        );
    })
    .await;
}

#[tokio::test]
async fn others_see_only_what_is_shared_with_them() {
    TestApi::on_each_engine(|api| async move {
        policy(&api, "manager", json!({"name": "own"})).await;
        let open = id(&policy(&api, "admin", json!({"name": "open", "shared": true})).await);
        policy(&api, "admin", json!({"name": "hidden"})).await;
        let aimed = id(&policy(&api, "admin", json!({"name": "aimed"})).await);
        let entry = json!({"object_type": "qos_policy", "object_id": aimed, "action": "access_as_shared",
            "target_tenant": OTHER_PROJECT});
        api.create("admin", "/v2.0/rbac-policies", "rbac_policy", entry).await;
        assert_eq!(names(&api, "member", "sort_key=name").await, ["open", "own"]);
        assert_eq!(names(&api, "other", "sort_key=name").await, ["aimed", "open"]);
        assert_eq!(names(&api, "other", "shared=false").await, [""; 0]);
        assert_eq!(names(&api, "admin", "sort_key=name&shared=true").await, ["open"]);
        let shown = api.expect(200, "other", "GET", &path(&open), Value::Null).await;
        assert_eq!(shown["policy"]["shared"], true);
        api.expect(404, "member", "GET", &path(&aimed), Value::Null).await;
        let rename = json!({"policy": {"name": "mine"}});
        let (kind, _) = api.refused(403, "manager", "PUT", &path(&open), rename).await;
        assert_eq!(kind, "PolicyNotAuthorized");
        let closed = json!({"policy": {"shared": false}});
        let shown = api.expect(200, "admin", "PUT", &path(&open), closed).await;
        assert_eq!(shown["policy"]["shared"], false);
        api.expect(404, "other", "GET", &path(&open), Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn a_project_has_one_default_which_new_networks_get() {
    TestApi::on_each_engine(|api| async move {
        let first = id(&policy(&api, "manager", json!({"is_default": true})).await);
        let second = json!({"policy": {"name": "second", "is_default": true}});
        let (kind, text) = api.refused(409, "manager", "POST", "/v2.0/qos/policies", second).await;
        assert_eq!(kind, "QoSPolicyDefaultAlreadyExists");
        assert_eq!(text, format!("A default QoS policy exists for project {PROJECT}."));
        let other = id(&policy(&api, "manager", json!({"name": "other"})).await);
        let change = json!({"policy": {"is_default": true}});
        api.expect(409, "manager", "PUT", &path(&other), change.clone()).await;
        // Another project has its own.
        policy(&api, "admin", json!({"is_default": true})).await;
        let network = api.create("member", "/v2.0/networks", "network", json!({})).await;
        assert_eq!(network["qos_policy_id"], first.as_str());
        let named = json!({"qos_policy_id": other});
        let network = api.create("member", "/v2.0/networks", "network", named).await;
        assert_eq!(network["qos_policy_id"], other.as_str());
        api.expect(200, "manager", "PUT", &path(&first), json!({"policy": {"is_default": false}})).await;
        api.expect(200, "manager", "PUT", &path(&other), change).await;
    })
    .await;
}

#[tokio::test]
async fn wrong_requests_are_refused_by_name() {
    TestApi::on_each_engine(|api| async move {
        for (body, status) in [
            (json!({"policy": {"rules": []}}), 400),
            (json!({"policy": {"nonsense": 1}}), 400),
            (json!({"policy": {"is_default": "perhaps"}}), 400),
            (json!({"policy": {"name": "x", "project_id": OTHER_PROJECT}}), 400),
        ] {
            api.expect(status, "manager", "POST", "/v2.0/qos/policies", body).await;
        }
        let (kind, _) = api.refused(403, "member", "POST", "/v2.0/qos/policies", json!({"policy": {}})).await;
        assert_eq!(kind, "PolicyNotAuthorized");
        api.expect(404, "manager", "DELETE", &path(NOWHERE), Value::Null).await;
        api.expect(404, "manager", "GET", &path("no-uuid"), Value::Null).await;
        let both = json!({"policies": [{"name": "a"}, {"name": "b"}]});
        let made = api.expect(201, "manager", "POST", "/v2.0/qos/policies", both).await;
        assert_eq!(made["policies"].as_array().map(Vec::len), Some(2));
    })
    .await;
}
