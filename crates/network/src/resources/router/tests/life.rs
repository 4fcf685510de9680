//! Creating, finding, changing and deleting routers.

use serde_json::{Value, json};

use super::{Lab, attach, id, keys, refusal, router, shown};
use crate::Settings;
use crate::testing::{ADMIN_PROJECT, NOWHERE, OTHER_PROJECT, PROJECT, TestApi};
use isospin_store_kit::Engine;

const KEYS: &[&str] = &[
    "id",
    "name",
    "project_id",
    "admin_state_up",
    "status",
    "external_gateway_info",
    "description",
    "availability_zones",
    "availability_zone_hints",
    "routes",
    "flavor_id",
    "tags",
    "revision_number",
    "created_at",
    "updated_at",
    "conntrack_helpers",
    "tenant_id",
];

#[tokio::test]
async fn a_router_is_made_shown_changed_and_deleted() {
    TestApi::on_each_engine(|api| async move {
        let made = api.create("member", "/v2.0/routers", "router", json!({"name": "r1"})).await;
        assert_eq!(keys(&made), KEYS);
        assert_eq!(made["project_id"], PROJECT);
        assert_eq!(made["status"], "ACTIVE");
        assert_eq!(made["external_gateway_info"], Value::Null);
        assert_eq!(made["routes"], json!([]));
        assert_eq!(made["revision_number"], 1);
        let path = format!("/v2.0/routers/{}", id(&made));
        assert_eq!(api.expect(200, "reader", "GET", &path, Value::Null).await["router"], made);

        let as_admin = shown(&api, "admin", &id(&made)).await;
        assert_eq!(as_admin["distributed"], false);
        assert_eq!(as_admin["ha"], false);

        let change = json!({"router": {"name": "r2", "description": "d", "admin_state_up": "False"}});
        let changed = api.expect(200, "member", "PUT", &path, change.clone()).await["router"].take();
        assert_eq!(changed["name"], "r2");
        assert_eq!(changed["description"], "d");
        assert_eq!(changed["admin_state_up"], false);
        assert_eq!(changed["revision_number"], 2);
        // The same again changes nothing.
        let again = api.expect(200, "member", "PUT", &path, change).await["router"].take();
        assert_eq!(again["revision_number"], 2);

        let with_body = api.refused(400, "member", "DELETE", &path, json!({})).await;
        assert_eq!(with_body.0, "HTTPBadRequest");
        api.expect(204, "member", "DELETE", &path, Value::Null).await;
        let gone = refusal("RouterNotFound", format!("Router {} could not be found", id(&made)));
        assert_eq!(api.refused(404, "member", "GET", &path, Value::Null).await, gone);
        assert_eq!(api.refused(404, "member", "DELETE", &path, Value::Null).await, gone);
    })
    .await;
}

#[tokio::test]
async fn fields_filters_and_pages_of_lists() {
    TestApi::on_each_engine(|api| async move {
        for name in ["a", "b", "c"] {
            router(&api, json!({"name": name})).await;
        }
        let get = async |query: &str| {
            api.expect(200, "member", "GET", &format!("/v2.0/routers?{query}"), Value::Null).await
        };
        assert_eq!(get("name=b&fields=name").await, json!({"routers": [{"name": "b"}]}));
        assert_eq!(get("name=nobody").await, json!({"routers": []}));
        assert_eq!(get("admin_state_up=False").await["routers"], json!([]));
        let page = get("sort_key=name&sort_dir=desc&limit=2&fields=name&fields=id").await;
        assert_eq!(page["routers"][0]["name"], "c");
        assert_eq!(page["routers"][1]["name"], "b");
        let marker = page["routers"][1]["id"].as_str().expect("an id");
        let next = get(&format!("sort_key=name&sort_dir=desc&limit=2&marker={marker}&fields=name")).await;
        assert_eq!(next["routers"], json!([{"name": "a"}]));
        assert_eq!(page["routers_links"][0]["rel"], "next");

        let path = "/v2.0/routers?status=ACTIVE";
        let unknown = refusal("HTTPBadRequest", "['status'] is invalid attribute for filtering");
        assert_eq!(api.refused(400, "member", "GET", path, Value::Null).await, unknown);
        let path = format!("/v2.0/routers?marker={NOWHERE}&limit=1");
        assert_eq!(api.refused(404, "member", "GET", &path, Value::Null).await.0, "RouterNotFound");
    })
    .await;
}

