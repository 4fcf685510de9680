//! Many ports in one request.

use std::collections::BTreeSet;

use isospin_store_kit::values;
use serde_json::{Value, json};

use super::{Lab, addresses, id, ids, network, number, port, subnet};
use crate::testing::{PROJECT, TestApi};

async fn unlimited(api: &TestApi) {
    let quota = json!({"quota": {"port": -1}});
    api.expect(200, "admin", "PUT", &format!("/v2.0/quotas/{PROJECT}"), quota).await;
}

async fn bulk(api: &TestApi, ports: Vec<Value>) -> Vec<Value> {
    let mut answer = api.expect(201, "member", "POST", "/v2.0/ports", json!({ "ports": ports })).await;
    match answer["ports"].take() {
        Value::Array(ports) => ports,
        other => panic!("no list: {other}"),
    }
}

#[tokio::test]
async fn a_thousand_ports_in_order_with_distinct_addresses() {
    TestApi::on_each_engine(|api| async move {
        unlimited(&api).await;
        let net = network(&api, "member", json!({})).await;
        subnet(&api, "member", &net, json!({"cidr": "10.1.0.0/23"})).await;
        subnet(&api, "member", &net, json!({"cidr": "10.2.0.0/23"})).await;
        let mut wanted: Vec<Value> =
            (0..1000).map(|at| json!({"network_id": net, "name": format!("p{at}")})).collect();
        // Named addresses are not taken by automatic ones of the same request.
        wanted[999]["fixed_ips"] = json!([{"ip_address": "10.1.0.2"}]);
        let made = bulk(&api, wanted).await;
        let names: Vec<&str> = made.iter().filter_map(|port| port["name"].as_str()).collect();
        assert_eq!(names, (0..1000).map(|at| format!("p{at}")).collect::<Vec<_>>());
        let distinct: BTreeSet<String> = made.iter().flat_map(addresses).collect();
        assert_eq!(distinct.len(), 1000);
        assert_eq!(addresses(&made[999]), ["10.1.0.2"]);
        // 509 addresses (510 hosts without the gateway) in the first pool, the rest in the second.
        let first = distinct.iter().filter(|address| address.starts_with("10.1.")).count();
        assert!(first == 509 || first == 1000 - 509, "{first}");
        assert_eq!(ids(&made).len(), 1000);
        assert_eq!(number(&api, "SELECT used FROM quota_usage WHERE resource = 'port'").await, 1000);
        assert_eq!(
            number(&api, "SELECT COUNT(*) FROM changes WHERE topic = 'port'").await,
            1000,
            "one change row for each port"
        );
    })
    .await;
}

#[tokio::test]
async fn one_refusal_refuses_all() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let wanted = json!({"ports": [{"network_id": lab.network},
            {"network_id": lab.network, "fixed_ips": [{"ip_address": "10.9.0.1"}]}]});
        let (kind, _) = api.refused(400, "member", "POST", "/v2.0/ports", wanted).await;
        assert_eq!(kind, "InvalidIpForNetwork");
        for (table, rows) in [("ports", 0), ("port_addresses", 0), ("security_groups", 0)] {
            assert_eq!(number(&api, &format!("SELECT COUNT(*) FROM {table}")).await, rows, "{table}");
        }
        let twice = json!({"network_id": lab.network, "mac_address": "fa:16:3e:00:00:01"});
        let (kind, _) =
            api.refused(409, "member", "POST", "/v2.0/ports", json!({"ports": [twice.clone(), twice]})).await;
        assert_eq!(kind, "MacAddressInUse");
        let (_, message) = api.refused(400, "member", "POST", "/v2.0/ports", json!({"ports": []})).await;
        assert_eq!(message, "Resources required");
        let wrapped = bulk(&api, vec![json!({"port": {"network_id": lab.network}})]).await;
        assert_eq!(addresses(&wrapped[0]), ["10.7.0.2"]);
    })
    .await;
}

#[tokio::test]
async fn macs_that_are_taken_are_replaced_and_the_search_ends() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let first = port(&api, "member", &lab.network, json!({})).await;
        // The same MAC is free on another network.
        let other = Lab::of(&api, "member", json!({})).await;
        let same = json!({"mac_address": first["mac_address"]});
        port(&api, "member", &other.network, same).await;
        let app = api.app.clone();
        let port_id = id(&first);
        api.write(move |tx| {
            Box::pin(async move {
                let sql = "UPDATE ports SET mac_address = 'fa:16:3e:00:00:01' WHERE id = $1";
                tx.execute(sql, values![port_id]).await?;
                let network = crate::resources::network::store::get(tx, lab.network.parse().expect("an id"))
                    .await?
                    .expect("the network");
                let mut tries = 0;
                let mut generated = || {
                    tries += 1;
                    let last = if tries < 4 { 1 } else { 2 };
                    isospin_types::MacAddr::new([0xfa, 0x16, 0x3e, 0, 0, last])
                };
                let new = crate::resources::port::model::NewPort::on(network.clone(), PROJECT);
                let made = super::super::store::create_with(tx, &app, vec![new], &mut generated).await?;
                assert_eq!(made[0].mac_address.to_string(), "fa:16:3e:00:00:02");
                assert_eq!(tries, 4);
                let mut always = || isospin_types::MacAddr::new([0xfa, 0x16, 0x3e, 0, 0, 1]);
                let new = crate::resources::port::model::NewPort::on(network, PROJECT);
                let refused = super::super::store::create_with(tx, &app, vec![new], &mut always)
                    .await
                    .expect_err("no MAC is free");
                assert_eq!(refused.kind, isospin_api_kit::FaultType::NetworkMacAddressGenerationFailure);
                Ok(())
            })
        })
        .await;
    })
    .await;
}

/// Many clients want the same address, and more than are left: nobody shares one.
#[tokio::test]
async fn concurrent_requests_share_no_address() {
    TestApi::on_each_engine(|api| async move {
        let net = network(&api, "member", json!({})).await;
        subnet(&api, "member", &net, json!({"cidr": "10.1.0.0/28"})).await;
        let post = |object: Value| api.request("member", "POST", "/v2.0/ports", json!({ "port": object }));
        let named = json!({"network_id": net, "fixed_ips": [{"ip_address": "10.1.0.9"}]});
        let answers = futures::future::join_all((0..8).map(|_| post(named.clone()))).await;
        let mut statuses: Vec<u16> = answers.iter().map(|(status, _, _)| *status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
        // Twelve of the thirteen addresses are left.
        let answers = futures::future::join_all((0..20).map(|_| post(json!({ "network_id": net })))).await;
        let made: Vec<&Value> = answers
            .iter()
            .filter(|(status, _, _)| *status == 201)
            .map(|(_, _, body)| &body["port"])
            .collect();
        assert_eq!(made.len(), 12);
        let distinct: BTreeSet<String> = made.iter().flat_map(|port| addresses(port)).collect();
        assert_eq!(distinct.len(), 12);
        assert!(!distinct.contains("10.1.0.9"));
        assert_eq!(number(&api, "SELECT used FROM quota_usage WHERE resource = 'port'").await, 13);
    })
    .await;
}
