//! Automatic addresses on ports that are there before the subnet.

use super::*;

async fn port(api: &TestApi, network_id: &str, more: Value) -> Value {
    let mut object = json!({"network_id": network_id});
    object.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    api.create("admin", "/v2.0/ports", "port", object).await
}

async fn shown(api: &TestApi, port: &Value) -> Value {
    let path = format!("/v2.0/ports/{}", port["id"].as_str().expect("an id"));
    api.expect(200, "admin", "GET", &path, Value::Null).await["port"].clone()
}

#[tokio::test]
async fn ports_get_an_address_when_the_subnet_comes_and_lose_it_when_it_goes() {
    TestApi::on_each_engine(|api| async move {
        let network_id = network(&api).await;
        subnet(&api, &network_id, "10.0.0.0/24", json!({})).await;
        let mac = json!({"mac_address": "fa:16:3e:1f:94:4b"});
        let plain = port(&api, &network_id, mac).await;
        let without = port(&api, &network_id, json!({"fixed_ips": []})).await;
        let modes = json!({"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"});
        let made = subnet(&api, &network_id, "fd00:77::/64", modes).await;
        let after = shown(&api, &plain).await;
        let address = json!({"subnet_id": made["id"], "ip_address": "fd00:77::f816:3eff:fe1f:944b"});
        assert_eq!(after["fixed_ips"], json!([plain["fixed_ips"][0], address]));
        assert_eq!(after["revision_number"], 2);
        assert_eq!(shown(&api, &without).await["fixed_ips"], json!([]), "no address was wanted");
        // The address is used: nobody else gets it, though the pools hold it.
        let taken = json!({"network_id": network_id, "fixed_ips": [address]});
        api.refused(400, "admin", "POST", "/v2.0/ports", json!({"port": taken})).await;

        api.expect(204, "member", "DELETE", &path(&made), Value::Null).await;
        let after = shown(&api, &plain).await;
        assert_eq!(after["fixed_ips"], plain["fixed_ips"]);
        assert_eq!(after["revision_number"], 3);
    })
    .await;
}

#[tokio::test]
async fn addresses_from_the_pool_keep_a_stateful_subnet() {
    let api = TestApi::new(Engine::Sqlite).await;
    let network_id = network(&api).await;
    let modes = json!({"ipv6_ra_mode": "dhcpv6-stateful", "ipv6_address_mode": "dhcpv6-stateful"});
    let made = subnet(&api, &network_id, "fd00:77::/64", modes).await;
    let plain = port(&api, &network_id, json!({})).await;
    assert_eq!(plain["fixed_ips"][0]["ip_address"], "fd00:77::1");
    api.refused(409, "member", "DELETE", &path(&made), Value::Null).await;
}
