//! Who may touch a subnet, and what keeps it from changing or going.

use super::*;

#[tokio::test]
async fn the_owner_of_the_network_decides_about_subnets() {
    TestApi::on_each_engine(|api| async move {
        let network_id = network(&api).await;
        let plain = |cidr: &str| body(&network_id, cidr, json!({}));
        let (kind, message) = api.refused(404, "other", "POST", "/v2.0/subnets", plain("10.0.0.0/24")).await;
        assert_eq!(
            (kind.as_str(), message),
            ("NetworkNotFound", format!("Network {network_id} could not be found."))
        );
        let (kind, _) = api.refused(403, "reader", "POST", "/v2.0/subnets", plain("10.0.0.0/24")).await;
        assert_eq!(kind, "PolicyNotAuthorized");
        let nowhere = body(NOWHERE, "10.0.0.0/24", json!({}));
        api.refused(404, "admin", "POST", "/v2.0/subnets", nowhere).await;
        let made = subnet(&api, &network_id, "10.0.0.0/24", json!({})).await;
        for (method, body) in
            [("GET", Value::Null), ("PUT", json!({"subnet": {"name": "x"}})), ("DELETE", Value::Null)]
        {
            let (kind, _) = api.refused(404, "other", method, &path(&made), body).await;
            assert_eq!(kind, "SubnetNotFound", "{method}");
        }
        // Shared: everybody sees it, only its owner changes it.
        let share = json!({"network": {"shared": true}});
        api.expect(200, "admin", "PUT", &format!("/v2.0/networks/{network_id}"), share).await;
        api.expect(200, "other", "GET", &path(&made), Value::Null).await;
        let listed = api.expect(200, "other", "GET", "/v2.0/subnets", Value::Null).await;
        assert_eq!(listed["subnets"][0]["id"], made["id"]);
        api.refused(403, "other", "DELETE", &path(&made), Value::Null).await;
        api.refused(403, "other", "POST", "/v2.0/subnets", plain("10.0.1.0/24")).await;
        // A subnet of an administrator on the network is the network owner's to delete.
        let foreign = api.expect(201, "admin", "POST", "/v2.0/subnets", plain("10.0.2.0/24")).await;
        api.expect(204, "member", "DELETE", &path(&foreign["subnet"]), Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn unknown_subnets_are_not_found() {
    let api = TestApi::new(Engine::Sqlite).await;
    for id in [NOWHERE, "not-a-uuid"] {
        let found = api.refused(404, "admin", "GET", &format!("/v2.0/subnets/{id}"), Value::Null).await;
        assert_eq!(found, ("SubnetNotFound".to_owned(), format!("Subnet {id} could not be found.")));
    }
}

#[tokio::test]
async fn a_subnet_in_use_stays() {
    TestApi::on_each_engine(|api| async move {
        let network_id = network(&api).await;
        let made = subnet(&api, &network_id, "10.0.0.0/24", json!({})).await;
        let port = api.create("member", "/v2.0/ports", "port", json!({"network_id": network_id})).await;
        let message = format!(
            "Unable to complete operation on subnet {}: One or more ports have an IP allocation from this subnet. \
             Blocked by port {}.",
            made["id"].as_str().expect("an id"),
            port["id"].as_str().expect("an id")
        );
        let found = api.refused(409, "member", "DELETE", &path(&made), Value::Null).await;
        assert_eq!(found, ("SubnetInUse".to_owned(), message));
        let port = format!("/v2.0/ports/{}", port["id"].as_str().expect("an id"));
        api.expect(204, "member", "DELETE", &port, Value::Null).await;
        api.expect(204, "member", "DELETE", &path(&made), Value::Null).await;
        api.refused(404, "member", "GET", &path(&made), Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn the_gateway_of_a_router_interface_stays() {
    TestApi::on_each_engine(|api| async move {
        let network_id = network(&api).await;
        let made = subnet(&api, &network_id, "10.0.0.0/24", json!({})).await;
        let router = api.create("member", "/v2.0/routers", "router", json!({})).await;
        let router = format!("/v2.0/routers/{}", router["id"].as_str().expect("an id"));
        let leg = json!({"subnet_id": made["id"]});
        api.expect(200, "member", "PUT", &format!("{router}/add_router_interface"), leg.clone()).await;
        let move_it = json!({"subnet": {"gateway_ip": "10.0.0.254", "allocation_pools": [pool("10.0.0.2", "10.0.0.9")]}});
        let (kind, message) = api.refused(409, "member", "PUT", &path(&made), move_it.clone()).await;
        assert_eq!(kind, "GatewayIpInUse");
        assert!(message.starts_with("Current gateway ip 10.0.0.1 already in use by port "), "{message}");
        let same = json!({"subnet": {"gateway_ip": "10.0.0.1", "name": "x"}});
        api.expect(200, "member", "PUT", &path(&made), same).await;
        api.refused(409, "member", "DELETE", &path(&made), Value::Null).await;
        api.expect(200, "member", "PUT", &format!("{router}/remove_router_interface"), leg).await;
        api.expect(200, "member", "PUT", &path(&made), move_it).await;
    })
    .await;
}

#[tokio::test]
async fn over_quota_is_refused() {
    let api = TestApi::new(Engine::Sqlite).await;
    let network_id = network(&api).await;
    api.write(|tx| {
        Box::pin(async move {
            tx.execute(
                "INSERT INTO quotas (project_id, resource, \"limit\") VALUES ($1, 'subnet', 1)",
                isospin_store_kit::values![PROJECT],
            )
            .await?;
            Ok(())
        })
    })
    .await;
    let first = subnet(&api, &network_id, "10.0.0.0/24", json!({})).await;
    let found = refused(&api, 409, &network_id, "10.0.1.0/24", json!({})).await;
    assert_eq!(found, ("OverQuota".to_owned(), "Quota exceeded for resources: ['subnet'].".to_owned()));
    api.expect(204, "member", "DELETE", &path(&first), Value::Null).await;
    subnet(&api, &network_id, "10.0.1.0/24", json!({})).await;
}
