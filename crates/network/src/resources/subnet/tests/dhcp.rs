//! DHCP follows the subnets: one port, one address on each subnet it serves.

use isospin_store_kit::values;

use super::*;
use crate::background::scheduling;

/// The DHCP ports of the network as administrators see them.
async fn servers(api: &TestApi, network_id: &str) -> Vec<Value> {
    let path = format!("/v2.0/ports?network_id={network_id}&device_owner=network:dhcp");
    let listed = api.expect(200, "admin", "GET", &path, Value::Null).await;
    listed["ports"].as_array().expect("a list").clone()
}

/// In order of text: subnets of one second come in any order.
fn addresses(port: &Value) -> Vec<&str> {
    let items = port["fixed_ips"].as_array().expect("a list");
    let mut addresses: Vec<&str> =
        items.iter().map(|item| item["ip_address"].as_str().expect("an address")).collect();
    addresses.sort_unstable();
    addresses
}

#[tokio::test]
async fn the_server_port_follows_the_subnets() {
    TestApi::on_each_engine(|api| async move {
        api.agent("DHCP agent", "host-1.example.org", "nova").await;
        let network_id = network(&api).await;
        assert!(servers(&api, &network_id).await.is_empty(), "nothing to serve");
        let first = subnet(&api, &network_id, "10.0.0.0/24", json!({})).await;
        let found = servers(&api, &network_id).await;
        assert_eq!(found.len(), 1);
        assert_eq!(addresses(&found[0]), ["10.0.0.2"]);
        assert_eq!(found[0]["binding:host_id"], "host-1.example.org");
        assert_eq!(found[0]["project_id"], PROJECT);
        assert_eq!(found[0]["name"], "");
        // uuid5(DNS, "host-1"), as every DHCP agent computes it.
        let device_id = format!("dhcpf72400a4-a35a-5d17-b5ce-25036ebf0bbc-{network_id}");
        assert_eq!(found[0]["device_id"], device_id);

        subnet(&api, &network_id, "10.0.1.0/24", json!({})).await;
        subnet(&api, &network_id, "10.0.2.0/24", json!({"enable_dhcp": false})).await;
        let found = servers(&api, &network_id).await;
        assert_eq!(addresses(&found[0]), ["10.0.0.2", "10.0.1.2"]);

        api.expect(200, "member", "PUT", &path(&first), json!({"subnet": {"enable_dhcp": false}})).await;
        let found = servers(&api, &network_id).await;
        assert_eq!(addresses(&found[0]), ["10.0.1.2"]);

        let down = json!({"network": {"admin_state_up": false}});
        let network_path = format!("/v2.0/networks/{network_id}");
        api.expect(200, "member", "PUT", &network_path, down).await;
        assert!(servers(&api, &network_id).await.is_empty(), "a network that is down is not served");
        api.expect(200, "member", "PUT", &network_path, json!({"network": {"admin_state_up": true}})).await;
        assert_eq!(servers(&api, &network_id).await.len(), 1);
        api.expect(204, "member", "DELETE", &path(&first), Value::Null).await;
        assert_eq!(addresses(&servers(&api, &network_id).await[0]), ["10.0.1.2"]);
    })
    .await;
}

#[tokio::test]
async fn the_last_served_subnet_takes_the_server_with_it() {
    TestApi::on_each_engine(|api| async move {
        api.agent("DHCP agent", "host-1", "nova").await;
        let network_id = network(&api).await;
        let made = subnet(&api, &network_id, "10.0.0.0/24", json!({})).await;
        api.expect(204, "member", "DELETE", &path(&made), Value::Null).await;
        assert!(servers(&api, &network_id).await.is_empty());
        api.write(|tx| {
            Box::pin(async move {
                assert!(tx.rows("SELECT 1 FROM dhcp_bindings", vec![]).await?.is_empty());
                Ok(())
            })
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_network_without_agent_is_served_by_the_next_to_come() {
    TestApi::on_each_engine(|api| async move {
        let network_id = network(&api).await;
        subnet(&api, &network_id, "10.0.0.0/24", json!({})).await;
        assert!(servers(&api, &network_id).await.is_empty());
        api.agent("DHCP agent", "host-1", "nova").await;
        scheduling::host_arrived(&api.app, "host-1").await;
        assert_eq!(addresses(&servers(&api, &network_id).await[0]), ["10.0.0.2"]);
    })
    .await;
}

#[tokio::test]
async fn networks_go_to_the_agent_with_the_fewest_that_is_alive_and_enabled() {
    TestApi::on_each_engine(|api| async move {
        for host in ["host-1", "host-2", "host-3", "host-4"] {
            api.agent("DHCP agent", host, "nova").await;
        }
        api.write(|tx| {
            Box::pin(async move {
                let long_ago = "2001-01-01 00:00:00";
                tx.execute(
                    "UPDATE agents SET heartbeat_timestamp = $1 WHERE host = 'host-1'",
                    values![long_ago],
                )
                .await?;
                tx.execute("UPDATE agents SET admin_state_up = FALSE WHERE host = 'host-2'", vec![]).await?;
                Ok(())
            })
        })
        .await;
        let mut hosts = Vec::new();
        for _ in 0..4 {
            let network_id = network(&api).await;
            subnet(&api, &network_id, "10.0.0.0/24", json!({})).await;
            let found = servers(&api, &network_id).await;
            hosts.push(found[0]["binding:host_id"].as_str().expect("a host").to_owned());
        }
        assert_eq!(hosts, ["host-3", "host-4", "host-3", "host-4"]);
    })
    .await;
}

#[tokio::test]
async fn the_server_port_is_counted_but_never_refused() {
    let api = TestApi::new(Engine::Sqlite).await;
    api.agent("DHCP agent", "host-1", "nova").await;
    api.write(|tx| {
        Box::pin(async move {
            tx.execute(
                "INSERT INTO quotas (project_id, resource, \"limit\") VALUES ($1, 'port', 0)",
                values![PROJECT],
            )
            .await?;
            Ok(())
        })
    })
    .await;
    let network_id = network(&api).await;
    subnet(&api, &network_id, "10.0.0.0/24", json!({})).await;
    assert_eq!(servers(&api, &network_id).await.len(), 1);
    let refused =
        api.refused(409, "member", "POST", "/v2.0/ports", json!({"port": {"network_id": network_id}})).await;
    assert_eq!(refused.0, "OverQuota");
}

#[tokio::test]
async fn a_subnet_without_a_free_address_is_made_all_the_same() {
    TestApi::on_each_engine(|api| async move {
        api.agent("DHCP agent", "host-1", "nova").await;
        let network_id = network(&api).await;
        let full = subnet(&api, &network_id, "10.0.0.0/24", json!({"allocation_pools": []})).await;
        assert!(servers(&api, &network_id).await.is_empty());
        subnet(&api, &network_id, "10.0.1.0/24", json!({})).await;
        assert_eq!(addresses(&servers(&api, &network_id).await[0]), ["10.0.1.2"]);
        let pools = json!({"subnet": {"allocation_pools": [pool("10.0.0.9", "10.0.0.9")]}});
        api.expect(200, "member", "PUT", &path(&full), pools).await;
        assert_eq!(addresses(&servers(&api, &network_id).await[0]), ["10.0.0.9", "10.0.1.2"]);
    })
    .await;
}
