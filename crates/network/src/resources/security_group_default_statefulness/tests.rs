//! Settings through the API, and the groups made under them.

use serde_json::{Value, json};

use crate::testing::{OTHER_PROJECT, PROJECT, TestApi};

const KEY: &str = "security_groups_default_statefulness";
const PATH: &str = "/v2.0/security-groups-default-statefulness";
const GROUPS: &str = "/v2.0/security-groups";

async fn made(api: &TestApi, token: &str, object: Value) -> Value {
    api.create(token, PATH, KEY, object).await
}

fn path(setting: &Value) -> String {
    format!("{PATH}/{}", setting["id"].as_str().expect("an id"))
}

async fn stateful(api: &TestApi, token: &str, object: Value) -> bool {
    let group = api.create(token, GROUPS, "security_group", object).await;
    group["stateful"].as_bool().expect("a flag")
}

#[tokio::test]
async fn new_groups_follow_the_word_for_their_project_then_that_for_all() {
    TestApi::on_each_engine(|api| async move {
        assert!(stateful(&api, "member", json!({})).await, "nobody has said anything");
        let all = made(&api, "admin", json!({"stateful": false})).await;
        assert_eq!(all, json!({"id": all["id"], "project_id": null, "stateful": false, "tenant_id": null}));
        assert!(!stateful(&api, "member", json!({})).await);
        assert!(stateful(&api, "member", json!({"stateful": true})).await, "what a request says counts");
        let own = made(&api, "manager", json!({"project_id": PROJECT})).await;
        assert_eq!((&own["project_id"], &own["stateful"]), (&json!(PROJECT), &json!(true)));
        assert!(stateful(&api, "member", json!({})).await);
        let network = api.create("other", "/v2.0/networks", "network", json!({})).await;
        api.create("other", "/v2.0/ports", "port", json!({"network_id": network["id"]})).await;
        let default = api.expect(200, "other", "GET", &format!("{GROUPS}?name=default"), Value::Null).await;
        assert_eq!(default["security_groups"][0]["stateful"], false);
        let body = json!({KEY: {"stateful": false}});
        let changed = api.expect(200, "manager", "PUT", &path(&own), body).await;
        assert_eq!(changed[KEY]["stateful"], false);
        assert!(!stateful(&api, "member", json!({})).await);
        api.expect(204, "manager", "DELETE", &path(&own), Value::Null).await;
        api.expect(204, "admin", "DELETE", &path(&all), Value::Null).await;
        assert!(stateful(&api, "member", json!({})).await);
    })
    .await;
}

#[tokio::test]
async fn there_is_one_word_for_each() {
    TestApi::on_each_engine(|api| async move {
        for (object, project) in [(json!({}), "None"), (json!({"project_id": PROJECT}), PROJECT)] {
            made(&api, "admin", object.clone()).await;
            assert_eq!(
                api.refused(409, "admin", "POST", PATH, json!({ KEY: object })).await,
                (
                    "SecurityGroupDefaultStatefulnessAlreadyExists".to_owned(),
                    format!(
                        "A security group default statefulness setting already exists for project '{project}'."
                    )
                )
            );
        }
    })
    .await;
}

#[tokio::test]
async fn projects_have_to_do_with_their_own_word_only() {
    TestApi::on_each_engine(|api| async move {
        let all = made(&api, "admin", json!({"stateful": false})).await;
        let own = made(&api, "admin", json!({"project_id": PROJECT})).await;
        let foreign = made(&api, "admin", json!({"project_id": OTHER_PROJECT})).await;
        let listed = api.expect(200, "reader", "GET", PATH, Value::Null).await;
        assert_eq!(listed, json!({ KEY: [own] }));
        let listed = api.expect(200, "admin", "GET", PATH, Value::Null).await;
        assert_eq!(listed[KEY].as_array().map(Vec::len), Some(3));
        let change = json!({KEY: {"stateful": false}});
        for hidden in [&all, &foreign] {
            for (method, body) in [("GET", Value::Null), ("PUT", change.clone()), ("DELETE", Value::Null)] {
                let (kind, _) = api.refused(404, "manager", method, &path(hidden), body).await;
                assert_eq!(kind, "SecurityGroupDefaultStatefulnessNotFound");
            }
        }
        assert_eq!(api.refused(403, "member", "PUT", &path(&own), change).await.0, "PolicyNotAuthorized");
        api.refused(403, "manager", "POST", PATH, json!({ KEY: {"stateful": false} })).await;
        api.refused(400, "manager", "POST", PATH, json!({ KEY: {"project_id": OTHER_PROJECT} })).await;
    })
    .await;
}
