//! Ranges through the API, on both engines, and what networks get of them.

use isospin_store_kit::Engine;
use serde_json::{Value, json};

use crate::testing::{NOWHERE, OTHER_PROJECT, PROJECT, TestApi};
use crate::{SegmentRange, Settings};

const ALL: &str = "/v2.0/network_segment_ranges";

fn settings() -> Settings {
    Settings {
        tenant_network_types: vec!["vlan".to_owned()],
        vlan_ranges: [("physnet1".to_owned(), vec![SegmentRange { first: 100, last: 104 }])].into(),
        ..Settings::default()
    }
}

async fn on_each_engine<F: Future<Output = ()>>(body: impl Fn(TestApi) -> F) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        body(TestApi::with_settings(engine, settings()).await).await;
    }
}

fn vlan(minimum: u32, maximum: u32) -> Value {
    json!({"network_type": "vlan", "physical_network": "physnet1", "minimum": minimum, "maximum": maximum})
}

fn of_project(mut range: Value, project: &str) -> Value {
    range["shared"] = json!(false);
    range["project_id"] = json!(project);
    range
}

async fn create(api: &TestApi, range: Value) -> Value {
    api.create("admin", ALL, "network_segment_range", range).await
}

async fn refused(api: &TestApi, status: u16, method: &str, path: &str, range: Value) -> (String, String) {
    let body = if method == "DELETE" { Value::Null } else { json!({ "network_segment_range": range }) };
    api.refused(status, "admin", method, path, body).await
}

fn path(range: &Value) -> String {
    format!("{ALL}/{}", range["id"].as_str().expect("an id"))
}

async fn shown(api: &TestApi, range: &Value) -> Value {
    api.expect(200, "admin", "GET", &path(range), Value::Null).await["network_segment_range"].take()
}

/// The tag of a new network of the token's project.
async fn taken(api: &TestApi, token: &str) -> u64 {
    let made = api.create(token, "/v2.0/networks", "network", json!({})).await;
    let path = format!("/v2.0/networks/{}", made["id"].as_str().expect("an id"));
    let shown = api.expect(200, "admin", "GET", &path, Value::Null).await;
    shown["network"]["provider:segmentation_id"].as_u64().expect("a tag")
}

#[tokio::test]
async fn a_range_has_the_keys_clients_know() {
    on_each_engine(|api| async move {
        let mut range = of_project(vlan(2500, 2503), PROJECT);
        range["name"] = json!("s-range");
        let mut made = create(&api, range).await;
        assert_eq!(shown(&api, &made).await, made);
        let fields = made.as_object_mut().expect("an object");
        for name in ["id", "created_at", "updated_at"] {
            assert!(fields.remove(name).is_some_and(|value| value.is_string()), "{name}");
        }
        let expected = json!({"name": "s-range", "description": "", "default": false, "shared": false,
            "project_id": PROJECT, "tenant_id": PROJECT, "network_type": "vlan", "physical_network": "physnet1",
            "minimum": 2500, "maximum": 2503, "revision_number": 0, "used": {}, "tags": [],
            "available": [2500, 2501, 2502, 2503]});
        assert_eq!(made, expected);
        let defaults = api.expect(200, "admin", "GET", &format!("{ALL}?default=true"), Value::Null).await;
        let defaults = defaults["network_segment_ranges"].as_array().expect("a list").clone();
        assert_eq!(defaults.len(), 2, "one of VLANs and one of VXLAN");
        let tunnels = defaults.iter().find(|one| one["network_type"] == "vxlan").expect("the range of VXLAN");
        let listed = tunnels["available"].as_array().expect("a list");
        assert_eq!((listed.len(), &listed[0]), (10_000, &json!(1)), "not all 16 million are named");
        assert_eq!((&tunnels["physical_network"], &tunnels["project_id"]), (&Value::Null, &Value::Null));
    })
    .await;
}

