//! Tags through the API.

use isospin_store_kit::Engine;
use serde_json::{Value, json};

use crate::testing::{NOWHERE, TestApi};

async fn tags_of_network(api: &TestApi) -> String {
    let made = api.create("member", "/v2.0/networks", "network", json!({})).await;
    format!("/v2.0/networks/{}/tags", made["id"].as_str().expect("an id"))
}

#[tokio::test]
async fn tags_are_set_added_checked_and_removed() {
    TestApi::on_each_engine(|api| async move {
        let tags = tags_of_network(&api).await;
        let get = async || api.expect(200, "reader", "GET", &tags, Value::Null).await["tags"].clone();
        assert_eq!(get().await, json!([]));
        let set = api.expect(200, "member", "PUT", &tags, json!({"tags": ["red", "blue"]})).await;
        assert_eq!(set, json!({"tags": ["red", "blue"]}), "the answer repeats the request");
        assert_eq!(get().await, json!(["blue", "red"]));
        assert_eq!(
            api.expect(201, "member", "PUT", &format!("{tags}/green"), Value::Null).await,
            Value::Null
        );
        api.expect(204, "member", "GET", &format!("{tags}/green"), Value::Null).await;
        let found = api.refused(404, "member", "GET", &format!("{tags}/none"), Value::Null).await;
        assert_eq!(found, ("TagNotFound".to_owned(), "Tag none could not be found.".to_owned()));
        api.expect(204, "member", "DELETE", &format!("{tags}/green"), Value::Null).await;
        api.refused(404, "member", "DELETE", &format!("{tags}/green"), Value::Null).await;
        api.expect(201, "member", "POST", &tags, json!({"tags": ["red", "new one"]})).await;
        assert_eq!(get().await, json!(["blue", "new one", "red"]));
        api.expect(204, "member", "GET", &format!("{tags}/new%20one"), Value::Null).await;
        api.expect(204, "member", "DELETE", &tags, Value::Null).await;
        assert_eq!(get().await, json!([]));
    })
    .await;
}

#[tokio::test]
async fn a_change_of_tags_counts_for_the_resource() {
    let api = TestApi::new(Engine::Sqlite).await;
    let tags = tags_of_network(&api).await;
    let network = tags.strip_suffix("/tags").expect("a path").to_owned();
    let revision = async || {
        api.expect(200, "member", "GET", &network, Value::Null).await["network"]["revision_number"].clone()
    };
    api.expect(201, "member", "PUT", &format!("{tags}/a"), Value::Null).await;
    assert_eq!(revision().await, 2);
    api.expect(201, "member", "PUT", &format!("{tags}/a"), Value::Null).await;
    assert_eq!(revision().await, 2, "nothing changed");
}

#[tokio::test]
async fn what_is_no_list_of_tags_is_refused() {
    let api = TestApi::new(Engine::Sqlite).await;
    let tags = tags_of_network(&api).await;
    let many: Vec<String> = (0..51).map(|number| number.to_string()).collect();
    for (body, kind) in [
        (json!({}), "InvalidInput"),
        (json!({"tags": "red"}), "InvalidInput"),
        (json!({"tags": [1]}), "HTTPBadRequest"),
        (json!({"tags": [""]}), "HTTPBadRequest"),
        (json!({"tags": ["a", "a"]}), "HTTPBadRequest"),
        (json!({"tags": ["x".repeat(256)]}), "HTTPBadRequest"),
        (json!({"tags": many}), "HTTPBadRequest"),
    ] {
        assert_eq!(api.refused(400, "member", "PUT", &tags, body.clone()).await.0, kind, "{body}");
    }
    let fits: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    api.expect(200, "member", "PUT", &tags, json!({"tags": fits})).await;
    api.refused(400, "member", "PUT", &format!("{tags}/one-more"), Value::Null).await;
}

/// N24: tags are the resource's: who cannot see it finds no tags, who cannot change
/// it cannot tag it.
#[tokio::test]
async fn n24_tags_obey_the_policy_of_their_resource() {
    TestApi::on_each_engine(|api| async move {
        let external = json!({"router:external": true, "shared": true});
        let network = api.create("admin", "/v2.0/networks", "network", external).await;
        let own = api.create("member", "/v2.0/networks", "network", json!({})).await;
        let subnet = json!({"network_id": own["id"], "cidr": "10.0.0.0/24", "ip_version": 4});
        let subnet = api.create("member", "/v2.0/subnets", "subnet", subnet).await;
        let port = api.create("member", "/v2.0/ports", "port", json!({"network_id": own["id"]})).await;
        let router = api.create("member", "/v2.0/routers", "router", json!({})).await;
        let group =
            api.create("member", "/v2.0/security-groups", "security_group", json!({"name": "g"})).await;
        let path = |collection: &str, object: &Value| {
            format!("/v2.0/{collection}/{}/tags", object["id"].as_str().expect("an id"))
        };
        for (collection, object) in [
            ("networks", &own),
            ("subnets", &subnet),
            ("ports", &port),
            ("routers", &router),
            ("security-groups", &group),
        ] {
            let tags = path(collection, object);
            let writes = [
                ("PUT", tags.clone(), json!({"tags": ["x"]})),
                ("POST", tags.clone(), json!({"tags": ["x"]})),
                ("DELETE", tags.clone(), Value::Null),
                ("PUT", format!("{tags}/x"), Value::Null),
                ("DELETE", format!("{tags}/x"), Value::Null),
            ];
            for (method, path, body) in &writes {
                let (kind, _) = api.refused(404, "other", method, path, body.clone()).await;
                assert_eq!(kind, "TagResourceNotFound", "{method} {path}");
                let (kind, _) = api.refused(403, "reader", method, path, body.clone()).await;
                assert_eq!(kind, "PolicyNotAuthorized", "{method} {path}");
            }
            api.refused(404, "other", "GET", &tags, Value::Null).await;
            api.expect(200, "reader", "GET", &tags, Value::Null).await;
            api.expect(200, "member", "PUT", &tags, json!({"tags": ["x"]})).await;
        }
        // Visible to all, but not theirs.
        let tags = path("networks", &network);
        api.expect(200, "member", "GET", &tags, Value::Null).await;
        api.refused(403, "member", "PUT", &tags, json!({"tags": ["x"]})).await;
        let nowhere = format!("/v2.0/networks/{NOWHERE}/tags");
        let (kind, message) = api.refused(404, "admin", "GET", &nowhere, Value::Null).await;
        assert_eq!(kind, "TagResourceNotFound");
        assert_eq!(message, format!("Resource networks {NOWHERE} could not be found."));
        // A network's id is no subnet's: tags of one kind are not reached through another.
        let crossed = format!("/v2.0/subnets/{}/tags", own["id"].as_str().expect("an id"));
        api.refused(404, "admin", "PUT", &crossed, json!({"tags": ["x"]})).await;
    })
    .await;
}
