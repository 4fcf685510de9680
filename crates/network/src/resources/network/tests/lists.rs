//! Lists: filters, fields, order, pages, tags; and that reading leaves no trace.

use isospin_store_kit::{Engine, Store};
use serde_json::{Value, json};

use super::*;
use crate::MIGRATIONS;

fn names(listed: &Value) -> Vec<&str> {
    let items = listed["networks"].as_array().expect("a list");
    items.iter().map(|item| item["name"].as_str().expect("a name")).collect()
}

async fn some(api: &TestApi) -> Vec<Value> {
    let bodies: Vec<Value> =
        ["c", "a", "b", "e", "d"].iter().map(|name| json!({"network": {"name": name}})).collect();
    let made = api.expect(201, "member", "POST", "/v2.0/networks", json!({"networks": bodies})).await;
    let items = made["networks"].as_array().expect("a list").clone();
    assert_eq!(items.iter().map(|item| item["name"].clone()).collect::<Vec<_>>(), ["c", "a", "b", "e", "d"]);
    items
}

#[tokio::test]
async fn filters_fields_and_order_are_those_asked_for() {
    TestApi::on_each_engine(|api| async move {
        let made = some(&api).await;
        let get = async |query: &str| {
            api.expect(200, "member", "GET", &format!("/v2.0/networks?{query}"), Value::Null).await
        };
        assert_eq!(names(&get("sort_key=name").await), ["a", "b", "c", "d", "e"]);
        assert_eq!(names(&get("sort_key=name&sort_dir=desc").await), ["e", "d", "c", "b", "a"]);
        assert_eq!(names(&get("name=a&name=e&sort_key=name").await), ["a", "e"]);
        assert_eq!(names(&get("name=a&mtu=1400").await), Vec::<&str>::new());
        assert_eq!(names(&get("admin_state_up=False").await), Vec::<&str>::new());
        assert_eq!(get("status=ACTIVE").await["networks"].as_array().map(Vec::len), Some(5));
        let ids: Vec<String> =
            made.iter().take(2).map(|item| format!("id={}", item["id"].as_str().expect("an id"))).collect();
        assert_eq!(names(&get(&format!("{}&sort_key=name", ids.join("&"))).await), ["a", "c"]);
        assert_eq!(get("fields=name&name=a").await, json!({"networks": [{"name": "a"}]}));
        let shown =
            api.expect(200, "member", "GET", &format!("{}?fields=mtu", path(&made[0])), Value::Null).await;
        assert_eq!(shown, json!({"network": {"mtu": 1450}}));
        assert_eq!(get("changed_since=2099-01-01T00:00:00Z").await, json!({"networks": []}));
    })
    .await;
}

#[tokio::test]
async fn pages_lead_through_the_whole_list_and_back() {
    TestApi::on_each_engine(|api| async move {
        some(&api).await;
        let mut next = Some("http://api.test:9696/v2.0/networks?limit=2&sort_key=name".to_owned());
        let mut found = Vec::new();
        let mut last = Value::Null;
        while let Some(url) = next {
            let path = url.strip_prefix("http://api.test:9696").expect("an absolute link").to_owned();
            last = api.expect(200, "member", "GET", &path, Value::Null).await;
            found.extend(names(&last).into_iter().map(str::to_owned));
            let links = last["networks_links"].as_array().expect("links").clone();
            let next_link = links.iter().find(|link| link["rel"] == "next");
            next = next_link.and_then(|link| link["href"].as_str()).map(str::to_owned);
        }
        assert_eq!(found, ["a", "b", "c", "d", "e"]);
        let links = last["networks_links"].as_array().expect("links").clone();
        let previous = links.iter().find(|link| link["rel"] == "previous").expect("a link back");
        let href =
            previous["href"].as_str().expect("an URL").strip_prefix("http://api.test:9696").expect("ours");
        let page = api.expect(200, "member", "GET", href, Value::Null).await;
        assert_eq!(names(&page), ["c", "d"], "the page before, in the order shown");
    })
    .await;
}

