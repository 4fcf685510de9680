//! What goes with a subnet or a network when it is taken down.

use super::*;

/// A network with a subnet and one port of this owner with an address on it.
async fn served(api: &TestApi, device_owner: &str) -> (Value, String) {
    let made = network(api, "admin", json!({})).await;
    let subnet =
        json!({"network_id": made["id"], "cidr": "10.0.0.0/24", "ip_version": 4, "enable_dhcp": false});
    let subnet = api.create("admin", "/v2.0/subnets", "subnet", subnet).await;
    let port = json!({"network_id": made["id"], "device_owner": device_owner, "device_id": "host",
        "fixed_ips": [{"subnet_id": subnet["id"]}]});
    api.create("admin", "/v2.0/ports", "port", port).await;
    let subnet = format!("/v2.0/subnets/{}", subnet["id"].as_str().expect("an id"));
    (made, subnet)
}

/// Whoever destroys a topology waits for no agent: ports that serve the network
/// itself are in nobody's way, in whatever order things go.
#[tokio::test]
async fn dhcp_metadata_and_distributed_ports_never_block_a_deletion() {
    TestApi::on_each_engine(|api| async move {
        for device_owner in ["network:dhcp", "network:distributed", "network:floatingip_agent_gateway"] {
            let (made, subnet) = served(&api, device_owner).await;
            api.expect(204, "admin", "DELETE", &subnet, Value::Null).await;
            api.expect(204, "admin", "DELETE", &path(&made), Value::Null).await;
            let (made, _) = served(&api, device_owner).await;
            api.expect(204, "admin", "DELETE", &path(&made), Value::Null).await;
        }
        let left = api.expect(200, "admin", "GET", "/v2.0/ports", Value::Null).await;
        assert_eq!(left["ports"], json!([]));
        for device_owner in ["compute:nova", "network:router_interface", ""] {
            let (made, subnet) = served(&api, device_owner).await;
            api.expect(409, "admin", "DELETE", &subnet, Value::Null).await;
            api.expect(409, "admin", "DELETE", &path(&made), Value::Null).await;
        }
    })
    .await;
}
