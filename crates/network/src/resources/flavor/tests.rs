//! API tests of flavors, on both engines.

use serde_json::{Value, json};

use crate::resources::router::tests::{id, refusal};
use crate::testing::{NOWHERE, TestApi};

const DRIVER: &str = "neutron.services.l3_router.service_providers.single_node.SingleNodeDriver";

async fn profile(api: &TestApi, object: Value) -> String {
    id(&api.create("admin", "/v2.0/service_profiles", "service_profile", object).await)
}

async fn flavor(api: &TestApi, mut object: Value) -> Value {
    if object["service_type"].is_null() {
        object["service_type"] = json!("L3_ROUTER_NAT");
    }
    api.create("admin", "/v2.0/flavors", "flavor", object).await
}

#[tokio::test]
async fn a_flavor_is_made_found_changed_and_deleted() {
    TestApi::on_each_engine(|api| async move {
        let made = flavor(&api, json!({"name": "plain"})).await;
        assert_eq!(
            made,
            json!({
                "id": made["id"], "name": "plain", "description": "", "service_type": "L3_ROUTER_NAT",
                "enabled": true, "service_profiles": [],
            })
        );
        let path = format!("/v2.0/flavors/{}", id(&made));
        let by_driver = profile(&api, json!({"driver": DRIVER})).await;
        let change = json!({"flavor": {"name": "n", "enabled": false, "service_profiles": [by_driver]}});
        let changed = api.expect(200, "admin", "PUT", &path, change).await["flavor"].take();
        assert_eq!(changed["service_profiles"], json!([by_driver]));
        assert_eq!(api.expect(200, "reader", "GET", &path, Value::Null).await["flavor"], changed);
        let list = "/v2.0/flavors?enabled=false&name=n&sort_key=name";
        let listed = api.expect(200, "reader", "GET", list, Value::Null).await;
        assert_eq!(listed, json!({"flavors": [changed]}));
        api.expect(204, "admin", "DELETE", &path, Value::Null).await;
        let gone = refusal("FlavorNotFound", format!("Flavor {} could not be found.", id(&made)));
        assert_eq!(api.refused(404, "reader", "GET", &path, Value::Null).await, gone);
        let unknown = json!({"flavor": {"service_type": "TEA"}});
        let refused = api.refused(400, "admin", "POST", "/v2.0/flavors", unknown).await;
        assert!(
            refused.1.starts_with("Invalid input for service_type. Reason: 'TEA' is not in ["),
            "{refused:?}"
        );
        let foreign = json!({"flavor": {"service_type": "QOS", "service_profiles": [NOWHERE]}});
        let refused = api.refused(404, "admin", "POST", "/v2.0/flavors", foreign).await;
        assert_eq!(refused.0, "ServiceProfileNotFound");
        let body = json!({"flavor": {"service_type": "QOS"}});
        assert_eq!(api.refused(403, "manager", "POST", "/v2.0/flavors", body).await.0, "PolicyNotAuthorized");
    })
    .await;
}

