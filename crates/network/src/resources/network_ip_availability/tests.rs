//! API tests of availability on both engines, and of its numbers.

use isospin_store_kit::Engine;
use serde_json::{Value, json};

use super::model::{Availability, Counts, SubnetAvailability};
use super::view::Shown;
use crate::ranges::Range;
use crate::testing::{NOWHERE, PROJECT, TestApi};

/// A network with a /24, of which some addresses are given out automatically, and a /64.
async fn network(api: &TestApi, name: &str) -> String {
    let made = api.create("member", "/v2.0/networks", "network", json!({"name": name})).await;
    let id = made["id"].as_str().expect("an id").to_owned();
    let four = json!({"network_id": id, "ip_version": 4, "cidr": "10.77.0.0/24", "name": "four",
        "allocation_pools": [{"start": "10.77.0.10", "end": "10.77.0.200"}]});
    api.create("member", "/v2.0/subnets", "subnet", four).await;
    let six = json!({"network_id": id, "ip_version": 6, "cidr": "fd00:77::/64", "name": "six"});
    api.create("member", "/v2.0/subnets", "subnet", six).await;
    for ips in [json!([{"ip_address": "10.77.0.5"}]), json!([{"ip_address": "10.77.0.50"}])] {
        let port = json!({"network_id": id, "fixed_ips": ips});
        api.create("member", "/v2.0/ports", "port", port).await;
    }
    id
}

async fn availability(api: &TestApi, token: &str, query: &str) -> Value {
    let path = format!("/v2.0/network-ip-availabilities{query}");
    api.expect(200, token, "GET", &path, Value::Null).await
}

#[tokio::test]
async fn a_network_shows_what_it_has_and_what_is_used() {
    TestApi::on_each_engine(|api| async move {
        let id = network(&api, "n").await;
        let shown = availability(&api, "admin", &format!("/{id}")).await["network_ip_availability"].take();
        for (key, value) in [
            ("network_id", json!(id)),
            ("network_name", json!("n")),
            ("project_id", json!(PROJECT)),
            ("tenant_id", json!(PROJECT)),
            ("used_ips", json!(2)),
        ] {
            assert_eq!(shown[key], value, "{key}");
        }
        let of_version = |version: u8| {
            let subnets = shown["subnet_ip_availability"].as_array().expect("subnets");
            subnets.iter().find(|subnet| subnet["ip_version"] == version).expect("a subnet")
        };
        let four = of_version(4);
        assert_eq!(
            *four,
            json!({
                "subnet_id": four["subnet_id"], "ip_version": 4, "cidr": "10.77.0.0/24", "subnet_name": "four",
                "used_ips": 2, "total_ips": 191, "ip_availability_details": {
                    "total_ips_in_subnet": 254, "total_ips_in_allocation_pool": 191,
                    "used_ips_in_subnet": 2, "used_ips_in_allocation_pool": 1,
                },
            })
        );
        let six = of_version(6);
        assert_eq!(six["total_ips"], json!(u64::MAX), "all but the router's anycast address");
        assert_eq!(shown["ip_availability_details"]["used_ips_in_allocation_pool"], 1);
        let slim = availability(&api, "admin", &format!("/{id}?fields=used_ips")).await;
        assert_eq!(slim, json!({"network_ip_availability": {"used_ips": 2}}));
    })
    .await;
}

