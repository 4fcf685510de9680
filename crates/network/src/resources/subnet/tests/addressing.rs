//! Prefixes, gateways and pools.

use super::*;

#[tokio::test]
async fn gateway_and_pools_follow_from_the_prefix() {
    let api = TestApi::new(Engine::Sqlite).await;
    let off = json!({"enable_dhcp": false});
    let cases = [
        ("10.0.0.0/24", json!({}), json!("10.0.0.1"), json!([pool("10.0.0.2", "10.0.0.254")])),
        ("10.0.0.0/24", json!({"gateway_ip": null}), Value::Null, json!([pool("10.0.0.1", "10.0.0.254")])),
        (
            "10.0.0.0/24",
            json!({"gateway_ip": "10.0.0.100"}),
            json!("10.0.0.100"),
            json!([pool("10.0.0.1", "10.0.0.99"), pool("10.0.0.101", "10.0.0.254")]),
        ),
        (
            "10.0.0.0/24",
            json!({"gateway_ip": "10.9.9.9"}),
            json!("10.9.9.9"),
            json!([pool("10.0.0.1", "10.0.0.254")]),
        ),
        ("10.0.0.0/30", json!({}), json!("10.0.0.1"), json!([pool("10.0.0.2", "10.0.0.2")])),
        (
            "10.0.0.0/31",
            json!({"gateway_ip": null, "enable_dhcp": false}),
            Value::Null,
            json!([pool("10.0.0.0", "10.0.0.1")]),
        ),
        ("10.0.0.7/32", off.clone(), json!("10.0.0.8"), json!([pool("10.0.0.7", "10.0.0.7")])),
        (
            "2001:db8::/64",
            json!({}),
            json!("2001:db8::"),
            json!([pool("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff")]),
        ),
        (
            "2001:DB8::/126",
            json!({"gateway_ip": "2001:db8::2"}),
            json!("2001:db8::2"),
            json!([pool("2001:db8::1", "2001:db8::1"), pool("2001:db8::3", "2001:db8::3")]),
        ),
        ("2001:db8::/127", off.clone(), json!("2001:db8::"), json!([pool("2001:db8::1", "2001:db8::1")])),
        ("2001:db8::5/128", off, json!("2001:db8::5"), json!([])),
    ];
    for (cidr, more, gateway, pools) in cases {
        let network_id = network(&api).await;
        let made = subnet(&api, &network_id, cidr, more.clone()).await;
        assert_eq!((&made["gateway_ip"], &made["allocation_pools"]), (&gateway, &pools), "{cidr} {more}");
    }
}

#[tokio::test]
async fn what_does_not_fit_together_is_refused_by_kind() {
    let api = TestApi::new(Engine::Sqlite).await;
    let network_id = network(&api).await;
    let pools = |pools: &[(&str, &str)]| {
        let pools: Vec<Value> = pools.iter().map(|(start, end)| pool(start, end)).collect();
        json!({"allocation_pools": pools})
    };
    let net = "10.0.0.0/24";
    let cases = [
        (409, "10.0.0.0/31", json!({"enable_dhcp": false}), "IpamValueInvalid"),
        (400, net, json!({"gateway_ip": "10.0.0.0"}), "InvalidInput"),
        (400, net, json!({"gateway_ip": "10.0.0.255"}), "InvalidInput"),
        (400, net, json!({"gateway_ip": "fd00::1"}), "InvalidInput"),
        (400, net, json!({"ip_version": 6}), "InvalidInput"),
        (400, net, json!({"ip_version": 5}), "HTTPBadRequest"),
        (400, net, pools(&[("10.0.0.9", "10.0.0.5")]), "InvalidAllocationPool"),
        (400, net, pools(&[("fd00::1", "fd00::2")]), "InvalidAllocationPool"),
        (400, net, pools(&[("10.0.0.5", "10.0.1.5")]), "OutOfBoundsAllocationPool"),
        (400, net, pools(&[("10.0.0.0", "10.0.0.5")]), "OutOfBoundsAllocationPool"),
        (400, net, pools(&[("10.0.0.5", "10.0.0.255")]), "OutOfBoundsAllocationPool"),
        (
            409,
            net,
            pools(&[("10.0.0.5", "10.0.0.9"), ("10.0.0.9", "10.0.0.12")]),
            "OverlappingAllocationPools",
        ),
        (409, net, pools(&[("10.0.0.1", "10.0.0.9")]), "GatewayConflictWithAllocationPools"),
        (400, "10.0.0.0/31", json!({"gateway_ip": null}), "InvalidInput"),
        (400, "10.0.0.0/0", json!({"enable_dhcp": false}), "InvalidInput"),
        (400, "224.0.0.0/24", json!({}), "InvalidInput"),
        (400, "127.0.0.0/24", json!({}), "InvalidInput"),
        (400, "0.0.0.0/24", json!({}), "InvalidInput"),
        (400, "::/64", json!({}), "InvalidInput"),
        (400, "::ffff:10.0.0.0/120", json!({}), "HTTPBadRequest"),
        (400, "fd00::/127", json!({}), "InvalidInput"),
    ];
    for (status, cidr, more, kind) in cases {
        let (found, message) = refused(&api, status, &network_id, cidr, more.clone()).await;
        assert_eq!(found, kind, "{cidr} {more}: {message}");
    }
    let listed = api.expect(200, "member", "GET", "/v2.0/subnets", Value::Null).await;
    assert_eq!(listed, json!({"subnets": []}));
}

