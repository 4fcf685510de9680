//! Subnets through the API.

mod addressing;
mod automatic;
mod dhcp;
mod guards;
mod values;

use isospin_store_kit::Engine;
use serde_json::{Value, json};

use crate::testing::{NOWHERE, PROJECT, TestApi};

/// A network of the member.
async fn network(api: &TestApi) -> String {
    let made = api.create("member", "/v2.0/networks", "network", json!({})).await;
    made["id"].as_str().expect("an id").to_owned()
}

/// A body for a subnet on the network, with `more` on top.
fn body(network_id: &str, cidr: &str, more: Value) -> Value {
    let version = if cidr.contains(':') { 6 } else { 4 };
    let mut subnet = json!({"network_id": network_id, "cidr": cidr, "ip_version": version});
    let fields = subnet.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    json!({"subnet": subnet})
}

async fn subnet(api: &TestApi, network_id: &str, cidr: &str, more: Value) -> Value {
    let made = api.expect(201, "member", "POST", "/v2.0/subnets", body(network_id, cidr, more)).await;
    made["subnet"].clone()
}

/// Type and message of the refusal of such a subnet.
async fn refused(api: &TestApi, status: u16, network_id: &str, cidr: &str, more: Value) -> (String, String) {
    api.refused(status, "member", "POST", "/v2.0/subnets", body(network_id, cidr, more)).await
}

fn path(subnet: &Value) -> String {
    format!("/v2.0/subnets/{}", subnet["id"].as_str().expect("an id"))
}

fn pool(start: &str, end: &str) -> Value {
    json!({"start": start, "end": end})
}

#[tokio::test]
async fn a_subnet_has_the_keys_and_defaults_clients_know() {
    TestApi::on_each_engine(|api| async move {
        let network_id = network(&api).await;
        let given = json!({
            "name": "s-sub", "dns_nameservers": ["9.9.9.9", "1.1.1.1"],
            "host_routes": [{"destination": "10.99.0.0/24", "nexthop": "10.77.0.254"}],
            "allocation_pools": [pool("10.77.0.10", "10.77.0.200")],
        });
        let made = subnet(&api, &network_id, "10.77.0.9/24", given).await;
        let mut steady = made.clone();
        for name in ["id", "created_at", "updated_at"] {
            assert!(
                steady
                    .as_object_mut()
                    .expect("an object")
                    .remove(name)
                    .is_some_and(|value| value.is_string())
            );
        }
        let expected = json!({
            "name": "s-sub", "project_id": PROJECT, "network_id": network_id, "ip_version": 4,
            "subnetpool_id": null, "enable_dhcp": true, "ipv6_ra_mode": null, "ipv6_address_mode": null,
            "gateway_ip": "10.77.0.1", "cidr": "10.77.0.0/24",
            "allocation_pools": [pool("10.77.0.10", "10.77.0.200")],
            "host_routes": [{"destination": "10.99.0.0/24", "nexthop": "10.77.0.254"}],
            "dns_nameservers": ["9.9.9.9", "1.1.1.1"], "description": "", "router:external": false,
            "service_types": [], "tags": [], "revision_number": 1, "tenant_id": PROJECT,
        });
        assert_eq!(steady, expected);
        assert_eq!(api.expect(200, "member", "GET", &path(&made), Value::Null).await["subnet"], made);
        let listed = api.expect(200, "member", "GET", "/v2.0/subnets", Value::Null).await;
        assert_eq!(listed, json!({"subnets": [made]}));
        let network =
            api.expect(200, "member", "GET", &format!("/v2.0/networks/{network_id}"), Value::Null).await;
        assert_eq!(network["network"]["subnets"], json!([made["id"]]));
        assert_eq!(network["network"]["revision_number"], 2, "the network's list of subnets changed");
    })
    .await;
}

#[tokio::test]
async fn an_update_changes_what_it_names() {
    TestApi::on_each_engine(|api| async move {
        let network_id = network(&api).await;
        let made = subnet(&api, &network_id, "10.0.0.0/24", json!({"dns_nameservers": ["9.9.9.9"]})).await;
        let update = json!({"subnet": {
            "name": "n", "dns_nameservers": [], "host_routes": [{"destination": "0.0.0.0/1", "nexthop": "10.0.0.9"}],
            "gateway_ip": "10.0.0.254", "allocation_pools": [pool("10.0.0.100", "10.0.0.110"), pool("10.0.0.5", "10.0.0.9")],
        }});
        let changed = api.expect(200, "member", "PUT", &path(&made), update.clone()).await;
        let changed = &changed["subnet"];
        assert_eq!(changed["name"], "n");
        assert_eq!(changed["dns_nameservers"], json!([]));
        assert_eq!(changed["gateway_ip"], "10.0.0.254");
        assert_eq!(changed["allocation_pools"], json!([pool("10.0.0.5", "10.0.0.9"), pool("10.0.0.100", "10.0.0.110")]));
        assert_eq!(changed["revision_number"], 2);
        assert_eq!(api.expect(200, "member", "GET", &path(&made), Value::Null).await["subnet"], *changed);
        let again = api.expect(200, "member", "PUT", &path(&made), update).await;
        assert_eq!(again["subnet"]["revision_number"], 2, "nothing changed");
        let none = json!({"subnet": {"gateway_ip": null}});
        let changed = api.expect(200, "member", "PUT", &path(&made), none).await;
        assert_eq!(changed["subnet"]["gateway_ip"], Value::Null);
        for name in ["cidr", "ip_version", "network_id", "ipv6_ra_mode", "ipv6_address_mode", "subnetpool_id"] {
            let (_, message) = api.refused(400, "member", "PUT", &path(&made), json!({"subnet": {name: null}})).await;
            assert_eq!(message, format!("Cannot update read-only attribute {name}"));
        }
        let headers = [("if-match", "revision_number=1")];
        let bytes = json!({"subnet": {"name": "x"}}).to_string().into_bytes();
        assert_eq!(api.send("member", "PUT", &path(&made), &headers, bytes).await.0, 412);
    })
    .await;
}

