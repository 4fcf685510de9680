//! Services, endpoints, regions, and the catalog made of them.

use serde_json::{Value, json};

use crate::service::{by_password, on_each, project};

#[tokio::test]
async fn services_and_endpoints_appear_in_the_catalog_while_enabled() {
    on_each(|service| async move {
        let demo = service.demo().await;
        let id =
            service.create("/v3/services", json!({"service": {"type": "metric", "name": "gnocchi"}})).await;
        let endpoint = json!({"endpoint": {
            "service_id": id, "interface": "public", "region_id": "RegionOne",
            "url": "http://m.test/v1/%(project_id)s", "name": "own",
        }});
        let endpoint = service.create("/v3/endpoints", endpoint).await;
        let path = format!("/v3/endpoints/{endpoint}");
        let shown = service.make("GET", &path, Value::Null).await.body["endpoint"].clone();
        assert_eq!((&shown["region"], &shown["name"]), (&json!("RegionOne"), &json!("own")));
        let urls = async || {
            let catalog = service.call("GET", "/v3/auth/catalog", &demo, None).await.body["catalog"].clone();
            let metric =
                catalog.as_array().expect("a list").iter().find(|entry| entry["type"] == "metric").cloned();
            metric.map(|entry| entry["endpoints"][0]["url"].clone())
        };
        let own = format!("http://m.test/v1/{}", service.ids.demo_project_id.clone().expect("a project"));
        assert_eq!(urls().await, Some(json!(own)));
        for (path, key) in [(path.clone(), "endpoint"), (format!("/v3/services/{id}"), "service")] {
            service.make("PATCH", &path, json!({key: {"enabled": false}})).await;
            assert_eq!(urls().await, None, "{key}");
            service.make("PATCH", &path, json!({key: {"enabled": true}})).await;
            assert_eq!(urls().await, Some(json!(own)), "{key}");
        }
        let by_type = service.make("GET", "/v3/services?type=metric", Value::Null).await;
        assert_eq!(by_type.all("services", "name"), ["gnocchi"]);
        service.make("DELETE", &format!("/v3/services/{id}"), Value::Null).await;
        assert_eq!(service.admin("GET", &path, None).await.status, 404, "endpoints go with their service");
        assert_eq!(urls().await, None);
        // Without a project the endpoint of a project has no URL.
        let system =
            service.auth(by_password("admin", "admin-secret", json!({"system": {"all": true}}))).await;
        assert_eq!(system.body["token"]["catalog"].as_array().map(Vec::len), Some(2));
    })
    .await;
}

#[tokio::test]
async fn endpoints_are_checked() {
    on_each(|service| async move {
        let network = service.make("GET", "/v3/services?type=network", Value::Null).await.all("services", "id")[0].clone();
        let good = json!({"service_id": network, "interface": "public", "url": "http://x.test", "region_id": "RegionOne"});
        for (key, value, status) in [
            ("interface", json!("private"), 400),
            ("service_id", json!("nothing"), 400),
            ("url", json!("ftp://x"), 400),
            ("url", json!("http://x/%(admin_token)s"), 400),
            ("url", json!("http://x/%(project_id"), 400),
            ("region_id", json!("nowhere"), 400),
            ("enabled", json!("yes"), 400),
            ("region_id", Value::Null, 201),
        ] {
            let mut endpoint = good.clone();
            endpoint[key] = value.clone();
            let answer = service.admin("POST", "/v3/endpoints", Some(json!({"endpoint": endpoint}))).await;
            assert_eq!(answer.status, status, "{key} {value}: {answer:?}");
        }
        for missing in ["interface", "service_id", "url"] {
            let mut endpoint = good.clone();
            endpoint.as_object_mut().expect("an object").remove(missing);
            let answer = service.admin("POST", "/v3/endpoints", Some(json!({"endpoint": endpoint}))).await;
            assert_eq!(answer.status, 400, "{missing}");
            assert!(answer.message().ends_with(&format!("'{missing}' is a required property")), "{answer:?}");
        }
        let mut legacy = good.clone();
        legacy.as_object_mut().expect("an object").remove("region_id");
        legacy["region"] = json!("made-by-name");
        service.create("/v3/endpoints", json!({"endpoint": legacy})).await;
        let regions = service.make("GET", "/v3/regions", Value::Null).await.all("regions", "id");
        assert_eq!(regions, ["RegionOne", "made-by-name"]);
        let public = service.make("GET", "/v3/endpoints?interface=public&region_id=RegionOne", Value::Null).await;
        assert_eq!(public.all("endpoints", "interface"), ["public", "public"]);
        let empty = service.admin("GET", "/v3/endpoints?service_id=nothing", None).await;
        assert_eq!(empty.body["endpoints"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn regions_contain_each_other_without_circles() {
    on_each(|service| async move {
        assert_eq!(
            service.create("/v3/regions", json!({"region": {"id": "eu", "description": "d"}})).await,
            "eu"
        );
        service.create("/v3/regions", json!({"region": {"id": "de", "parent_region_id": "eu"}})).await;
        service.create("/v3/regions", json!({"region": {"id": "be", "parent_region_id": "de"}})).await;
        let again = service.admin("POST", "/v3/regions", Some(json!({"region": {"id": "eu"}}))).await;
        assert_eq!(again.message(), "Conflict occurred attempting to store region - Duplicate ID, eu.");
        let orphan = json!({"region": {"parent_region_id": "nothing"}});
        assert_eq!(service.admin("POST", "/v3/regions", Some(orphan)).await.status, 404);
        for parent in ["eu", "de", "be"] {
            let circle = json!({"region": {"parent_region_id": parent}});
            assert_eq!(service.admin("PATCH", "/v3/regions/eu", Some(circle)).await.status, 400, "{parent}");
        }
        let below = service.make("GET", "/v3/regions?parent_region_id=eu", Value::Null).await;
        assert_eq!(below.all("regions", "id"), ["de"]);
        assert_eq!(service.admin("DELETE", "/v3/regions/RegionOne", None).await.status, 403);
        service.make("DELETE", "/v3/regions/eu", Value::Null).await;
        let left = service.make("GET", "/v3/regions", Value::Null).await.all("regions", "id");
        assert_eq!(left, ["RegionOne"]);
        let demo = service.login("demo", "demo-secret", project("demo")).await;
        assert_eq!(service.call("GET", "/v3/regions", &demo, None).await.status, 200, "anybody sees regions");
    })
    .await;
}
