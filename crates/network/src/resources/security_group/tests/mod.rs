//! API tests of security groups, on both engines.

use serde_json::{Value, json};

use crate::testing::{NOWHERE, OTHER_PROJECT, PROJECT, TestApi};

const KEYS: &[&str] = &[
    "id",
    "name",
    "stateful",
    "tenant_id",
    "project_id",
    "description",
    "shared",
    "security_group_rules",
    "tags",
    "revision_number",
    "created_at",
    "updated_at",
];

async fn group(api: &TestApi, token: &str, object: Value) -> Value {
    api.create(token, "/v2.0/security-groups", "security_group", object).await
}

fn id(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}

fn path(id: &str) -> String {
    format!("/v2.0/security-groups/{id}")
}

async fn list(api: &TestApi, token: &str, query: &str) -> Vec<Value> {
    let path = format!("/v2.0/security-groups?{query}");
    let mut answer = api.expect(200, token, "GET", &path, Value::Null).await;
    match answer["security_groups"].take() {
        Value::Array(groups) => groups,
        other => panic!("no list: {other}"),
    }
}

fn names(groups: &[Value]) -> Vec<&str> {
    let mut names: Vec<&str> = groups.iter().filter_map(|group| group["name"].as_str()).collect();
    names.sort_unstable();
    names
}

async fn port_in(api: &TestApi, groups: Value) -> String {
    let network = id(&api.create("member", "/v2.0/networks", "network", json!({})).await);
    let object = json!({"network_id": network, "security_groups": groups});
    id(&api.create("member", "/v2.0/ports", "port", object).await)
}

/// (direction, ethertype, has a remote group) of each rule, sorted.
fn first_rules(group: &Value) -> Vec<(&str, &str, bool)> {
    let rules = group["security_group_rules"].as_array().expect("rules");
    let mut found: Vec<_> = rules
        .iter()
        .map(|rule| {
            let text = |key: &str| rule[key].as_str().expect("a text");
            (text("direction"), text("ethertype"), !rule["remote_group_id"].is_null())
        })
        .collect();
    found.sort_unstable();
    found
}

#[tokio::test]
async fn a_group_has_the_shape_clients_know() {
    TestApi::on_each_engine(|api| async move {
        let made = group(&api, "member", json!({"name": "s-sg", "description": "sample"})).await;
        let keys: Vec<&str> = made.as_object().expect("a group").keys().map(String::as_str).collect();
        assert_eq!(keys, KEYS);
        assert_eq!(made["project_id"], PROJECT);
        assert_eq!((&made["stateful"], &made["shared"]), (&json!(true), &json!(false)));
        assert_eq!(made["revision_number"], 1);
        assert_eq!(first_rules(&made), [("egress", "IPv4", false), ("egress", "IPv6", false)]);
        let shown = api.expect(200, "reader", "GET", &path(&id(&made)), Value::Null).await;
        assert_eq!(shown["security_group"], made);
        let listed = list(&api, "member", "name=s-sg").await;
        assert_eq!(listed, [made]);
    })
    .await;
}

#[tokio::test]
async fn the_default_group_lets_its_members_in() {
    TestApi::on_each_engine(|api| async move {
        group(&api, "member", json!({"name": "g"})).await;
        let groups = list(&api, "member", "name=default").await;
        assert_eq!(groups[0]["description"], "Default security group");
        assert_eq!(
            first_rules(&groups[0]),
            [
                ("egress", "IPv4", false),
                ("egress", "IPv6", false),
                ("ingress", "IPv4", true),
                ("ingress", "IPv6", true)
            ]
        );
        let rules = groups[0]["security_group_rules"].as_array().expect("rules");
        assert!(rules.iter().all(|rule| rule["belongs_to_default_sg"] == true));
    })
    .await;
}

