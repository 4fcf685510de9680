//! Discovery through the API, and URLs that lead nowhere.

use isospin_store_kit::Engine;
use serde_json::{Value, json};

use crate::testing::TestApi;

#[tokio::test]
async fn versions_and_health_need_no_token() {
    let api = TestApi::new(Engine::Sqlite).await;
    let versions = |href: &str| json!({"versions": [{"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": href}]}]});
    let (status, headers, body) = api.request("", "GET", "/", Value::Null).await;
    assert_eq!((status, body), (200, versions("http://api.test:9696/v2.0/")));
    assert!(headers.contains_key("x-openstack-request-id"));
    let forwarded = [("x-forwarded-proto", "https"), ("x-forwarded-host", "cloud.example.org")];
    let (_, _, body) = api.send("", "GET", "/", &forwarded, Vec::new()).await;
    assert_eq!(body, versions("https://cloud.example.org/v2.0/"));
    let (status, _, body) = api.request("", "GET", "/healthcheck", Value::Null).await;
    assert_eq!((status, body), (200, json!("OK")));
    for path in ["/", "/healthcheck"] {
        let (kind, _) = api.refused(405, "", "POST", path, json!({})).await;
        assert_eq!(kind, "HTTPMethodNotAllowed");
    }
}

#[tokio::test]
async fn collections_need_one() {
    let api = TestApi::new(Engine::Sqlite).await;
    for path in ["/v2.0", "/v2.0/"] {
        assert_eq!(api.request("", "GET", path, Value::Null).await.0, 401);
        let found = api.expect(200, "reader", "GET", path, Value::Null).await;
        let expected = json!({"name": "network", "collection": "networks",
            "links": [{"rel": "self", "href": "http://api.test:9696/v2.0/networks"}]});
        assert_eq!(found["resources"][0], expected);
    }
    let (kind, _) = api.refused(405, "admin", "POST", "/v2.0/", json!({})).await;
    assert_eq!(kind, "HTTPMethodNotAllowed");
}

#[tokio::test]
async fn unknown_urls_are_not_found() {
    let api = TestApi::new(Engine::Sqlite).await;
    for path in ["/v2.0/nosuchthing", "/v2.0/networks/a/b/c/d", "/v3"] {
        let found = api.refused(404, "admin", "GET", path, Value::Null).await;
        assert_eq!(
            found,
            ("HTTPNotFound".to_owned(), "The resource could not be found.".to_owned()),
            "{path}"
        );
    }
    let long = format!("/v2.0/networks?id={}", "a".repeat(9000));
    let (kind, _) = api.refused(414, "admin", "GET", &long, Value::Null).await;
    assert_eq!(kind, "HTTPRequestURITooLong");
}

/// What is refused before a handler sees it is refused in the API's own shape.
#[tokio::test]
async fn refusals_of_the_framework_are_faults_too() {
    let api = TestApi::new(Engine::Sqlite).await;
    let (kind, message) = api.refused(400, "admin", "GET", "/v2.0/networks/%ff", Value::Null).await;
    assert_eq!((kind.as_str(), message.contains("UTF-8")), ("HTTPBadRequest", true), "{message}");
    let body = vec![b' '; isospin_api_kit::http::MAX_BODY + 1];
    let (status, headers, fault) = api.send("admin", "POST", "/v2.0/networks", &[], body).await;
    assert_eq!((status, &fault["NeutronError"]["type"]), (413, &json!("HTTPRequestEntityTooLarge")));
    assert_eq!(headers["content-type"], "application/json");
    let (_, headers, _) = api.request("admin", "PATCH", "/v2.0/networks", Value::Null).await;
    assert_eq!(headers["allow"], "GET,HEAD,POST");
}

/// Bytes of memory this process holds.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
    let pages: usize = statm.split(' ').nth(1).and_then(|field| field.parse().ok()).expect("resident pages");
    pages * 4096
}

/// N22: nothing is kept for a URL, there or not: memory does not grow with them.
#[tokio::test]
async fn n22_urls_leave_nothing_behind() {
    let api = TestApi::new(Engine::Sqlite).await;
    let round = async |from: u32, count: u32| {
        for number in from..from + count {
            // A spread of shapes: unknown collections, unknown members, no version.
            let noise = number.wrapping_mul(2_654_435_761);
            let (path, expected) = match number % 5 {
                0 => (format!("/v2.0/x{noise:x}"), 404),
                1 => (format!("/v2.0/networks/{noise:x}/y{number}"), 404),
                2 => (format!("/{noise:x}/{number}"), 404),
                // Known URLs with something new in them each time.
                3 => (format!("/v2.0/networks/{}", uuid::Uuid::from_u128(noise.into())), 404),
                _ => (format!("/v2.0/routers?name={noise:x}&fields=f{number}"), 200),
            };
            let (status, ..) = api.request("admin", "GET", &path, Value::Null).await;
            assert_eq!(status, expected, "{path}");
        }
    };
    round(0, 5_000).await;
    let before = resident();
    round(5_000, 20_000).await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 1 << 20, "{grown} bytes for 20000 URLs");
}