#[tokio::test]
async fn prefixes_of_one_network_do_not_overlap() {
    TestApi::on_each_engine(|api| async move {
        let network_id = network(&api).await;
        subnet(&api, &network_id, "10.77.0.0/24", json!({})).await;
        subnet(&api, &network_id, "fd00::/64", json!({})).await;
        for (cidr, more) in [
            ("10.77.0.0/25", json!({})),
            ("10.77.0.0/16", json!({})),
            ("10.77.0.255/32", json!({"enable_dhcp": false})),
            ("fd00::/48", json!({})),
        ] {
            let found = refused(&api, 400, &network_id, cidr, more).await;
            let message = format!(
                "Invalid input for operation: Requested subnet with cidr: {cidr} for network: {network_id} overlaps \
                 with another subnet."
            );
            assert_eq!(found, ("InvalidInput".to_owned(), message));
        }
        subnet(&api, &network_id, "10.77.1.0/24", json!({})).await;
        let elsewhere = network(&api).await;
        subnet(&api, &elsewhere, "10.77.0.0/24", json!({})).await;
    })
    .await;
}

#[tokio::test]
async fn a_prefix_comes_from_the_client_or_a_pool() {
    let api = TestApi::new(Engine::Sqlite).await;
    let network_id = network(&api).await;
    let post = async |more: Value| {
        let mut subnet = json!({"network_id": network_id, "ip_version": 4});
        subnet.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        api.refused(400, "member", "POST", "/v2.0/subnets", json!({"subnet": subnet})).await
    };
    let (kind, message) = post(json!({})).await;
    assert_eq!(kind, "BadRequest");
    assert_eq!(message, "Bad subnets request: a subnetpool must be specified in the absence of a cidr.");
    let plain = json!({"subnetpool_id": null, "use_default_subnetpool": false});
    subnet(&api, &network_id, "10.0.0.0/24", plain).await;
    let (_, message) = api
        .refused(
            400,
            "member",
            "POST",
            "/v2.0/subnets",
            json!({"subnet": {"cidr": "10.0.0.0/24", "ip_version": 4}}),
        )
        .await;
    assert_eq!(message, "Failed to parse request. Required attribute 'network_id' not specified");
}

#[tokio::test]
async fn changed_pools_decide_what_ports_get() {
    TestApi::on_each_engine(|api| async move {
        let network_id = network(&api).await;
        let made = subnet(
            &api,
            &network_id,
            "10.0.0.0/24",
            json!({"allocation_pools": [pool("10.0.0.5", "10.0.0.6")]}),
        )
        .await;
        let address = async || {
            let port = api.create("member", "/v2.0/ports", "port", json!({"network_id": network_id})).await;
            port["fixed_ips"][0]["ip_address"].as_str().expect("an address").to_owned()
        };
        assert_eq!(address().await, "10.0.0.5");
        let update = json!({"subnet": {"allocation_pools": [pool("10.0.0.4", "10.0.0.6")]}});
        api.expect(200, "member", "PUT", &path(&made), update).await;
        assert_eq!(address().await, "10.0.0.4");
        assert_eq!(address().await, "10.0.0.6");
        let (kind, _) = api
            .refused(409, "member", "POST", "/v2.0/ports", json!({"port": {"network_id": network_id}}))
            .await;
        assert_eq!(kind, "IpAddressGenerationFailure");
        let inside = json!({"subnet": {"gateway_ip": "10.0.0.5"}});
        let (kind, _) = api.refused(409, "member", "PUT", &path(&made), inside).await;
        assert_eq!(kind, "GatewayConflictWithAllocationPools");
    })
    .await;
}