#[tokio::test]
async fn n23_reading_never_makes_a_default_group() {
    TestApi::on_each_engine(|api| async move {
        for (token, query) in [
            ("member", ""),
            ("member", "name=default"),
            ("admin", "project_id=bogus"),
            ("admin", "tenant_id=another&name=default"),
        ] {
            assert_eq!(list(&api, token, query).await, [Value::Null; 0]);
        }
        api.expect(200, "member", "GET", "/v2.0/security-group-rules", Value::Null).await;
        api.expect(200, "member", "GET", &format!("/v2.0/quotas/{PROJECT}/details"), Value::Null).await;
        let mut session = api.store().reader().await.expect("a reader");
        for table in ["security_groups", "security_group_rules", "quota_usage"] {
            let sql = format!("SELECT COUNT(*) FROM {table}");
            let row = session.row(&sql, vec![]).await.expect("a row").expect("a row");
            assert_eq!(row.columns().int().expect("a count"), 0, "{table}");
        }
        drop(session);
        // On first use it counts against the quota, and is refused when there is none left.
        let quota = json!({"quota": {"security_group": 0}});
        api.expect(200, "admin", "PUT", &format!("/v2.0/quotas/{PROJECT}"), quota).await;
        let network = id(&api.create("member", "/v2.0/networks", "network", json!({})).await);
        let port = json!({"port": {"network_id": network}});
        let (kind, message) = api.refused(409, "member", "POST", "/v2.0/ports", port).await;
        assert_eq!(kind, "OverQuota");
        assert_eq!(message, "Quota exceeded for resources: ['security_group'].");
    })
    .await;
}