#[tokio::test]
async fn projects_get_their_own_ids_first_and_never_those_of_others() {
    on_each_engine(|api| async move {
        let own = create(&api, of_project(vlan(200, 201), PROJECT)).await;
        // Cut out of the default range: nobody else may have it.
        create(&api, of_project(vlan(100, 101), OTHER_PROJECT)).await;
        let common = create(&api, vlan(300, 300)).await;
        let mut found = Vec::new();
        for _ in 0..6 {
            found.push(taken(&api, "member").await);
        }
        assert_eq!(found, [200, 201, 102, 103, 104, 300]);
        let body = json!({"network": {}});
        let (kind, _) = api.refused(503, "member", "POST", "/v2.0/networks", body).await;
        assert_eq!(kind, "NoNetworkAvailable");
        assert_eq!((taken(&api, "other").await, taken(&api, "other").await), (100, 101));
        let own = shown(&api, &own).await;
        assert_eq!((&own["used"], &own["available"]), (&json!({"200": PROJECT, "201": PROJECT}), &json!([])));
        // An id that comes back is available again.
        let query = "/v2.0/networks?provider:segmentation_id=201";
        let listed = api.expect(200, "admin", "GET", query, Value::Null).await;
        let network = listed["networks"][0]["id"].as_str().expect("an id").to_owned();
        api.expect(204, "admin", "DELETE", &format!("/v2.0/networks/{network}"), Value::Null).await;
        assert_eq!(shown(&api, &own).await["available"], json!([201]));
        assert_eq!(shown(&api, &common).await["used"], json!({"300": PROJECT}));
        let brief = format!("{}?fields=minimum&fields=tags", path(&own));
        let brief = api.expect(200, "admin", "GET", &brief, Value::Null).await;
        assert_eq!(brief, json!({"network_segment_range": {"minimum": 200, "tags": []}}));
    })
    .await;
}

#[tokio::test]
async fn a_range_makes_a_physical_network_known() {
    let api = TestApi::with_settings(Engine::Sqlite, settings()).await;
    let wanted = json!({"provider:network_type": "vlan", "provider:physical_network": "physnet9"});
    let body = json!({ "network": wanted });
    api.refused(400, "admin", "POST", "/v2.0/networks", body).await;
    let mut range = vlan(9, 9);
    range["physical_network"] = json!("physnet9");
    create(&api, range).await;
    let made = api.create("admin", "/v2.0/networks", "network", wanted).await;
    assert_eq!(made["provider:segmentation_id"], 9);
}

