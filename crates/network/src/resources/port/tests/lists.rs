//! Lists: filters, visibility, paging, fields.

use isospin_api_kit::list::ListQuery;
use isospin_store_kit::Engine;
use serde_json::{Value, json};

use super::super::{TABLE, TYPE, filters};
use super::{Lab, bridge_agent, id, ids, list, port, subnet};
use crate::testing::{NOWHERE, PROJECT, TestApi};

#[tokio::test]
async fn filters_find_exactly_what_they_name() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let second = subnet(&api, "member", &lab.network, json!({"cidr": "10.8.0.0/24"})).await;
        bridge_agent(&api, "host-1", "{}").await;
        let group = id(&api.create("member", "/v2.0/security-groups", "security_group", json!({})).await);
        let a = port(
            &api,
            "admin",
            &lab.network,
            json!({"name": "a", "project_id": PROJECT, "binding:host_id": "host-1", "device_id": "vm",
                "device_owner": "compute:nova", "security_groups": [group], "tags": ["red", "hot"],
                "mac_address": "fa:16:3e:00:00:0a", "fixed_ips": [{"ip_address": "10.7.0.10"}]}),
        )
        .await;
        let b = port(
            &api,
            "member",
            &lab.network,
            json!({"name": "b", "admin_state_up": false, "security_groups": [], "tags": ["red"],
                "fixed_ips": [{"ip_address": "10.7.0.110"}, {"ip_address": "10.8.0.10"}]}),
        )
        .await;
        let (a, b) = (id(&a), id(&b));
        let sub = &lab.subnet;
        for (query, expected) in [
            (String::new(), vec![&a, &b]),
            ("name=a".to_owned(), vec![&a]),
            ("name=a&name=b".to_owned(), vec![&a, &b]),
            (format!("id={a}&id={b}&name=b"), vec![&b]),
            (format!("network_id={}", lab.network), vec![&a, &b]),
            (format!("network_id={NOWHERE}"), vec![]),
            ("device_id=vm".to_owned(), vec![&a]),
            ("device_owner=compute:nova".to_owned(), vec![&a]),
            ("admin_state_up=False".to_owned(), vec![&b]),
            ("status=BUILD".to_owned(), vec![&a]),
            ("mac_address=FA:16:3E:00:00:0A".to_owned(), vec![&a]),
            ("binding:host_id=host-1".to_owned(), vec![&a]),
            (format!("project_id={PROJECT}"), vec![&a, &b]),
            ("tenant_id=x".to_owned(), vec![]),
            (format!("security_groups={group}"), vec![&a]),
            (format!("fixed_ips=subnet_id={sub}"), vec![&a, &b]),
            (format!("fixed_ips=subnet_id={second}"), vec![&b]),
            ("fixed_ips=ip_address=10.7.0.10".to_owned(), vec![&a]),
            ("fixed_ips=ip_address%3D10.7.0.10&fixed_ips=ip_address%3D10.7.0.110".to_owned(), vec![&a, &b]),
            (format!("fixed_ips=subnet_id={second}&fixed_ips=ip_address=10.7.0.10"), vec![]),
            ("fixed_ips=ip_address_substr=0.10".to_owned(), vec![&a, &b]),
            ("fixed_ips=ip_address_substr=7.0.1".to_owned(), vec![&a, &b]),
            ("fixed_ips=ip_address_substr=10.8".to_owned(), vec![&b]),
            ("fixed_ips=ip_address_substr=%25".to_owned(), vec![]),
            ("tags=red".to_owned(), vec![&a, &b]),
            ("tags=red,hot".to_owned(), vec![&a]),
            ("not-tags=hot".to_owned(), vec![&b]),
        ] {
            let found = ids(&list(&api, "admin", &query).await);
            let expected = expected.into_iter().cloned().collect();
            assert_eq!(found, expected, "{query}");
        }
        for (query, kind) in [
            ("foo=1", "HTTPBadRequest"),
            ("fixed_ips=10.7.0.10", "InvalidInput"),
            ("port_security_enabled=True", "HTTPBadRequest"),
            ("admin_state_up=perhaps", "InvalidInput"),
            ("limit=-1", "BadRequest"),
        ] {
            let found = api.refused(400, "admin", "GET", &format!("/v2.0/ports?{query}"), Value::Null).await;
            assert_eq!(found.0, kind, "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn everybody_sees_their_own_and_what_is_on_their_networks() {
    TestApi::on_each_engine(|api| async move {
        let shared = Lab::of(&api, "admin", json!({"shared": true})).await;
        let own = Lab::new(&api).await;
        let on_shared = id(&port(&api, "member", &shared.network, json!({})).await);
        let others = id(&port(&api, "other", &shared.network, json!({})).await);
        let placed = json!({"network_id": own.network, "project_id": "someone"});
        let placed = id(&api.create("admin", "/v2.0/ports", "port", placed).await);
        let set = |items: &[&String]| items.iter().map(|item| (*item).clone()).collect();
        assert_eq!(ids(&list(&api, "member", "").await), set(&[&on_shared, &placed]));
        assert_eq!(ids(&list(&api, "reader", "").await), set(&[&on_shared, &placed]));
        assert_eq!(ids(&list(&api, "other", "").await), set(&[&others]));
        for token in ["admin", "service"] {
            assert_eq!(ids(&list(&api, token, "").await), set(&[&on_shared, &others, &placed]), "{token}");
        }
        // A filter on a foreign project shows nothing more.
        assert_eq!(list(&api, "other", &format!("project_id={PROJECT}")).await.len(), 0);
    })
    .await;
}

#[tokio::test]
async fn pages_follow_each_other_both_ways() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        for name in ["e", "a", "d", "b", "c"] {
            port(&api, "member", &lab.network, json!({ "name": name })).await;
        }
        let names = |body: &Value| -> String {
            let items = body["ports"].as_array().expect("ports");
            items.iter().filter_map(|port| port["name"].as_str()).collect()
        };
        let link = |body: &Value, rel: &str| -> Option<String> {
            let links = body["ports_links"].as_array().expect("links");
            let found = links.iter().find(|link| link["rel"] == rel)?;
            Some(found["href"].as_str()?.trim_start_matches("http://api.test:9696").to_owned())
        };
        let get = async |path: String| api.expect(200, "member", "GET", &path, Value::Null).await;
        let first = get("/v2.0/ports?sort_key=name&sort_dir=asc&limit=2".to_owned()).await;
        assert_eq!(names(&first), "ab");
        let second = get(link(&first, "next").expect("a next page")).await;
        assert_eq!(names(&second), "cd");
        let third = get(link(&second, "next").expect("a next page")).await;
        assert_eq!((names(&third).as_str(), link(&third, "next")), ("e", None));
        let back = get(link(&third, "previous").expect("a page before")).await;
        assert_eq!(names(&back), "cd");
        let (kind, _) = api
            .refused(404, "member", "GET", &format!("/v2.0/ports?limit=1&marker={NOWHERE}"), Value::Null)
            .await;
        assert_eq!(kind, "PortNotFound");
        let descending = get("/v2.0/ports?sort_key=name&sort_dir=desc".to_owned()).await;
        assert_eq!(names(&descending), "edcba");
        assert!(descending.get("ports_links").is_none());
    })
    .await;
}