#[tokio::test]
async fn the_name_default_is_reserved() {
    TestApi::on_each_engine(|api| async move {
        for name in ["default", "Default", "DEFAULT"] {
            let body = json!({"security_group": { "name": name }});
            let (kind, _) = api.refused(409, "member", "POST", "/v2.0/security-groups", body).await;
            assert_eq!(kind, "SecurityGroupDefaultAlreadyExists");
        }
        let made = id(&group(&api, "member", json!({"name": "g"})).await);
        let default = id(&list(&api, "member", "name=default").await[0]);
        let put = |name: &str| json!({"security_group": { "name": name }});
        let (kind, _) = api.refused(409, "member", "PUT", &path(&made), put("default")).await;
        assert_eq!(kind, "SecurityGroupDefaultAlreadyExists");
        let (kind, _) = api.refused(409, "member", "PUT", &path(&default), put("other")).await;
        assert_eq!(kind, "SecurityGroupCannotUpdateDefault");
        // Its description may change, and naming the name it has is no change.
        let both = json!({"security_group": {"name": "default", "description": "ours"}});
        let changed = api.expect(200, "member", "PUT", &path(&default), both).await;
        assert_eq!(changed["security_group"]["description"], "ours");
        let (kind, _) = api.refused(409, "member", "DELETE", &path(&default), Value::Null).await;
        assert_eq!(kind, "SecurityGroupCannotRemoveDefault");
        api.expect(204, "admin", "DELETE", &path(&default), Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn a_group_with_ports_stays_as_it_is() {
    TestApi::on_each_engine(|api| async move {
        let made = id(&group(&api, "member", json!({"name": "g"})).await);
        let port = port_in(&api, json!([made])).await;
        let (kind, message) = api.refused(409, "member", "DELETE", &path(&made), Value::Null).await;
        assert_eq!(
            (kind.as_str(), message),
            ("SecurityGroupInUse", format!("Security Group {made} in use. Blocked by port {port}."))
        );
        let stateless = json!({"security_group": {"stateful": false}});
        let (kind, _) = api.refused(409, "member", "PUT", &path(&made), stateless.clone()).await;
        assert_eq!(kind, "SecurityGroupInUse");
        let renamed = json!({"security_group": {"name": "h", "stateful": true}});
        let changed = api.expect(200, "member", "PUT", &path(&made), renamed).await;
        assert_eq!(changed["security_group"]["revision_number"], 2);
        api.expect(204, "member", "DELETE", &format!("/v2.0/ports/{port}"), Value::Null).await;
        let changed = api.expect(200, "member", "PUT", &path(&made), stateless).await;
        assert_eq!(changed["security_group"]["stateful"], false);
        api.expect(204, "member", "DELETE", &path(&made), Value::Null).await;
        let (kind, message) = api.refused(404, "member", "GET", &path(&made), Value::Null).await;
        assert_eq!(kind, "SecurityGroupNotFound");
        assert_eq!(message, format!("Security group {made} does not exist"));
    })
    .await;
}

#[tokio::test]
async fn a_deleted_group_takes_the_rules_that_name_it_along() {
    TestApi::on_each_engine(|api| async move {
        let keeping = id(&group(&api, "member", json!({"name": "keeping"})).await);
        let going = id(&group(&api, "member", json!({"name": "going"})).await);
        let rule = json!({"security_group_id": keeping, "direction": "ingress", "remote_group_id": going});
        let rule = api.create("member", "/v2.0/security-group-rules", "security_group_rule", rule).await;
        let used = async || {
            let path = format!("/v2.0/quotas/{PROJECT}/details");
            let quota = api.expect(200, "member", "GET", &path, Value::Null).await["quota"].take();
            (quota["security_group"]["used"].clone(), quota["security_group_rule"]["used"].clone())
        };
        // Three groups (one the default), 4 + 2 + 2 automatic rules and one more.
        assert_eq!(used().await, (json!(3), json!(9)));
        api.expect(204, "member", "DELETE", &path(&going), Value::Null).await;
        assert_eq!(used().await, (json!(2), json!(6)));
        let path_of_rule = format!("/v2.0/security-group-rules/{}", id(&rule));
        api.expect(404, "member", "GET", &path_of_rule, Value::Null).await;
        let left = api.expect(200, "member", "GET", &path(&keeping), Value::Null).await;
        assert_eq!(left["security_group"]["revision_number"], 3, "made, rule added, rule gone");
    })
    .await;
}

#[tokio::test]
async fn groups_are_their_projects_own() {
    TestApi::on_each_engine(|api| async move {
        let made = id(&group(&api, "member", json!({"name": "g"})).await);
        for (method, body) in
            [("GET", Value::Null), ("PUT", json!({"security_group": {"name": "x"}})), ("DELETE", Value::Null)]
        {
            let (kind, _) = api.refused(404, "other", method, &path(&made), body.clone()).await;
            assert_eq!(kind, "SecurityGroupNotFound");
            for wrong in [NOWHERE, "no-uuid"] {
                api.refused(404, "member", method, &path(wrong), body.clone()).await;
            }
        }
        api.refused(403, "reader", "PUT", &path(&made), json!({"security_group": {"name": "x"}})).await;
        api.refused(403, "reader", "DELETE", &path(&made), Value::Null).await;
        let body = json!({"security_group": {}});
        api.refused(403, "reader", "POST", "/v2.0/security-groups", body).await;
        let foreign = json!({"security_group": {"project_id": OTHER_PROJECT}});
        api.refused(400, "member", "POST", "/v2.0/security-groups", foreign.clone()).await;
        api.expect(201, "admin", "POST", "/v2.0/security-groups", foreign).await;
        assert_eq!(names(&list(&api, "other", "").await), ["", "default"]);
        assert_eq!(names(&list(&api, "member", "").await), ["default", "g"]);
        assert_eq!(list(&api, "admin", "").await.len(), 4);
    })
    .await;
}

#[tokio::test]
async fn lists_filter_page_and_select() {
    TestApi::on_each_engine(|api| async move {
        let bulk = json!({"security_groups": [{"name": "a"}, {"name": "b", "stateful": false}]});
        let made = api.expect(201, "member", "POST", "/v2.0/security-groups", bulk).await;
        let a = id(&made["security_groups"][0]);
        for (query, expected) in [
            ("stateful=False".to_owned(), vec!["b"]),
            (format!("id={a}"), vec!["a"]),
            ("shared=False".to_owned(), vec!["a", "b", "default"]),
            ("shared=True".to_owned(), vec![]),
            ("name=a&name=default".to_owned(), vec!["a", "default"]),
            ("sort_key=name&limit=2".to_owned(), vec!["a", "b"]),
        ] {
            assert_eq!(names(&list(&api, "member", &query).await), expected, "{query}");
        }
        let slim = list(
            &api,
            "member",
            "fields=id&fields=name&fields=description&fields=project_id&fields=tags&fields=shared&name=a",
        )
        .await;
        let keys: Vec<&String> = slim[0].as_object().expect("a group").keys().collect();
        assert_eq!(keys, ["id", "name", "project_id", "description", "shared", "tags"]);
        api.refused(400, "member", "GET", "/v2.0/security-groups?nosuch=1", Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn quotas_count_groups_and_their_first_rules() {
    TestApi::on_each_engine(|api| async move {
        let quota = format!("/v2.0/quotas/{PROJECT}");
        api.expect(200, "admin", "PUT", &quota, json!({"quota": {"security_group": 2}})).await;
        let body = json!({"security_group": {}});
        api.expect(201, "member", "POST", "/v2.0/security-groups", body.clone()).await;
        let (kind, message) = api.refused(409, "member", "POST", "/v2.0/security-groups", body.clone()).await;
        assert_eq!(kind, "OverQuota");
        assert_eq!(message, "Quota exceeded for resources: ['security_group'].");
        let rules = json!({"quota": {"security_group": 9, "security_group_rule": 7}});
        api.expect(200, "admin", "PUT", &quota, rules).await;
        let (_, message) = api.refused(409, "member", "POST", "/v2.0/security-groups", body).await;
        assert_eq!(message, "Quota exceeded for resources: ['security_group_rule'].");
        assert_eq!(list(&api, "member", "").await.len(), 2);
    })
    .await;
}
