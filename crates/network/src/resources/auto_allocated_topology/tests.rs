//! API tests of topologies on demand, on both engines.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::testing::{OTHER_PROJECT, PROJECT, TestApi};

fn path(project: &str) -> String {
    format!("/v2.0/auto-allocated-topology/{project}")
}

async fn external(api: &TestApi) -> String {
    let object = json!({"name": "public", "router:external": true, "is_default": true});
    let id = api.create("admin", "/v2.0/networks", "network", object).await["id"].take();
    let id = id.as_str().expect("an id").to_owned();
    let subnet = json!({"network_id": id, "ip_version": 4, "cidr": "172.24.0.0/24", "enable_dhcp": false});
    api.create("admin", "/v2.0/subnets", "subnet", subnet).await;
    id
}

async fn pools(api: &TestApi) {
    for (prefix, length) in [("10.0.0.0/16", 26), ("2001:db8::/48", 64)] {
        let object = json!({"name": "default", "prefixes": [prefix], "default_prefixlen": length,
            "is_default": true, "shared": true});
        api.create("admin", "/v2.0/subnetpools", "subnetpool", object).await;
    }
}

async fn topology(api: &TestApi, token: &str, project: &str) -> Value {
    let mut answer = api.expect(200, token, "GET", &path(project), Value::Null).await;
    answer["auto_allocated_topology"].take()
}

async fn list(api: &TestApi, collection: &str) -> Vec<Value> {
    let path = format!("/v2.0/{collection}?project_id={PROJECT}&sort_key=name");
    let mut answer = api.expect(200, "member", "GET", &path, Value::Null).await;
    answer[collection].as_array_mut().map(std::mem::take).expect("a list")
}

