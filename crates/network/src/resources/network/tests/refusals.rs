//! What is refused, in the words of the reference; and that nothing is half done.

use isospin_store_kit::Engine;
use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn bad_requests_get_the_words_of_the_reference() {
    let api = TestApi::new(Engine::Sqlite).await;
    let post = async |body: &[u8]| {
        let (status, _, answer) = api.send("admin", "POST", "/v2.0/networks", &[], body.to_vec()).await;
        let error = answer["NeutronError"].clone();
        (status, error["type"].as_str().expect("a type").to_owned(), error["message"].clone())
    };
    let cases: &[(&[u8], &str, &str)] = &[
        (b"{not json", "HTTPBadRequest", "Body contains invalid data"),
        (b"[]", "HTTPBadRequest", "Body contains invalid data"),
        (b"", "HTTPBadRequest", "Resource body required"),
        (br#"{"foo": {}}"#, "HTTPBadRequest", "Unable to find 'network' in request body"),
        (br#"{"networks": []}"#, "HTTPBadRequest", "Resources required"),
        (br#"{"network": {"nosuch": 1}}"#, "HTTPBadRequest", "Unrecognized attribute(s) 'nosuch'"),
        (br#"{"network": {"id": "x"}}"#, "HTTPBadRequest", "Attribute 'id' not allowed in POST"),
        (
            br#"{"network": {"admin_state_up": "maybe"}}"#,
            "InvalidInput",
            "Invalid input for operation: 'maybe' cannot be converted to boolean.",
        ),
    ];
    for (body, kind, message) in cases {
        let expected = (400, (*kind).to_owned(), json!(message));
        assert_eq!(post(body).await, expected, "{}", String::from_utf8_lossy(body));
    }
    let long = format!(r#"{{"network": {{"name": "{}"}}}}"#, "ä".repeat(256));
    assert_eq!(post(long.as_bytes()).await.0, 400);
    let fits = format!(r#"{{"network": {{"name": "{}"}}}}"#, "ä".repeat(255));
    let (status, ..) = api.send("admin", "POST", "/v2.0/networks", &[], fits.into_bytes()).await;
    assert_eq!(status, 201);
}

#[tokio::test]
async fn bad_updates_get_the_words_of_the_reference() {
    let api = TestApi::new(Engine::Sqlite).await;
    let made = network(&api, "admin", json!({})).await;
    let read_only =
        api.refused(400, "admin", "PUT", &path(&made), json!({"network": {"status": "DOWN"}})).await;
    assert_eq!(read_only.1, "Cannot update read-only attribute status");
    let bulk = api.refused(400, "admin", "PUT", &path(&made), json!({"networks": [{}]})).await;
    assert_eq!(bulk.1, "Bulk operation not supported");
    let (status, ..) = api.send("admin", "DELETE", &path(&made), &[], b"{}".to_vec()).await;
    assert_eq!(status, 400);
    let (kind, _) = api.refused(405, "admin", "PATCH", "/v2.0/networks", json!({})).await;
    assert_eq!(kind, "HTTPMethodNotAllowed");
}

#[tokio::test]
async fn unknown_and_foreign_networks_look_the_same() {
    TestApi::on_each_engine(|api| async move {
        let made = network(&api, "member", json!({})).await;
        let foreign = made["id"].as_str().expect("an id");
        for id in [NOWHERE, "not-a-uuid", foreign] {
            let path = format!("/v2.0/networks/{id}");
            for (method, body) in
                [("GET", Value::Null), ("PUT", json!({"network": {"name": "x"}})), ("DELETE", Value::Null)]
            {
                let refused = api.refused(404, "other", method, &path, body).await;
                let message = format!("Network {id} could not be found.");
                assert_eq!(refused, ("NetworkNotFound".to_owned(), message), "{method}");
            }
        }
        let listed = api.expect(200, "other", "GET", "/v2.0/networks", Value::Null).await;
        assert_eq!(listed, json!({"networks": []}));
        assert_eq!(
            api.expect(200, "admin", "GET", &path(&made), Value::Null).await["network"]["revision_number"],
            1
        );
    })
    .await;
}

#[tokio::test]
async fn no_token_or_a_bad_one_is_refused_before_anything() {
    let api = TestApi::new(Engine::Sqlite).await;
    for token in ["", "nonsense"] {
        let (status, headers, body) = api.request(token, "GET", "/v2.0/networks", Value::Null).await;
        assert_eq!(status, 401);
        assert_eq!(headers["www-authenticate"], "Keystone uri=\"http://identity.test:5000\"");
        assert_eq!(body["error"]["message"], "The request you have made requires authentication.");
        assert!(headers["x-openstack-request-id"].to_str().expect("a text").starts_with("req-"));
    }
}

#[tokio::test]
async fn attributes_of_administrators_are_refused_by_name() {
    let api = TestApi::new(Engine::Sqlite).await;
    let refused =
        api.refused(403, "member", "POST", "/v2.0/networks", json!({"network": {"shared": true}})).await;
    let message = "(rule:create_network and rule:create_network:shared) is disallowed by policy";
    assert_eq!(refused, ("PolicyNotAuthorized".to_owned(), message.to_owned()));
    for attribute in [
        "router:external",
        "is_default",
        "provider:network_type",
        "provider:physical_network",
        "provider:segmentation_id",
    ] {
        let value = match attribute {
            "provider:network_type" | "provider:physical_network" => json!("flat"),
            "provider:segmentation_id" => json!(1),
            _ => json!(true),
        };
        let (kind, _) = api
            .refused(403, "member", "POST", "/v2.0/networks", json!({"network": {attribute: value}}))
            .await;
        assert_eq!(kind, "PolicyNotAuthorized", "{attribute}");
    }
    api.refused(403, "reader", "POST", "/v2.0/networks", json!({"network": {}})).await;
    let project = json!({"network": {"project_id": OTHER_PROJECT}});
    let (_, message) = api.refused(400, "member", "POST", "/v2.0/networks", project.clone()).await;
    assert!(message.contains("requires admin privileges"), "{message}");
    let made = api.expect(201, "admin", "POST", "/v2.0/networks", project).await;
    assert_eq!(made["network"]["tenant_id"], OTHER_PROJECT);
    let both = json!({"network": {"project_id": PROJECT, "tenant_id": OTHER_PROJECT}});
    api.refused(400, "admin", "POST", "/v2.0/networks", both).await;
}

/// N08: an attribute an administrator may set is refused in updates by its presence,
/// also when it names the default.
#[tokio::test]
async fn n08_an_update_is_judged_by_the_attributes_it_names() {
    let api = TestApi::new(Engine::Sqlite).await;
    let made = network(&api, "member", json!({})).await;
    for attribute in ["shared", "router:external", "is_default"] {
        let body = json!({"network": {attribute: false}});
        let (kind, message) = api.refused(403, "member", "PUT", &path(&made), body).await;
        assert_eq!(kind, "PolicyNotAuthorized");
        assert!(message.contains(&format!("update_network:{attribute}")), "{message}");
    }
    // At creation the default is what everybody gets.
    network(&api, "member", json!({"shared": false, "router:external": false})).await;
}

#[tokio::test]
async fn over_quota_is_refused_and_counts_nothing() {
    TestApi::on_each_engine(|api| async move {
        api.write(|tx| {
            Box::pin(async move {
                tx.execute(
                    "INSERT INTO quotas (project_id, resource, \"limit\") VALUES ($1, 'network', 2)",
                    isospin_store_kit::values![PROJECT],
                )
                .await?;
                Ok(())
            })
        })
        .await;
        let first = network(&api, "member", json!({})).await;
        let bulk = json!({"networks": [{"name": "a"}, {"name": "b"}]});
        let refused = api.refused(409, "member", "POST", "/v2.0/networks", bulk).await;
        let message = "Quota exceeded for resources: ['network'].";
        assert_eq!(refused, ("OverQuota".to_owned(), message.to_owned()));
        let listed = api.expect(200, "member", "GET", "/v2.0/networks", Value::Null).await;
        assert_eq!(listed["networks"].as_array().map(Vec::len), Some(1), "a bulk request is all or nothing");
        network(&api, "member", json!({})).await;
        api.refused(409, "member", "POST", "/v2.0/networks", json!({"network": {}})).await;
        api.expect(204, "member", "DELETE", &path(&first), Value::Null).await;
        let next = network(&api, "member", json!({})).await;
        let admin = api.expect(200, "admin", "GET", &path(&next), Value::Null).await;
        assert_eq!(admin["network"]["provider:segmentation_id"], 1, "refused requests used no segment");
    })
    .await;
}

#[tokio::test]
async fn domains_must_be_names() {
    let api = TestApi::new(Engine::Sqlite).await;
    for domain in ["no.final.dot", "-a.", "a-.", "a..b.", "under_score.", "1.2.", ".", "a b.", "x\ny."] {
        let body = json!({"network": {"dns_domain": domain}});
        let (kind, message) = api.refused(400, "member", "POST", "/v2.0/networks", body).await;
        assert_eq!(kind, "HTTPBadRequest", "{domain}");
        assert!(message.starts_with("Invalid input for dns_domain. Reason: "), "{message}");
    }
    assert_eq!(
        network(&api, "member", json!({"dns_domain": "A.Example."})).await["dns_domain"],
        "a.example."
    );
}