#[tokio::test]
async fn what_a_list_cannot_be_asked_is_said() {
    let api = TestApi::new(Engine::Sqlite).await;
    for (query, kind, message) in [
        (
            "limit=abc",
            "BadRequest",
            "Bad limit request: Limit must be an integer 0 or greater and not 'abc'.",
        ),
        ("foo=1", "HTTPBadRequest", "['foo'] is invalid attribute for filtering"),
        ("sort_key=nope", "HTTPBadRequest", "['nope'] is invalid attribute for sort_key"),
    ] {
        let refused =
            api.refused(400, "member", "GET", &format!("/v2.0/networks?{query}"), Value::Null).await;
        assert_eq!(refused, (kind.to_owned(), message.to_owned()), "{query}");
    }
    let marker = format!("/v2.0/networks?limit=1&marker={NOWHERE}");
    let (kind, _) = api.refused(404, "member", "GET", &marker, Value::Null).await;
    assert_eq!(kind, "NetworkNotFound");
    let clash = "/v2.0/networks?project_id=a&tenant_id=b";
    let (kind, _) = api.refused(400, "member", "GET", clash, Value::Null).await;
    assert_eq!(kind, "TenantIdProjectIdFilterConflict");
}

#[tokio::test]
async fn tags_find_networks() {
    TestApi::on_each_engine(|api| async move {
        let made = some(&api).await;
        for (index, tags) in [(0, json!(["red"])), (1, json!(["red", "blue"])), (2, json!(["green"]))] {
            api.expect(200, "member", "PUT", &format!("{}/tags", path(&made[index])), json!({"tags": tags}))
                .await;
        }
        for (query, expected) in [
            ("tags=red", vec!["a", "c"]),
            ("tags=red,blue", vec!["a"]),
            ("tags-any=blue,green", vec!["a", "b"]),
            ("not-tags=red,blue", vec!["b", "c", "d", "e"]),
            ("not-tags-any=red,green", vec!["d", "e"]),
        ] {
            let path = format!("/v2.0/networks?{query}&sort_key=name");
            let listed = api.expect(200, "member", "GET", &path, Value::Null).await;
            assert_eq!(names(&listed), expected, "{query}");
        }
        let path = "/v2.0/networks?tags=red,blue&fields=tags";
        let listed = api.expect(200, "member", "GET", path, Value::Null).await;
        assert_eq!(listed, json!({"networks": [{"tags": ["blue", "red"]}]}));
    })
    .await;
}

/// How many rows each table of the schema has, and the change rows.
async fn rows(store: &Store) -> Vec<(String, usize)> {
    let lines = || MIGRATIONS.steps.iter().flat_map(|step| step.sql.lines());
    let dropped: Vec<&str> =
        lines().filter_map(|line| line.strip_prefix("DROP TABLE ")?.strip_suffix(';')).collect();
    let created = lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")?.strip_suffix(" ("));
    let tables = created.filter(|table| !dropped.contains(table)).chain(["changes"]);
    let mut session = store.reader().await.expect("a reader");
    let mut counted = Vec::new();
    for table in tables {
        let rows = session.rows(&format!("SELECT 1 FROM {table}"), vec![]).await.expect(table);
        counted.push((table.to_owned(), rows.len()));
    }
    assert!(counted.len() > 15, "the tables were found");
    counted
}

/// N23: reading never writes, whatever is asked for and by whom.
#[tokio::test]
async fn n23_reading_leaves_no_trace() {
    TestApi::on_each_engine(|api| async move {
        let made = network(&api, "member", json!({"name": "n"})).await;
        let subnet = json!({"network_id": made["id"], "cidr": "10.0.0.0/24", "ip_version": 4});
        api.create("member", "/v2.0/subnets", "subnet", subnet).await;
        let before = (rows(api.store()).await, *api.store().versions().borrow());
        let collections = [
            "networks",
            "subnets",
            "subnetpools",
            "address-scopes",
            "network-ip-availabilities",
            "ports",
            "routers",
            "floatingips",
            "security-groups",
            "security-group-rules",
            "availability_zones",
            "extensions",
            "agents",
            "quotas",
            "segments",
            "network_segment_ranges",
        ];
        for token in ["admin", "member", "reader", "manager", "other", "service"] {
            for collection in collections {
                for suffix in [
                    "",
                    "?project_id=bogus",
                    "?tenant_id=bogus&fields=id",
                    "/bogus",
                    "/bogus/tags",
                    "/bogus/details",
                ] {
                    let path = format!("/v2.0/{collection}{suffix}");
                    let (status, ..) = api.request(token, "GET", &path, Value::Null).await;
                    assert!(status < 500, "{path} as {token}: {status}");
                }
            }
            api.request(token, "GET", &path(&made), Value::Null).await;
        }
        let after = (rows(api.store()).await, *api.store().versions().borrow());
        assert_eq!(before, after);
    })
    .await;
}