#[tokio::test]
async fn routers_of_others_are_hidden() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router(&api, json!({})).await;
        attach(&api, &router_id, &lab.subnet).await;
        let base = format!("/v2.0/routers/{router_id}");
        let hidden = refusal("RouterNotFound", format!("Router {router_id} could not be found"));
        let route = json!({"router": {"routes": [{"destination": "10.9.0.0/24", "nexthop": "10.7.0.9"}]}});
        let port = json!({"subnet_id": lab.subnet});
        for (method, path, body) in [
            ("GET", base.clone(), Value::Null),
            ("PUT", base.clone(), json!({"router": {"name": "x"}})),
            ("DELETE", base.clone(), Value::Null),
            ("PUT", format!("{base}/add_router_interface"), port.clone()),
            ("PUT", format!("{base}/remove_router_interface"), port.clone()),
            ("PUT", format!("{base}/add_extraroutes"), route.clone()),
            ("PUT", format!("{base}/remove_extraroutes"), route.clone()),
        ] {
            assert_eq!(
                api.refused(404, "other", method, &path, body.clone()).await,
                hidden,
                "{method} {path}"
            );
            if method != "GET" {
                let (kind, message) = api.refused(403, "reader", method, &path, body).await;
                assert_eq!(kind, "PolicyNotAuthorized", "{method} {path}");
                assert!(message.ends_with("is disallowed by policy"), "{message}");
            }
        }
        let list = api.expect(200, "other", "GET", "/v2.0/routers", Value::Null).await;
        assert_eq!(list, json!({"routers": []}));
        let list = api.expect(200, "admin", "GET", "/v2.0/routers", Value::Null).await;
        assert_eq!(list["routers"].as_array().map(Vec::len), Some(1));
        for nonsense in [NOWHERE, "no-uuid", "%00", "'"] {
            let path = format!("/v2.0/routers/{nonsense}");
            assert_eq!(api.refused(404, "member", "GET", &path, Value::Null).await.0, "RouterNotFound");
        }
        api.refused(403, "reader", "POST", "/v2.0/routers", json!({"router": {}})).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_not_offered_is_refused_by_name() {
    TestApi::on_each_engine(|api| async move {
        let post = async |token: &'static str, status: u16, object: Value| {
            api.refused(status, token, "POST", "/v2.0/routers", json!({"router": object})).await
        };
        let reason = "'true' is not possible: no loaded driver makes such routers, only false is";
        let plain = id(&api.create("admin", "/v2.0/routers", "router", json!({})).await);
        let plain = format!("/v2.0/routers/{plain}");
        for name in ["distributed", "ha"] {
            let message = format!("Invalid input for {name}. Reason: {reason}.");
            assert_eq!(post("admin", 400, json!({name: true})).await, refusal("HTTPBadRequest", message));
            assert_eq!(post("member", 403, json!({name: false})).await.0, "PolicyNotAuthorized");
            let put = json!({"router": {name: true}});
            let message = format!("Invalid input for {name}. Reason: {reason}.");
            assert_eq!(
                api.refused(400, "admin", "PUT", &plain, put).await,
                refusal("HTTPBadRequest", message)
            );
            api.expect(200, "admin", "PUT", &plain, json!({"router": {name: false}})).await;
            api.create("admin", "/v2.0/routers", "router", json!({name: false})).await;
        }
        for name in ["enable_ndp_proxy", "nonsense"] {
            let message = format!("Unrecognized attribute(s) '{name}'");
            assert_eq!(post("admin", 400, json!({name: null})).await, refusal("HTTPBadRequest", message));
        }
        for name in ["routes", "status", "id", "availability_zones"] {
            let message = format!("Attribute '{name}' not allowed in POST");
            assert_eq!(post("member", 400, json!({name: null})).await, refusal("HTTPBadRequest", message));
        }
        let (kind, _) = post("member", 400, json!({"project_id": OTHER_PROJECT})).await;
        assert_eq!(kind, "HTTPBadRequest");
        let made = api.create("admin", "/v2.0/routers", "router", json!({"project_id": OTHER_PROJECT})).await;
        assert_eq!(made["tenant_id"], OTHER_PROJECT);
        assert_ne!(made["tenant_id"], ADMIN_PROJECT);
        let zone = post("member", 404, json!({"availability_zone_hints": ["mars"]})).await;
        assert_eq!(zone, refusal("AvailabilityZoneNotFound", "AvailabilityZone mars could not be found."));
        let path = format!("/v2.0/routers/{}", id(&made));
        let hints = json!({"router": {"availability_zone_hints": []}});
        let message = "Cannot update read-only attribute availability_zone_hints";
        assert_eq!(api.refused(400, "admin", "PUT", &path, hints).await, refusal("HTTPBadRequest", message));
    })
    .await;
}

