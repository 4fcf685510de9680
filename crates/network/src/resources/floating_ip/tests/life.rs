//! Allocating, finding and releasing floating IPs.

use isospin_store_kit::{Engine, changes};
use serde_json::{Value, json};

use super::{Floor, shown, url};
use crate::Settings;
use crate::resources::router::tests::{id, keys, network, ports_of, refusal, subnet};
use crate::testing::{NOWHERE, OTHER_PROJECT, PROJECT, TestApi};

const KEYS: &[&str] = &[
    "id",
    "tenant_id",
    "project_id",
    "floating_ip_address",
    "floating_network_id",
    "router_id",
    "port_id",
    "fixed_ip_address",
    "status",
    "description",
    "qos_policy_id",
    "qos_network_policy_id",
    "port_details",
    "dns_domain",
    "dns_name",
    "tags",
    "revision_number",
    "created_at",
    "updated_at",
    "port_forwardings",
];

#[tokio::test]
async fn a_floating_ip_holds_its_address_on_a_hidden_port() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let made = floor.float(&api, json!({"description": "d"})).await;
        assert_eq!(keys(&made), KEYS);
        assert_eq!(made["project_id"], PROJECT);
        assert_eq!(made["status"], "DOWN");
        assert_eq!(made["floating_ip_address"], "172.24.0.11");
        for null in ["router_id", "port_id", "fixed_ip_address", "port_details"] {
            assert_eq!(made[null], Value::Null, "{null}");
        }
        assert_eq!(shown(&api, "reader", &made).await, made);

        let holders = ports_of(&api, &id(&made)).await;
        assert_eq!(holders.len(), 1);
        assert_eq!(holders[0]["device_owner"], "network:floatingip");
        assert_eq!(holders[0]["project_id"], "");
        assert_eq!(holders[0]["status"], "N/A");
        let path = format!("/v2.0/ports/{}", id(&holders[0]));
        api.refused(404, "member", "GET", &path, Value::Null).await;

        let changed = super::change(&api, &made, json!({"description": "e"})).await;
        assert_eq!(changed["description"], "e");
        assert_eq!(changed["revision_number"], 2);
        let with_body = api.refused(400, "member", "DELETE", &url(&made), json!({})).await;
        assert_eq!(with_body.0, "HTTPBadRequest");
        api.expect(204, "member", "DELETE", &url(&made), Value::Null).await;
        assert_eq!(ports_of(&api, &id(&made)).await, Vec::<Value>::new());
        let gone = refusal("FloatingIPNotFound", format!("Floating IP {} could not be found", id(&made)));
        assert_eq!(api.refused(404, "member", "GET", &url(&made), Value::Null).await, gone);
        // The address is free again.
        let next = floor.float(&api, json!({})).await;
        assert_eq!(next["floating_ip_address"], "172.24.0.11");
    })
    .await;
}

#[tokio::test]
async fn floating_ips_are_found_by_what_they_are() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let free = floor.float(&api, json!({})).await;
        let used = floor.float(&api, json!({"port_id": floor.port})).await;
        let get = async |query: String| {
            let path = format!("/v2.0/floatingips?{query}");
            let list = api.expect(200, "member", "GET", &path, Value::Null).await;
            list["floatingips"].as_array().expect("a list").iter().map(id).collect::<Vec<_>>()
        };
        for (query, found) in [
            (format!("port_id={}", floor.port), vec![id(&used)]),
            (format!("router_id={}", floor.router), vec![id(&used)]),
            ("fixed_ip_address=10.7.0.50".to_owned(), vec![id(&used)]),
            (
                format!("floating_ip_address={}", free["floating_ip_address"].as_str().expect("ip")),
                vec![id(&free)],
            ),
            ("status=ACTIVE".to_owned(), vec![]),
            (
                format!("floating_network_id={}&sort_key=floating_ip_address", floor.lab.external),
                vec![id(&free), id(&used)],
            ),
        ] {
            assert_eq!(get(query.clone()).await, found, "{query}");
        }
        let path = "/v2.0/floatingips?fields=port_details&fields=id&status=DOWN&sort_key=floating_ip_address";
        let list = api.expect(200, "member", "GET", path, Value::Null).await;
        assert_eq!(list["floatingips"][0], json!({"id": free["id"], "port_details": null}));
        assert_eq!(list["floatingips"][1]["port_details"]["name"], "vm");
        let unknown = refusal("HTTPBadRequest", "['subnet_id'] is invalid attribute for filtering");
        let path = format!("/v2.0/floatingips?subnet_id={NOWHERE}");
        assert_eq!(api.refused(400, "member", "GET", &path, Value::Null).await, unknown);
    })
    .await;
}

