//! Walking lists page by page, on both engines: nothing is lost and nothing comes twice,
//! whatever they are sorted by.

use isospin_api_kit::attribute::ResourceType;
use isospin_store_kit::Engine;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::resources::{floating_ip, network, port, security_group_rule, subnet, subnet_pool};
use crate::testing::TestApi;

/// Lists with columns that may hold nothing, and where they are.
const LISTS: [(&str, ResourceType); 6] = [
    ("networks", network::TYPE),
    ("subnets", subnet::TYPE),
    ("ports", port::TYPE),
    ("floatingips", floating_ip::TYPE),
    ("security-group-rules", security_group_rule::TYPE),
    ("subnetpools", subnet_pool::TYPE),
];

/// How a list is asked for.
#[derive(Debug, Clone)]
struct Walk {
    list: usize,
    caller: &'static str,
    /// Which of the list's sort keys, and whether each is descending.
    keys: Vec<(Index, bool)>,
    limit: usize,
    backwards: bool,
}

fn walk() -> impl Strategy<Value = Walk> {
    let keys = proptest::collection::vec((any::<Index>(), any::<bool>()), 1..4);
    let caller = prop_oneof![Just("admin"), Just("member")];
    (0..LISTS.len(), caller, keys, 1..6usize, any::<bool>())
        .prop_map(|(list, caller, keys, limit, backwards)| Walk { list, caller, keys, limit, backwards })
}

impl Walk {
    /// Path and query, without what makes pages.
    fn path(&self) -> String {
        let (path, resource) = &LISTS[self.list];
        let attributes = resource.attributes.iter().flat_map(|some| some.iter());
        let sortable: Vec<&str> =
            attributes.filter(|attribute| attribute.sort.is_some()).map(|attribute| attribute.name).collect();
        let mut query = format!("/v2.0/{path}?fields=id");
        for (key, descending) in &self.keys {
            let direction = if *descending { "desc" } else { "asc" };
            query.push_str(&format!("&sort_key={}&sort_dir={direction}", key.get(&sortable)));
        }
        query
    }

    async fn ids(&self, api: &TestApi, path: &str) -> Vec<String> {
        let listed = api.expect(200, self.caller, "GET", path, Value::Null).await;
        let items = listed[LISTS[self.list].1.collection].as_array().expect("a list").clone();
        items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// All pages one after the other, in the order of the list.
    async fn pages(&self, api: &TestApi) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        loop {
            let mut path = format!("{}&limit={}", self.path(), self.limit);
            if self.backwards {
                path.push_str("&page_reverse=True");
            }
            if let Some(marker) = if self.backwards { all.first() } else { all.last() } {
                path.push_str(&format!("&marker={marker}"));
            }
            let page = self.ids(api, &path).await;
            assert!(page.len() <= self.limit, "{path}: {page:?}");
            if page.is_empty() {
                return all;
            }
            if self.backwards {
                all.splice(0..0, page);
            } else {
                all.extend(page);
            }
            assert!(all.len() < 1000, "{path} does not end");
        }
    }
}

/// Objects that leave out of what can be left out now this, now that.
async fn fill(api: &TestApi) {
    let make = async |caller: &str, path: &str, key: &str, object: Value| {
        api.create(caller, &format!("/v2.0/{path}"), key, object).await["id"].take()
    };
    let outside = make("admin", "networks", "network", json!({"router:external": true})).await;
    make(
        "admin",
        "subnets",
        "subnet",
        json!({"network_id": outside, "ip_version": 4, "cidr": "172.24.0.0/24"}),
    )
    .await;
    let router = json!({"external_gateway_info": {"network_id": outside}});
    let router = make("member", "routers", "router", router).await;
    let gateways = [json!("10.0.0.1"), Value::Null, json!("10.0.0.9")];
    for (number, gateway) in gateways.into_iter().enumerate() {
        let network =
            make("member", "networks", "network", json!({"name": format!("n{}", number % 2)})).await;
        let object =
            json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24", "gateway_ip": gateway});
        let four = make("member", "subnets", "subnet", object).await;
        let modes = json!({"network_id": network, "ip_version": 6, "cidr": "fd00::/64",
            "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"});
        make("member", "subnets", "subnet", modes).await;
        let port = make("member", "ports", "port", json!({"network_id": network})).await;
        let mut object = json!({"floating_network_id": outside});
        if number == 0 {
            let path = format!("/v2.0/routers/{}/add_router_interface", router.as_str().expect("an id"));
            api.expect(200, "member", "PUT", &path, json!({"subnet_id": four})).await;
            object["port_id"] = port;
        }
        make("member", "floatingips", "floatingip", object).await;
        let mut pool = json!({"name": "p", "prefixes": [format!("10.{number}.0.0/16")]});
        if number > 0 {
            pool["default_quota"] = json!(number);
        }
        make("member", "subnetpools", "subnetpool", pool).await;
    }
    let group = make("member", "security-groups", "security_group", json!({"name": "g"})).await;
    for rule in [
        json!({"protocol": "tcp"}),
        json!({"protocol": "tcp", "port_range_min": 80, "port_range_max": 90}),
        json!({"protocol": "udp", "port_range_min": 80, "port_range_max": 80}),
        json!({"remote_group_id": group}),
        json!({"remote_ip_prefix": "10.0.0.0/8", "protocol": "tcp"}),
        json!({"remote_ip_prefix": "10.0.0.0/8"}),
    ] {
        let mut object = json!({"security_group_id": group, "direction": "ingress"});
        object.as_object_mut().expect("an object").extend(rule.as_object().expect("an object").clone());
        make("member", "security-group-rules", "security_group_rule", object).await;
    }
}

#[test]
fn pages_put_together_are_the_list() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let api = runtime.block_on(async {
            let api = TestApi::new(engine).await;
            fill(&api).await;
            api
        });
        let mut runner =
            TestRunner::new(Config { cases: 150, failure_persistence: None, ..Config::default() });
        let outcome = runner.run(&walk(), |walk| {
            let (whole, pages) =
                runtime.block_on(async { (walk.ids(&api, &walk.path()).await, walk.pages(&api).await) });
            prop_assert_eq!(pages, whole, "{}", walk.path());
            Ok(())
        });
        outcome.expect("every walk");
    }
}

#[tokio::test]
async fn what_holds_nothing_comes_first_on_both_engines() {
    TestApi::on_each_engine(|api| async move {
        fill(&api).await;
        for (direction, nothing_first) in [("asc", true), ("desc", false)] {
            let path =
                format!("/v2.0/security-group-rules?sort_key=protocol&sort_dir={direction}&fields=protocol");
            let listed = api.expect(200, "member", "GET", &path, Value::Null).await;
            let rules = listed["security_group_rules"].as_array().expect("a list").clone();
            let empty: Vec<bool> = rules.iter().map(|rule| rule["protocol"].is_null()).collect();
            let mut sorted = empty.clone();
            sorted.sort_by_key(|empty| *empty != nothing_first);
            assert!(empty.contains(&true) && empty.contains(&false));
            assert_eq!(empty, sorted, "{direction}");
        }
    })
    .await;
}