#[tokio::test]
async fn quota_and_bulk_are_all_or_nothing() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let mut settings = Settings::default();
        settings.quotas.by_resource.insert("router", 2);
        let api = TestApi::with_settings(engine, settings).await;
        let three = json!({"routers": [{"name": "a"}, {"name": "b"}, {"router": {"name": "c"}}]});
        let over = refusal("OverQuota", "Quota exceeded for resources: ['router'].");
        assert_eq!(api.refused(409, "member", "POST", "/v2.0/routers", three).await, over);
        let none = api.expect(200, "member", "GET", "/v2.0/routers", Value::Null).await;
        assert_eq!(none, json!({"routers": []}));

        let two = json!({"routers": [{"name": "a"}, {"name": "b"}]});
        let made = api.expect(201, "member", "POST", "/v2.0/routers", two).await;
        assert_eq!(made["routers"][0]["name"], "a");
        assert_eq!(made["routers"][1]["name"], "b");
        let one = json!({"router": {}});
        assert_eq!(api.refused(409, "member", "POST", "/v2.0/routers", one.clone()).await, over);
        let path = format!("/v2.0/routers/{}", id(&made["routers"][0]));
        api.expect(204, "member", "DELETE", &path, Value::Null).await;
        api.expect(201, "member", "POST", "/v2.0/routers", one).await;
    }
}

#[tokio::test]
async fn a_stale_revision_changes_nothing() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router(&api, json!({"name": "old"})).await;
        let base = format!("/v2.0/routers/{router_id}");
        attach(&api, &router_id, &lab.subnet).await;
        assert_eq!(shown(&api, "member", &router_id).await["revision_number"], 2);
        let put = async |path: &str, revision: &str, body: Value| {
            let headers = [("if-match", revision)];
            api.send("member", "PUT", path, &headers, body.to_string().into_bytes()).await
        };
        let rename = json!({"router": {"name": "new"}});
        let (status, _, body) = put(&base, "revision_number=1", rename.clone()).await;
        assert_eq!(status, 412);
        assert_eq!(body["NeutronError"]["type"], "RevisionNumberConstraintFailed");
        assert_eq!(body["NeutronError"]["message"], "Constrained to 1, but current revision is 2");
        let detach = json!({"subnet_id": lab.subnet});
        let path = format!("{base}/remove_router_interface");
        assert_eq!(put(&path, "revision_number=1", detach).await.0, 412);
        assert_eq!(shown(&api, "member", &router_id).await["name"], "old");
        assert_eq!(put(&base, "revision_number=2", rename).await.0, 200);
    })
    .await;
}