#[tokio::test]
async fn floating_ips_of_others_are_hidden() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let made = floor.float(&api, json!({})).await;
        let hidden = refusal("FloatingIPNotFound", format!("Floating IP {} could not be found", id(&made)));
        let body = json!({"floatingip": {"port_id": null}});
        for (method, body) in [("GET", Value::Null), ("PUT", body), ("DELETE", Value::Null)] {
            assert_eq!(api.refused(404, "other", method, &url(&made), body.clone()).await, hidden);
            if method != "GET" {
                assert_eq!(
                    api.refused(403, "reader", method, &url(&made), body).await.0,
                    "PolicyNotAuthorized"
                );
            }
        }
        let list = api.expect(200, "other", "GET", "/v2.0/floatingips", Value::Null).await;
        assert_eq!(list, json!({"floatingips": []}));
        let list = api.expect(200, "admin", "GET", "/v2.0/floatingips", Value::Null).await;
        assert_eq!(list["floatingips"].as_array().map(Vec::len), Some(1));
        api.refused(404, "member", "GET", "/v2.0/floatingips/x", Value::Null).await;
        assert_eq!(floor.refused(&api, 403, "reader", json!({})).await.0, "PolicyNotAuthorized");
        assert_eq!(
            floor.refused(&api, 400, "member", json!({"project_id": OTHER_PROJECT})).await.0,
            "HTTPBadRequest"
        );
    })
    .await;
}

#[tokio::test]
async fn networks_that_lead_nowhere_have_no_floating_ips() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let empty = network(&api, "admin", json!({"router:external": true})).await;
        subnet(&api, "admin", &empty, json!({"cidr": "2001:db8::/64"})).await;
        let inner = &floor.lab.network;
        let post = async |status: u16, network: &str| {
            let body = json!({"floatingip": {"floating_network_id": network}});
            api.refused(status, "member", "POST", "/v2.0/floatingips", body).await
        };
        let bad = |reason: String| refusal("BadRequest", format!("Bad floatingip request: {reason}."));
        assert_eq!(post(400, inner).await, bad(format!("Network {inner} is not a valid external network")));
        assert_eq!(post(400, &empty).await, bad(format!("Network {empty} does not contain any IPv4 subnet")));
        let unknown = refusal("NetworkNotFound", format!("Network {NOWHERE} could not be found."));
        assert_eq!(post(404, NOWHERE).await, unknown);
        let invalid = "Invalid input for floating_network_id. Reason: 'x' is not a valid UUID.";
        assert_eq!(post(400, "x").await, refusal("HTTPBadRequest", invalid));
        let missing = "Failed to parse request. Required attribute 'floating_network_id' not specified";
        assert_eq!(
            api.refused(400, "member", "POST", "/v2.0/floatingips", json!({"floatingip": {}})).await,
            refusal("HTTPBadRequest", missing)
        );
        let ports =
            api.expect(200, "admin", "GET", "/v2.0/ports?device_owner=network:floatingip", Value::Null).await;
        assert_eq!(ports, json!({"ports": []}));
    })
    .await;
}

#[tokio::test]
async fn a_network_takes_its_unused_floating_ips_along() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let external = network(&api, "admin", json!({"router:external": true})).await;
        let object = json!({"cidr": "198.51.100.0/24", "enable_dhcp": false});
        subnet(&api, "admin", &external, object).await;
        let unused = json!({"floating_network_id": external});
        let unused = api.create("member", "/v2.0/floatingips", "floatingip", unused).await;
        let path = format!("/v2.0/networks/{external}");
        api.expect(204, "admin", "DELETE", &path, Value::Null).await;
        api.refused(404, "member", "GET", &url(&unused), Value::Null).await;
        let usage = format!("/v2.0/quotas/{PROJECT}/details.json");
        let usage = api.expect(200, "member", "GET", &usage, Value::Null).await;
        assert_eq!(usage["quota"]["floatingip"]["used"], 0);

        let kept = floor.float(&api, json!({})).await;
        let led = floor.float(&api, json!({"port_id": floor.port})).await;
        let path = format!("/v2.0/networks/{}", floor.lab.external);
        assert_eq!(api.refused(409, "admin", "DELETE", &path, Value::Null).await.0, "NetworkInUse");
        for floating_ip in [kept, led] {
            assert_eq!(shown(&api, "member", &floating_ip).await, floating_ip, "nothing went");
        }
    })
    .await;
}

