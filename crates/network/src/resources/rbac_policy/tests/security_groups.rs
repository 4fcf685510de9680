//! Security groups opened to others.

use serde_json::{Value, json};

use super::*;
use crate::testing::OTHER_PROJECT;

#[tokio::test]
async fn a_shared_group_filters_ports_of_others() {
    TestApi::on_each_engine(|api| async move {
        let group =
            api.create("member", "/v2.0/security-groups", "security_group", json!({"name": "web"})).await;
        let path = format!("/v2.0/security-groups/{}", id(&group));
        let network = api.create("other", "/v2.0/networks", "network", json!({})).await;
        let port = json!({"network_id": network["id"], "security_groups": [group["id"]]});
        api.refused(404, "other", "GET", &path, Value::Null).await;
        let refused = api.refused(404, "other", "POST", "/v2.0/ports", json!({"port": port})).await;
        assert_eq!(refused.0, "SecurityGroupNotFound");
        let url = entry(&api, "member", "security_group", &group, "access_as_shared", OTHER_PROJECT).await;

        let shown = api.expect(200, "other", "GET", &path, Value::Null).await["security_group"].clone();
        assert_eq!(shown["shared"], true);
        assert_eq!(shown["security_group_rules"].as_array().map(Vec::len), Some(2));
        for (token, query, count) in [
            ("other", "shared=True", 1),
            ("other", "name=web", 1),
            ("member", "shared=True", 0),
            ("member", "shared=False&name=web", 1),
            ("admin", "shared=True", 0),
        ] {
            let list = format!("/v2.0/security-groups?{query}");
            let listed = api.expect(200, token, "GET", &list, Value::Null).await;
            assert_eq!(listed["security_groups"].as_array().map(Vec::len), Some(count), "{token} {query}");
        }
        let made = api.create("other", "/v2.0/ports", "port", port).await;
        assert_eq!(made["security_groups"], json!([group["id"]]));
        api.refused(403, "other", "PUT", &path, json!({"security_group": {"name": "x"}})).await;
        let rule = json!({"security_group_id": group["id"], "direction": "ingress"});
        api.refused(403, "other", "POST", "/v2.0/security-group-rules", json!({"security_group_rule": rule}))
            .await;

        let (kind, message) = api.refused(409, "member", "DELETE", &url, Value::Null).await;
        assert_eq!(kind, "RbacPolicyInUse");
        assert!(message.contains(&format!("port {}", id(&made))), "{message}");
        let made = format!("/v2.0/ports/{}", id(&made));
        api.expect(204, "other", "DELETE", &made, Value::Null).await;
        api.expect(204, "member", "DELETE", &url, Value::Null).await;
        api.refused(404, "other", "GET", &path, Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn a_shared_group_can_be_the_remote_of_rules_of_others() {
    TestApi::on_each_engine(|api| async move {
        let group = api.create("member", "/v2.0/security-groups", "security_group", json!({})).await;
        let own = api.create("other", "/v2.0/security-groups", "security_group", json!({})).await;
        let rule = json!({"security_group_rule": {
            "security_group_id": own["id"], "direction": "ingress", "remote_group_id": group["id"],
        }});
        let path = "/v2.0/security-group-rules";
        assert_eq!(api.refused(404, "other", "POST", path, rule.clone()).await.0, "SecurityGroupNotFound");
        let url = entry(&api, "member", "security_group", &group, "access_as_shared", OTHER_PROJECT).await;
        let made = api.expect(201, "other", "POST", path, rule).await["security_group_rule"].clone();
        let (_, message) = api.refused(409, "member", "DELETE", &url, Value::Null).await;
        assert!(message.ends_with(&format!("security_group_rule {}", id(&made))), "{message}");
        let group_path = format!("/v2.0/security-groups/{}", id(&group));
        api.expect(204, "member", "DELETE", &group_path, Value::Null).await;
        assert_eq!(api.expect(200, "admin", "GET", PATH, Value::Null).await, json!({"rbac_policies": []}));
    })
    .await;
}

#[tokio::test]
async fn n24_tags_of_a_shared_group_are_its_owners() {
    TestApi::on_each_engine(|api| async move {
        let group = api.create("member", "/v2.0/security-groups", "security_group", json!({})).await;
        let tags = format!("/v2.0/security-groups/{}/tags", id(&group));
        api.expect(201, "member", "PUT", &format!("{tags}/red"), Value::Null).await;
        api.refused(404, "other", "GET", &tags, Value::Null).await;
        entry(&api, "member", "security_group", &group, "access_as_shared", OTHER_PROJECT).await;
        let seen = api.expect(200, "other", "GET", &tags, Value::Null).await;
        assert_eq!(seen, json!({"tags": ["red"]}));
        for (method, url) in
            [("PUT", format!("{tags}/blue")), ("DELETE", format!("{tags}/red")), ("DELETE", tags.clone())]
        {
            assert_eq!(api.refused(403, "other", method, &url, Value::Null).await.0, "PolicyNotAuthorized");
        }
    })
    .await;
}

#[tokio::test]
async fn n23_reading_what_can_be_shared_leaves_no_trace() {
    TestApi::on_each_engine(|api| async move {
        let before = *api.store().versions().borrow();
        for path in [
            PATH,
            "/v2.0/address-groups",
            "/v2.0/default-security-group-rules",
            "/v2.0/security-groups-default-statefulness",
            "/v2.0/security-groups?shared=True&project_id=bogus",
        ] {
            for token in ["member", "admin"] {
                api.expect(200, token, "GET", path, Value::Null).await;
            }
        }
        assert_eq!(*api.store().versions().borrow(), before);
    })
    .await;
}
