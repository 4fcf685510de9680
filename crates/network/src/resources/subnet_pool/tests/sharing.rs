//! Pools opened to other projects.

use super::*;
use crate::testing::OTHER_PROJECT;

#[tokio::test]
async fn who_sees_a_pool_may_take_from_it() {
    TestApi::on_each_engine(|api| async move {
        let options = json!({"default_prefixlen": 24});
        let mine = pool(&api, "member", &["10.0.0.0/16"], options.clone()).await;
        let network = network(&api, "other").await;
        let wanted = json!({"subnetpool_id": mine["id"]});
        let (kind, _) = subnet_refused(&api, 404, "other", &network, wanted.clone()).await;
        assert_eq!(kind, "SubnetPoolNotFound");
        let entry = json!({"object_type": "subnetpool", "object_id": mine["id"], "action": "access_as_shared",
            "target_tenant": OTHER_PROJECT});
        let entry = api.create("member", "/v2.0/rbac-policies", "rbac_policy", entry).await;
        let seen = api.expect(200, "other", "GET", &url(&mine), Value::Null).await;
        assert_eq!(seen["subnetpool"]["shared"], true);
        let own = api.expect(200, "member", "GET", &url(&mine), Value::Null).await;
        assert_eq!(own["subnetpool"]["shared"], false, "it is shared with another project only");
        let listed = api.expect(200, "other", "GET", "/v2.0/subnetpools?shared=True", Value::Null).await;
        assert_eq!(listed["subnetpools"][0]["id"], mine["id"]);
        subnet(&api, "other", &network, wanted).await;
        // To be seen is not to be changed, and what is used stays open.
        api.refused(403, "other", "PUT", &url(&mine), json!({"subnetpool": {"name": "x"}})).await;
        api.refused(403, "other", "DELETE", &url(&mine), Value::Null).await;
        let path = format!("/v2.0/rbac-policies/{}", id(&entry));
        let (kind, _) = api.refused(409, "member", "DELETE", &path, Value::Null).await;
        assert_eq!(kind, "RbacPolicyInUse");
    })
    .await;
}

#[tokio::test]
async fn administrators_share_with_all() {
    TestApi::on_each_engine(|api| async move {
        pool_refused(&api, 403, "member", &["10.0.0.0/16"], json!({"shared": true})).await;
        let shared = pool(&api, "admin", &["10.0.0.0/16"], json!({"shared": true})).await;
        assert_eq!(shared["shared"], true);
        for token in ["admin", "member", "other", "reader"] {
            let listed = api.expect(200, token, "GET", "/v2.0/subnetpools", Value::Null).await;
            assert_eq!(listed["subnetpools"], json!([shared]), "{token}");
        }
        let listed = api.expect(200, "member", "GET", "/v2.0/subnetpools?shared=False", Value::Null).await;
        assert_eq!(listed["subnetpools"], json!([]));
        api.expect(204, "admin", "DELETE", &url(&shared), Value::Null).await;
        let entries = api.expect(200, "admin", "GET", "/v2.0/rbac-policies", Value::Null).await;
        assert_eq!(entries, json!({"rbac_policies": []}), "the entries go with the pool");
    })
    .await;
}