#[tokio::test]
async fn bulk_requests_are_all_or_nothing() {
    TestApi::on_each_engine(|api| async move {
        let network_id = network(&api).await;
        let item = |cidr: &str| body(&network_id, cidr, json!({}))["subnet"].clone();
        let bad = json!({"subnets": [item("10.0.0.0/24"), item("10.0.0.128/25")]});
        let (kind, _) = api.refused(400, "member", "POST", "/v2.0/subnets", bad).await;
        assert_eq!(kind, "InvalidInput");
        let listed = api.expect(200, "member", "GET", "/v2.0/subnets", Value::Null).await;
        assert_eq!(listed, json!({"subnets": []}));
        let good = json!({"subnets": [item("10.0.1.0/24"), item("10.0.0.0/24")]});
        let made = api.expect(201, "member", "POST", "/v2.0/subnets", good).await;
        let cidrs: Vec<&Value> =
            made["subnets"].as_array().expect("a list").iter().map(|item| &item["cidr"]).collect();
        assert_eq!(cidrs, ["10.0.1.0/24", "10.0.0.0/24"]);
    })
    .await;
}

#[tokio::test]
async fn filters_find_subnets() {
    TestApi::on_each_engine(|api| async move {
        let network_id = network(&api).await;
        let admin = json!({"network": {"router:external": true, "project_id": PROJECT}});
        let external = api.expect(201, "admin", "POST", "/v2.0/networks", admin).await;
        let external = external["network"]["id"].as_str().expect("an id").to_owned();
        subnet(&api, &network_id, "10.0.0.0/24", json!({"name": "a", "enable_dhcp": false})).await;
        subnet(&api, &network_id, "fd00::/64", json!({"name": "b"})).await;
        let typed = body(
            &external,
            "10.1.0.0/24",
            json!({"name": "c", "service_types": ["compute:nova", "network:dhcp"]}),
        );
        api.expect(201, "admin", "POST", "/v2.0/subnets", typed).await;
        let shared = json!({"network": {"shared": true}});
        let shared = api.expect(201, "admin", "POST", "/v2.0/networks", shared).await;
        let shared = shared["network"]["id"].as_str().expect("an id");
        let object = body(shared, "fd01::/64", json!({"name": "s"}));
        api.expect(201, "admin", "POST", "/v2.0/subnets", object).await;
        for (query, expected) in [
            ("ip_version=4", vec!["a", "c"]),
            ("ip_version=6", vec!["b", "s"]),
            ("ip_version=4&ip_version=6", vec!["a", "b", "c", "s"]),
            ("ip_version=x", vec![]),
            ("enable_dhcp=False", vec!["a"]),
            ("cidr=10.0.0.0/24", vec!["a"]),
            ("cidr=10.0.0.0%2F24&name=b", vec![]),
            ("gateway_ip=fd00::", vec!["b"]),
            ("router:external=True", vec!["c"]),
            ("router:external=False", vec!["a", "b", "s"]),
            ("shared=True&router:external=False", vec!["s"]),
            ("shared=False", vec!["a", "b", "c"]),
            ("service_types=network:dhcp", vec!["c"]),
            ("service_types=network:%25", vec![]),
            ("service_types=x&service_types=compute:nova", vec!["c"]),
            ("subnetpool_id=x", vec![]),
            ("sort_dir=desc&sort_key=name", vec!["s", "c", "b", "a"]),
        ] {
            let sorted =
                if query.contains("sort_key") { query.to_owned() } else { format!("{query}&sort_key=name") };
            let listed =
                api.expect(200, "admin", "GET", &format!("/v2.0/subnets?{sorted}"), Value::Null).await;
            let items = listed["subnets"].as_array().expect("a list");
            let names: Vec<&str> = items.iter().map(|item| item["name"].as_str().expect("a name")).collect();
            assert_eq!(names, expected, "{query}");
        }
    })
    .await;
}