#[tokio::test]
async fn profiles_are_bound_and_lead_to_a_provider() {
    TestApi::on_each_engine(|api| async move {
        let made = flavor(&api, json!({})).await;
        let path = format!("/v2.0/flavors/{}/service_profiles", id(&made));
        let next = format!("/v2.0/flavors/{}/next_providers", id(&made));
        let unbound = format!("Service Profile  is not associated with flavor {}.", id(&made));
        assert_eq!(
            api.refused(404, "admin", "GET", &next, Value::Null).await,
            refusal("FlavorServiceProfileBindingNotFound", unbound)
        );
        let by_driver = profile(&api, json!({"driver": DRIVER})).await;
        let noted = profile(&api, json!({"metainfo": "{}"})).await;
        let bind = |profile: &str| json!({"service_profile": {"id": profile}});
        let bound = api.expect(201, "admin", "POST", &path, bind(&by_driver)).await;
        assert_eq!(bound, json!({"service_profile": {"id": made["id"]}}));
        let again = format!("Service Profile {by_driver} is already associated with flavor {}.", id(&made));
        assert_eq!(
            api.refused(409, "admin", "POST", &path, bind(&by_driver)).await,
            refusal("FlavorServiceProfileBindingExists", again)
        );
        assert_eq!(api.refused(404, "admin", "POST", &path, bind(NOWHERE)).await.0, "ServiceProfileNotFound");
        assert_eq!(api.refused(403, "manager", "POST", &path, bind(&noted)).await.0, "PolicyNotAuthorized");
        api.expect(201, "admin", "POST", &path, bind(&noted)).await;
        let provider = json!({"next_providers": [{"driver": DRIVER, "provider": "single_node"}]});
        assert_eq!(api.expect(200, "admin", "GET", &next, Value::Null).await, provider);
        let of_profile = format!("/v2.0/service_profiles/{by_driver}");
        let in_use = format!(
            "Service Profile {by_driver} is used by some service instance. Blocked by flavor {}.",
            id(&made)
        );
        assert_eq!(
            api.refused(409, "admin", "DELETE", &of_profile, Value::Null).await,
            refusal("ServiceProfileInUse", in_use)
        );
        let one = format!("{path}/{by_driver}");
        // Clients send a body along.
        api.expect(204, "admin", "DELETE", &one, json!({})).await;
        assert_eq!(
            api.refused(404, "admin", "DELETE", &one, Value::Null).await.0,
            "FlavorServiceProfileBindingNotFound"
        );
        assert_eq!(
            api.refused(404, "admin", "GET", &next, Value::Null).await.0,
            "ServiceProfileDriverNotFound",
            "the next profile names no driver"
        );
        api.expect(204, "admin", "DELETE", &of_profile, Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn routers_name_flavors_of_routers() {
    TestApi::on_each_engine(|api| async move {
        let by_driver = profile(&api, json!({"driver": DRIVER})).await;
        let plain = flavor(&api, json!({"service_profiles": [by_driver]})).await;
        let router = json!({"flavor_id": plain["id"]});
        let router = api.create("member", "/v2.0/routers", "router", router).await;
        assert_eq!(router["flavor_id"], plain["id"]);
        let shown = crate::resources::router::tests::shown(&api, "member", &id(&router)).await;
        assert_eq!(shown["flavor_id"], plain["id"]);
        let unnamed = api.create("member", "/v2.0/routers", "router", json!({})).await;
        assert_eq!(unnamed["flavor_id"], Value::Null);
        let path = format!("/v2.0/flavors/{}", id(&plain));
        let in_use = format!(
            "Flavor {} is used by some service instance. Blocked by router {}.",
            id(&plain),
            id(&router)
        );
        assert_eq!(
            api.refused(409, "admin", "DELETE", &path, Value::Null).await,
            refusal("FlavorInUse", in_use)
        );
        let refused = async |status, flavor: &str| {
            let body = json!({"router": {"flavor_id": flavor}});
            api.refused(status, "member", "POST", "/v2.0/routers", body).await
        };
        assert_eq!(refused(404, NOWHERE).await.0, "FlavorNotFound");
        let other = flavor(&api, json!({"service_type": "VPN", "service_profiles": [by_driver]})).await;
        assert_eq!(refused(400, &id(&other)).await.0, "BadRequest");
        api.expect(200, "admin", "PUT", &path, json!({"flavor": {"enabled": false}})).await;
        assert_eq!(refused(503, &id(&plain)).await, refusal("FlavorDisabled", "Flavor is not enabled."));
        let change = json!({"router": {"flavor_id": null}});
        let of_router = format!("/v2.0/routers/{}", id(&router));
        api.refused(400, "member", "PUT", &of_router, change).await;
        api.expect(204, "member", "DELETE", &of_router, Value::Null).await;
        api.expect(204, "admin", "DELETE", &path, Value::Null).await;
    })
    .await;
}