#[tokio::test]
async fn ranges_in_use_keep_what_networks_have() {
    on_each_engine(|api| async move {
        let range = create(&api, of_project(vlan(200, 205), PROJECT)).await;
        assert_eq!(taken(&api, "member").await, 200);
        let put = async |status: u16, change: Value| {
            let body = json!({ "network_segment_range": change });
            api.expect(status, "admin", "PUT", &path(&range), body).await
        };
        let narrowed = put(409, json!({"minimum": 201})).await;
        assert_eq!(narrowed["NeutronError"]["type"], "NetworkSegmentRangeReferencedByProject");
        let id = range["id"].as_str().expect("an id");
        let message = narrowed["NeutronError"]["message"].as_str().expect("a message");
        let start = format!(
            "Network Segment Range {id} is referenced by one or more tenant networks. Blocked by network "
        );
        assert!(message.starts_with(&start), "{message}");
        let (kind, _) = refused(&api, 409, "DELETE", &path(&range), Value::Null).await;
        assert_eq!(kind, "NetworkSegmentRangeReferencedByProject");
        let changed = put(200, json!({"maximum": 201, "name": "n"})).await;
        let changed = &changed["network_segment_range"];
        assert_eq!((&changed["available"], &changed["revision_number"]), (&json!([201]), &json!(1)));
        let again = put(200, json!({"maximum": 201})).await;
        assert_eq!(again["network_segment_range"]["revision_number"], 1);
        assert_eq!((taken(&api, "member").await, taken(&api, "member").await), (201, 100));
        let free = create(&api, of_project(vlan(210, 210), PROJECT)).await;
        api.expect(204, "admin", "DELETE", &path(&free), Value::Null).await;
        assert_eq!(taken(&api, "member").await, 101, "gone with the range");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_a_range_is_refused() {
    on_each_engine(|api| async move {
        let made = create(&api, vlan(500, 510)).await;
        let id = made["id"].as_str().expect("an id");
        let vxlan = |minimum: u32, maximum: u32| json!({"network_type": "vxlan", "minimum": minimum, "maximum": maximum});
        let cases = [
            (409, vlan(510, 520), "NetworkSegmentRangeOverlaps",
                format!("Network segment range overlaps with range(s) with id {id}")),
            (400, vlan(600, 599), "NetworkVlanRangeError",
                "Invalid network VLAN range: '600:599' - 'End of VLAN range is less than start of VLAN range'.".to_owned()),
            (400, vlan(4000, 4095), "NetworkVlanRangeError",
                "Invalid network VLAN range: '4000:4095' - '4095 is not a valid VLAN tag'.".to_owned()),
            (400, vxlan(1, 16_777_216), "NetworkTunnelRangeError",
                "Invalid network tunnel range: '1:16777216' - 16777216 is not a valid vxlan identifier.".to_owned()),
            (400, json!({"network_type": "geneve", "minimum": 1, "maximum": 16_777_216}), "NetworkTunnelRangeError",
                "Invalid network tunnel range: '1:16777216' - 16777216 is not a valid geneve identifier.".to_owned()),
            (400, json!({"network_type": "vlan", "minimum": 1, "maximum": 2}), "BadRequest",
                "Bad network_segment_range request: Network type vlan requires 'physical_network' to be specified \
                 while creating new range.".to_owned()),
        ];
        for (status, range, kind, message) in cases {
            assert_eq!(refused(&api, status, "POST", ALL, range).await, (kind.to_owned(), message));
        }
        let default = format!("{ALL}?default=true&network_type=vlan");
        let default = api.expect(200, "admin", "GET", &default, Value::Null).await["network_segment_ranges"][0].take();
        for (method, body) in [("PUT", json!({"name": "x"})), ("DELETE", Value::Null)] {
            let (kind, _) = refused(&api, 400, method, &path(&default), body).await;
            assert_eq!(kind, "NetworkSegmentRangeDefaultReadOnly");
        }
        let (kind, _) = refused(&api, 404, "DELETE", &format!("{ALL}/{NOWHERE}"), Value::Null).await;
        assert_eq!(kind, "NetworkSegmentRangeNotFound");
    })
    .await;
}

#[tokio::test]
async fn only_administrators_see_ranges_and_their_tags() {
    let api = TestApi::with_settings(Engine::Sqlite, settings()).await;
    let made = create(&api, of_project(vlan(500, 510), PROJECT)).await;
    let listed = api.expect(200, "member", "GET", ALL, Value::Null).await;
    assert_eq!(listed, json!({"network_segment_ranges": []}));
    api.refused(404, "member", "GET", &path(&made), Value::Null).await;
    api.refused(404, "member", "DELETE", &path(&made), Value::Null).await;
    let body = json!({"network_segment_range": vlan(1, 2)});
    api.refused(403, "member", "POST", ALL, body).await;
    let tag = format!("{}/tags/red", path(&made));
    api.refused(404, "member", "PUT", &tag, Value::Null).await;
    api.expect(201, "admin", "PUT", &tag, Value::Null).await;
    let tagged = api.expect(200, "admin", "GET", &format!("{ALL}?tags=red&fields=tags"), Value::Null).await;
    assert_eq!(tagged, json!({"network_segment_ranges": [{"tags": ["red"]}]}));
}

#[tokio::test]
async fn a_start_keeps_ranges_and_follows_the_settings() {
    on_each_engine(|api| async move {
        let own = create(&api, of_project(vlan(200, 201), PROJECT)).await;
        let before = api.expect(200, "admin", "GET", &format!("{ALL}?default=true"), Value::Null).await;
        api.app.prepare().await.expect("prepared again");
        let after = api.expect(200, "admin", "GET", &format!("{ALL}?default=true"), Value::Null).await;
        assert_eq!(before, after, "nothing changed");
        let mut other = api.app.clone();
        let vlan_ranges = [("physnet1".to_owned(), vec![SegmentRange { first: 110, last: 110 }])].into();
        other.settings = std::sync::Arc::new(Settings { vlan_ranges, ..settings() });
        other.prepare().await.expect("prepared with other ranges");
        assert_eq!(shown(&api, &own).await["available"], json!([200, 201]));
        let found = [taken(&api, "member").await, taken(&api, "member").await, taken(&api, "member").await];
        assert_eq!(found, [200, 201, 110]);
    })
    .await;
}