#[tokio::test]
async fn lists_filter_and_page() {
    TestApi::on_each_engine(|api| async move {
        let first = network(&api, "a").await;
        let empty = api.create("member", "/v2.0/networks", "network", json!({"name": "b"})).await;
        let names = async |query: &str| {
            let listed = availability(&api, "service", query).await;
            let items = listed["network_ip_availabilities"].as_array().expect("a list").clone();
            let mut names: Vec<String> =
                items.iter().map(|item| item["network_name"].as_str().expect("a name").to_owned()).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(names("").await, ["a", "b"]);
        assert_eq!(names("?ip_version=4").await, ["a"]);
        assert_eq!(names("?network_name=b").await, ["b"]);
        assert_eq!(names(&format!("?network_id={first}")).await, ["a"]);
        assert_eq!(names(&format!("?tenant_id={PROJECT}&limit=1&sort_key=network_name")).await, ["a"]);
        assert_eq!(names("?project_id=nobody").await, [""; 0]);
        assert_eq!(names("?ip_version=5").await, [""; 0]);
        let of_four = availability(&api, "admin", "?ip_version=4").await;
        let subnets =
            of_four["network_ip_availabilities"][0]["subnet_ip_availability"].as_array().expect("subnets");
        assert_eq!(subnets.len(), 1, "subnets of other versions are left out");
        let paged = availability(&api, "admin", "?limit=1").await;
        assert_eq!(paged["network_ip_availabilities_links"][0]["rel"], "next");
        let path = format!("/{}", empty["id"].as_str().expect("an id"));
        let none = availability(&api, "admin", &path).await["network_ip_availability"].take();
        assert_eq!((&none["total_ips"], &none["subnet_ip_availability"]), (&json!(0), &json!([])));
        api.refused(400, "admin", "GET", "/v2.0/network-ip-availabilities?total_ips=1", Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn only_administrators_and_services_may_know() {
    let api = TestApi::new(Engine::Sqlite).await;
    let id = network(&api, "n").await;
    for token in ["member", "reader", "manager", "other"] {
        assert_eq!(availability(&api, token, "").await, json!({"network_ip_availabilities": []}), "{token}");
        let path = format!("/v2.0/network-ip-availabilities/{id}");
        let (kind, _) = api.refused(404, token, "GET", &path, Value::Null).await;
        assert_eq!(kind, "NetworkNotFound");
    }
    let paged = availability(&api, "other", "?limit=1").await.to_string();
    assert!(!paged.contains(&id), "links of pages tell nothing either: {paged}");
    for wrong in [NOWHERE, "no-uuid"] {
        let path = format!("/v2.0/network-ip-availabilities/{wrong}");
        api.refused(404, "admin", "GET", &path, Value::Null).await;
    }
}

#[test]
fn numbers_follow_from_prefix_and_pools() {
    let of = |cidr: &str, pools: &[Range]| Counts::of(cidr.parse().expect("a prefix"), pools, 3, 2);
    let pool = Range { first: 10, last: 19 };
    assert_eq!(
        of("10.0.0.0/24", &[pool, Range { first: 30, last: 30 }]),
        Counts { total: 11, used: 3, in_subnet: 254, in_pools: 11, used_in_pools: 2 }
    );
    assert_eq!(of("10.0.0.0/24", &[]).total, 254);
    assert_eq!((of("10.0.0.0/31", &[]).in_subnet, of("10.0.0.0/32", &[]).in_subnet), (2, 1));
    assert_eq!(of("fd00::/64", &[]).in_subnet, 1 << 64);
}

/// Sums beyond 64 bits are written as numbers, digit by digit.
#[test]
fn numbers_have_no_largest() {
    let subnet = |cidr: &str| SubnetAvailability {
        subnet_id: NOWHERE.parse().expect("an id"),
        name: "s".to_owned(),
        cidr: cidr.parse().expect("a prefix"),
        counts: Counts::of(cidr.parse().expect("a prefix"), &[], 1, 0),
    };
    let availability = Availability {
        network_id: NOWHERE.parse().expect("an id"),
        name: "n".to_owned(),
        project_id: "p".to_owned(),
        subnets: vec![subnet("fd00::/56"), subnet("10.0.0.0/24")],
    };
    let fields = ["total_ips".to_owned()];
    let text = serde_json::to_string(&Shown { availability: &availability, fields: &fields }).expect("JSON");
    assert_eq!(text, format!(r#"{{"total_ips":{}}}"#, (1_u128 << 72) + 254));
}