fn names(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|object| object["name"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn what_is_missing_is_named() {
    TestApi::on_each_engine(|api| async move {
        let dry_run = format!("{}?fields=dry-run", path(PROJECT));
        let asked = async |reason: &str| {
            for path in [dry_run.clone(), path(PROJECT)] {
                let found = api.refused(409, "member", "GET", &path, Value::Null).await;
                assert_eq!(
                    found,
                    ("AutoAllocationFailure".to_owned(), format!("Deployment error: {reason}."))
                );
            }
        };
        asked("No default router:external network").await;
        external(&api).await;
        asked("No default subnetpools defined").await;
        // A default pool that is not shared is of no use to others.
        let hidden = json!({"name": "p", "prefixes": ["10.0.0.0/16"], "is_default": true});
        let hidden = api.create("admin", "/v2.0/subnetpools", "subnetpool", hidden).await;
        asked("No default subnetpools defined").await;
        let pool = format!("/v2.0/subnetpools/{}", hidden["id"].as_str().expect("an id"));
        api.expect(204, "admin", "DELETE", &pool, Value::Null).await;
        pools(&api).await;
        let passed = api.expect(200, "member", "GET", &dry_run, Value::Null).await;
        assert_eq!(passed, json!({"auto_allocated_topology": {"id": "dry-run=pass", "project_id": PROJECT}}));
        assert_eq!(list(&api, "networks").await, [Value::Null; 0], "nothing is made by a dry run");
        let unknown = format!("{}?fields=id", path(PROJECT));
        let (kind, _) = api.refused(400, "member", "GET", &unknown, Value::Null).await;
        assert_eq!(kind, "BadRequest");
    })
    .await;
}

#[tokio::test]
async fn a_network_with_a_way_out_is_made_once() {
    TestApi::on_each_engine(|api| async move {
        let external = external(&api).await;
        pools(&api).await;
        let made = topology(&api, "reader", PROJECT).await;
        assert_eq!(made, json!({"id": made["id"], "project_id": PROJECT, "tenant_id": PROJECT}));
        assert_eq!(topology(&api, "member", "None").await, made, "None is the caller's project");
        assert_eq!(topology(&api, "admin", PROJECT).await, made);
        let networks = list(&api, "networks").await;
        assert_eq!((names(&networks), &networks[0]["id"]), (vec!["auto_allocated_network"], &made["id"]));
        assert_eq!(networks[0]["admin_state_up"], true);
        let subnets = list(&api, "subnets").await;
        assert_eq!(names(&subnets), ["auto_allocated_subnet_v4", "auto_allocated_subnet_v6"]);
        assert_eq!(
            (&subnets[0]["cidr"], &subnets[1]["cidr"]),
            (&json!("10.0.0.0/26"), &json!("2001:db8::/64"))
        );
        let routers = list(&api, "routers").await;
        assert_eq!(names(&routers), ["auto_allocated_router"]);
        assert_eq!(routers[0]["external_gateway_info"]["network_id"], json!(external));
        let router = routers[0]["id"].as_str().expect("an id");
        let ports = format!("/v2.0/ports?device_id={router}&device_owner=network:router_interface");
        let ports = api.expect(200, "member", "GET", &ports, Value::Null).await;
        let addresses =
            ports["ports"].as_array().into_iter().flatten().flat_map(|port| port["fixed_ips"].as_array());
        assert_eq!(addresses.flatten().count(), 2, "both subnets are attached");
        // Projects are apart.
        let other = topology(&api, "other", OTHER_PROJECT).await;
        assert_ne!(other["id"], made["id"]);
        let found = api.refused(403, "other", "GET", &path(PROJECT), Value::Null).await;
        assert_eq!(found, ("NotAuthorized".to_owned(), "Not authorized.".to_owned()));
        api.refused(403, "other", "DELETE", &path(PROJECT), Value::Null).await;
        api.refused(403, "reader", "DELETE", &path(PROJECT), Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn a_topology_goes_as_a_whole() {
    TestApi::on_each_engine(|api| async move {
        external(&api).await;
        pools(&api).await;
        api.expect(204, "member", "DELETE", &path(PROJECT), Value::Null).await;
        let made = topology(&api, "member", PROJECT).await;
        let port = json!({"network_id": made["id"]});
        let port = api.create("member", "/v2.0/ports", "port", port).await;
        let (kind, _) = api.refused(409, "member", "DELETE", &path(PROJECT), Value::Null).await;
        assert_eq!(kind, "NetworkInUse");
        assert_eq!(list(&api, "routers").await.len(), 1, "all of it or nothing");
        let port = format!("/v2.0/ports/{}", port["id"].as_str().expect("an id"));
        api.expect(204, "member", "DELETE", &port, Value::Null).await;
        api.expect(204, "member", "DELETE", &path(PROJECT), Value::Null).await;
        for collection in ["networks", "subnets", "routers", "ports"] {
            assert_eq!(list(&api, collection).await, [Value::Null; 0], "{collection}");
        }
        let again = topology(&api, "member", PROJECT).await;
        assert_ne!(again["id"], made["id"]);
        assert_eq!(list(&api, "subnets").await[0]["cidr"], "10.0.0.0/26", "the prefix was free again");
        // A router somebody deleted by hand is not missed.
        let router = list(&api, "routers").await[0]["id"].as_str().expect("an id").to_owned();
        for subnet in list(&api, "subnets").await {
            let path = format!("/v2.0/routers/{router}/remove_router_interface");
            api.expect(200, "member", "PUT", &path, json!({"subnet_id": subnet["id"]})).await;
        }
        api.expect(204, "member", "DELETE", &format!("/v2.0/routers/{router}"), Value::Null).await;
        assert_eq!(topology(&api, "member", PROJECT).await["id"], again["id"]);
        api.expect(204, "member", "DELETE", &path(PROJECT), Value::Null).await;
        assert_eq!(list(&api, "networks").await, [Value::Null; 0]);
    })
    .await;
}

#[tokio::test]
async fn limits_hold_and_leave_nothing_behind() {
    TestApi::on_each_engine(|api| async move {
        external(&api).await;
        pools(&api).await;
        let quota = format!("/v2.0/quotas/{PROJECT}");
        api.expect(200, "admin", "PUT", &quota, json!({"quota": {"router": 0}})).await;
        let (kind, _) = api.refused(409, "member", "GET", &path(PROJECT), Value::Null).await;
        assert_eq!(kind, "OverQuota");
        assert_eq!(list(&api, "networks").await, [Value::Null; 0]);
    })
    .await;
}

#[tokio::test]
async fn asked_many_times_at_once_it_is_one() {
    TestApi::on_each_engine(|api| async move {
        external(&api).await;
        pools(&api).await;
        let made = join_all((0..8).map(|_| topology(&api, "member", PROJECT))).await;
        assert!(made.iter().all(|topology| *topology == made[0]));
        assert_eq!(list(&api, "networks").await.len(), 1);
    })
    .await;
}