#[tokio::test]
async fn only_the_fields_asked_for_are_shown() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let made = id(&port(&api, "member", &lab.network, json!({})).await);
        let keys =
            |port: &Value| -> Vec<String> { port.as_object().expect("a port").keys().cloned().collect() };
        let found =
            list(&api, "member", "fields=id&fields=fixed_ips&fields=binding:host_id&fields=nosuch").await;
        assert_eq!(keys(&found[0]), ["id", "fixed_ips"]);
        let shown = api
            .expect(200, "member", "GET", &format!("/v2.0/ports/{made}?fields=tenant_id"), Value::Null)
            .await;
        assert_eq!(shown["port"], json!({ "tenant_id": PROJECT }));
    })
    .await;
}

/// Above a thousand the answer is sent in pieces; nobody can tell by what it says.
#[tokio::test]
async fn long_lists_are_whole_and_in_order() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let unlimited = json!({"quota": {"port": -1}});
        api.expect(200, "admin", "PUT", &format!("/v2.0/quotas/{PROJECT}"), unlimited).await;
        let one =
            |number: u32| json!({"network_id": lab.network, "fixed_ips": [], "name": format!("p{number:04}")});
        let mut made = Vec::new();
        for piece in 0..3 {
            let ports: Vec<Value> = (piece * 800..(piece + 1) * 800).map(one).collect();
            let answer = api.expect(201, "member", "POST", "/v2.0/ports", json!({"ports": ports})).await;
            made.extend(answer["ports"].as_array().expect("a list").iter().map(id));
        }
        made.sort();
        for caller in ["member", "admin", "reader"] {
            let listed: Vec<String> = list(&api, caller, "").await.iter().map(id).collect();
            assert_eq!(listed, made, "as {caller}");
        }
        assert_eq!(list(&api, "other", "").await, Vec::<Value>::new());
        let named = list(&api, "member", "sort_key=name&sort_dir=desc&fields=name").await;
        assert_eq!((named.len(), &named[0], &named[2399]), (2400, &json!({"name": "p2399"}), &json!({"name": "p0000"})));
        let page = api.expect(200, "member", "GET", "/v2.0/ports?limit=1500", Value::Null).await;
        let shown: Vec<String> = page["ports"].as_array().expect("a list").iter().map(id).collect();
        assert_eq!(shown, made[..1500]);
        let next = page["ports_links"][0]["href"].as_str().expect("a link");
        assert!(next.ends_with(&format!("limit=1500&marker={}", made[1499])), "{next}");
        let (kind, _) = api.refused(404, "member", "GET", &format!("/v2.0/ports?marker={NOWHERE}"), Value::Null).await;
        assert_eq!(kind, "PortNotFound");
    })
    .await;
}

/// A page must not be found by going through all ports of a project.
#[tokio::test]
async fn a_filter_that_leaves_few_ports_finds_them_by_its_index() {
    let api = TestApi::new(Engine::Sqlite).await;
    let mut session = api.store().reader().await.expect("a reader");
    for (filter, by) in [("network_id", "network_id=?"), ("name", "name=?"), ("device_id", "device_id=?")] {
        let text = format!("{filter}={NOWHERE}&limit=10");
        let query = ListQuery::parse(&TYPE, &text, 0).expect("a query");
        let mut select = filters::select("ports.id", Some(PROJECT), &query).expect("a statement");
        query.apply(&TABLE, &mut select);
        let (sql, values) = select.build();
        let plan = session.rows(&format!("EXPLAIN QUERY PLAN {sql}"), values).await.expect("a plan");
        let plan = format!("{plan:?}");
        assert!(plan.contains(by) && !plan.contains("project_id=?"), "{filter}: {plan}");
    }
}