#[tokio::test]
async fn quota_counts_floating_ips_and_bulk_is_all_or_nothing() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let mut settings = Settings::default();
        settings.quotas.by_resource.insert("floatingip", 2);
        let api = TestApi::with_settings(engine, settings).await;
        let floor = Floor::new(&api).await;
        let of = |count: usize| {
            let one = json!({"floating_network_id": floor.lab.external});
            json!({"floatingips": vec![one; count]})
        };
        let over = refusal("OverQuota", "Quota exceeded for resources: ['floatingip'].");
        assert_eq!(api.refused(409, "member", "POST", "/v2.0/floatingips", of(3)).await, over);
        let ports =
            api.expect(200, "admin", "GET", "/v2.0/ports?device_owner=network:floatingip", Value::Null).await;
        assert_eq!(ports, json!({"ports": []}));
        let made = api.expect(201, "member", "POST", "/v2.0/floatingips", of(2)).await;
        assert_eq!(made["floatingips"].as_array().map(Vec::len), Some(2));
        assert_eq!(floor.refused(&api, 409, "member", json!({})).await, over);
        api.expect(204, "member", "DELETE", &url(&made["floatingips"][0]), Value::Null).await;
        floor.float(&api, json!({})).await;
    }
}

#[tokio::test]
async fn changes_name_the_router_they_matter_to() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let scopes = async |since: u64| {
            let mut session = api.store().reader().await.expect("a reader");
            let rows = changes::since(&mut session, since, 100).await.expect("changes");
            let mut scopes: Vec<String> =
                rows.into_iter().filter(|row| row.topic == "floating_ip").map(|row| row.scope).collect();
            scopes.sort();
            scopes
        };
        let now = || *api.store().versions().borrow();
        let mut at = now();
        let made = floor.float(&api, json!({})).await;
        assert_eq!(scopes(at).await, [""]);
        at = now();
        super::change(&api, &made, json!({"port_id": floor.port})).await;
        assert_eq!(scopes(at).await, ["", floor.router.as_str()]);
        at = now();
        super::change(&api, &made, json!({"port_id": null})).await;
        assert_eq!(scopes(at).await, ["", floor.router.as_str()]);
        at = now();
        super::change(&api, &made, json!({"port_id": null})).await;
        assert_eq!(scopes(at).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn pools_are_the_external_ipv4_subnets() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        subnet(&api, "admin", &floor.lab.external, json!({"cidr": "2001:db8::/64"})).await;
        let list = api.expect(200, "other", "GET", "/v2.0/floatingip_pools", Value::Null).await;
        assert_eq!(
            list,
            json!({"floatingip_pools": [{
                "subnet_id": floor.lab.external_subnet, "subnet_name": "", "project_id": OTHER_PROJECT,
                "network_id": floor.lab.external, "cidr": "172.24.0.0/24", "tenant_id": OTHER_PROJECT,
            }]})
        );
        let path = format!("/v2.0/floatingip_pools?network_id={}", floor.lab.network);
        let none = api.expect(200, "member", "GET", &path, Value::Null).await;
        assert_eq!(none, json!({"floatingip_pools": []}));
    })
    .await;
}

#[tokio::test]
async fn one_whose_hidden_port_carries_a_trunk_stays() {
    TestApi::on_each_engine(|api| async move {
        let floor = Floor::new(&api).await;
        let floating_ip = floor.float(&api, json!({})).await;
        let query = "/v2.0/ports?device_owner=network:floatingip&fields=id";
        let hidden = api.expect(200, "admin", "GET", query, Value::Null).await["ports"][0]["id"].take();
        let trunk = api.create("admin", "/v2.0/trunks", "trunk", json!({"port_id": hidden})).await;
        let (kind, _) = api.refused(409, "member", "DELETE", &url(&floating_ip), Value::Null).await;
        assert_eq!(kind, "PortInUseAsTrunkParent");
        assert_eq!(shown(&api, "member", &floating_ip).await["status"], floating_ip["status"]);
        let trunk = format!("/v2.0/trunks/{}", trunk["id"].as_str().expect("an id"));
        api.expect(204, "admin", "DELETE", &trunk, Value::Null).await;
        api.expect(204, "member", "DELETE", &url(&floating_ip), Value::Null).await;
    })
    .await;
}
