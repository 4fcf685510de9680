//! API tests of service profiles, on both engines.

use serde_json::{Value, json};

use crate::resources::router::tests::{id, refusal};
use crate::testing::{NOWHERE, TestApi};

const DRIVER: &str = "neutron.services.l3_router.service_providers.single_node.SingleNodeDriver";

#[tokio::test]
async fn a_profile_is_made_found_changed_and_deleted() {
    TestApi::on_each_engine(|api| async move {
        let all = "/v2.0/service_profiles";
        let made = api.create("admin", all, "service_profile", json!({"driver": DRIVER})).await;
        assert_eq!(
            made,
            json!({"id": made["id"], "description": "", "driver": DRIVER, "enabled": true, "metainfo": ""})
        );
        let path = format!("{all}/{}", id(&made));
        let change = json!({"service_profile": {"driver": "", "metainfo": "{}", "enabled": "no"}});
        let changed = api.expect(200, "admin", "PUT", &path, change).await["service_profile"].take();
        assert_eq!((&changed["metainfo"], &changed["enabled"]), (&json!("{}"), &json!(false)));
        assert_eq!(api.expect(200, "admin", "GET", &path, Value::Null).await["service_profile"], changed);
        let list = format!("{all}?enabled=false&fields=id");
        let listed = api.expect(200, "admin", "GET", &list, Value::Null).await;
        assert_eq!(listed, json!({"service_profiles": [{"id": made["id"]}]}));
        api.expect(204, "admin", "DELETE", &path, Value::Null).await;
        let gone =
            refusal("ServiceProfileNotFound", format!("Service Profile {} could not be found.", id(&made)));
        assert_eq!(api.refused(404, "admin", "GET", &path, Value::Null).await, gone);
    })
    .await;
}

#[tokio::test]
async fn profiles_say_something_and_are_for_operators() {
    TestApi::on_each_engine(|api| async move {
        let post = async |status, token, object: Value| {
            let body = json!({"service_profile": object});
            api.refused(status, token, "POST", "/v2.0/service_profiles", body).await
        };
        let empty = "Service Profile needs either a driver or metainfo.";
        assert_eq!(post(400, "admin", json!({})).await, refusal("ServiceProfileEmpty", empty));
        let unknown = "Service Profile driver x could not be found.";
        assert_eq!(
            post(404, "admin", json!({"driver": "x"})).await,
            refusal("ServiceProfileDriverNotFound", unknown)
        );
        assert_eq!(post(403, "manager", json!({"metainfo": "x"})).await.0, "PolicyNotAuthorized");
        let made =
            api.create("admin", "/v2.0/service_profiles", "service_profile", json!({"metainfo": "x"})).await;
        let path = format!("/v2.0/service_profiles/{}", id(&made));
        for method in ["GET", "DELETE"] {
            let refused = api.refused(404, "manager", method, &path, Value::Null).await;
            assert_eq!(refused.0, "ServiceProfileNotFound");
        }
        let list = api.expect(200, "manager", "GET", "/v2.0/service_profiles", Value::Null).await;
        assert_eq!(list, json!({"service_profiles": []}));
        let nothing = json!({"service_profile": {"metainfo": ""}});
        assert_eq!(api.refused(400, "admin", "PUT", &path, nothing).await.0, "ServiceProfileEmpty");
        let nowhere = format!("/v2.0/service_profiles/{NOWHERE}");
        api.refused(404, "admin", "GET", &nowhere, Value::Null).await;
    })
    .await;
}
