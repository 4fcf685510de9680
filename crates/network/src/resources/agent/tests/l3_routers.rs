//! Routers on L3 agents.

use serde_json::{Value, json};

use super::{BRIDGE, DHCP, L3, agent, host, id};
use crate::testing::{NOWHERE, TestApi};

/// A router with a gateway and one interface.
async fn router(api: &TestApi) -> String {
    let external = json!({"router:external": true});
    let external = id(&api.create("admin", "/v2.0/networks", "network", external).await);
    let object =
        json!({"network_id": external, "ip_version": 4, "cidr": "172.24.0.0/24", "enable_dhcp": false});
    api.create("admin", "/v2.0/subnets", "subnet", object).await;
    let inner = id(&api.create("member", "/v2.0/networks", "network", json!({})).await);
    let object = json!({"network_id": inner, "ip_version": 4, "cidr": "10.1.0.0/24"});
    let subnet = id(&api.create("member", "/v2.0/subnets", "subnet", object).await);
    let object = json!({"name": "r", "external_gateway_info": {"network_id": external}});
    let router = id(&api.create("member", "/v2.0/routers", "router", object).await);
    let path = format!("/v2.0/routers/{router}/add_router_interface");
    api.expect(200, "member", "PUT", &path, json!({"subnet_id": subnet})).await;
    router
}

/// Hosts of the router's ports.
async fn hosts(api: &TestApi, router: &str) -> Vec<Value> {
    let path = format!("/v2.0/ports?device_id={router}");
    let answer = api.expect(200, "admin", "GET", &path, Value::Null).await;
    let ports = answer["ports"].as_array().expect("a list");
    ports.iter().map(|port| port["binding:host_id"].clone()).collect()
}

async fn carrying(api: &TestApi, router: &str) -> Value {
    let path = format!("/v2.0/routers/{router}/l3-agents");
    api.expect(200, "admin", "GET", &path, Value::Null).await["agents"].take()
}

#[tokio::test]
async fn a_router_is_moved_with_its_ports() {
    TestApi::on_each_engine(|api| async move {
        host(&api, "h1", &[L3, BRIDGE]).await;
        let router = router(&api).await;
        host(&api, "h2", &[L3, BRIDGE]).await;
        let (first, second) = (agent(&api, L3, "h1").await, agent(&api, L3, "h2").await);
        let path = |agent: &str| format!("/v2.0/agents/{agent}/l3-routers");
        let body = json!({"router_id": router});
        assert_eq!(hosts(&api, &router).await, ["h1", "h1"]);
        let found = carrying(&api, &router).await;
        assert_eq!((&found[0]["id"], &found[0]["ha_state"]), (&json!(first), &Value::Null));
        let listed = api.expect(200, "admin", "GET", &path(&first), Value::Null).await;
        assert_eq!(
            (&listed["routers"][0]["id"], &listed["routers"][0]["name"]),
            (&json!(router), &json!("r"))
        );

        // Where it is already it may be put again; elsewhere only when it is free.
        assert_eq!(api.expect(201, "admin", "POST", &path(&first), body.clone()).await, Value::Null);
        let refusal = api.refused(409, "admin", "POST", &path(&second), body.clone()).await;
        let message = format!("The router {router} has been already hosted by the L3 Agent {first}.");
        assert_eq!(refusal, ("RouterHostedByL3Agent".to_owned(), message));
        let elsewhere = format!("{}/{router}", path(&second));
        let refusal = api.refused(409, "admin", "DELETE", &elsewhere, body.clone()).await;
        let message = format!("The router {router} is not hosted by L3 agent {second}.");
        assert_eq!(refusal, ("RouterNotHostedByL3Agent".to_owned(), message));

        let before = *api.store().versions().borrow();
        api.expect(204, "admin", "DELETE", &format!("{}/{router}", path(&first)), body.clone()).await;
        assert_eq!(hosts(&api, &router).await, ["", ""]);
        assert_eq!(carrying(&api, &router).await, json!([]));
        api.expect(201, "admin", "POST", &path(&second), body).await;
        assert_eq!(hosts(&api, &router).await, ["h2", "h2"]);
        assert_eq!(carrying(&api, &router).await[0]["host"], "h2");
        let mut reader = api.store().reader().await.expect("a reader");
        let changes = isospin_store_kit::changes::since(&mut reader, before, 100).await.expect("changes");
        let topics: Vec<&str> = changes.iter().map(|change| change.topic.as_str()).collect();
        assert_eq!(topics, ["port", "port", "router", "port", "port", "router"]);
        let listed = api.expect(200, "admin", "GET", &path(&first), Value::Null).await;
        assert_eq!(listed, json!({"routers": []}));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_put_on_an_agent_is_refused() {
    TestApi::on_each_engine(|api| async move {
        host(&api, "h1", &[L3, DHCP]).await;
        let (l3, dhcp) = (agent(&api, L3, "h1").await, agent(&api, DHCP, "h1").await);
        let router = id(&api.create("member", "/v2.0/routers", "router", json!({})).await);
        let path = |agent: &str| format!("/v2.0/agents/{agent}/l3-routers");
        let refused = async |status, agent: &str, body: Value| {
            api.refused(status, "admin", "POST", &path(agent), body).await
        };
        let body = json!({"router_id": router});
        let invalid = |agent: &str| {
            ("InvalidL3Agent".to_owned(), format!("Agent {agent} is not a L3 Agent or has been disabled"))
        };
        assert_eq!(refused(404, &dhcp, body.clone()).await, invalid(&dhcp));
        assert_eq!(refused(404, NOWHERE, body.clone()).await.0, "AgentNotFound");
        assert_eq!(refused(404, &l3, json!({"router_id": NOWHERE})).await.0, "RouterNotFound");
        assert_eq!(refused(400, &l3, json!({"network_id": router})).await.0, "HTTPBadRequest");
        let off = json!({"agent": {"admin_state_up": false}});
        api.expect(200, "admin", "PUT", &format!("/v2.0/agents/{l3}"), off).await;
        assert_eq!(refused(404, &l3, body).await, invalid(&l3));
        let one = format!("{}/{router}", path(&dhcp));
        assert_eq!(
            api.refused(409, "admin", "DELETE", &one, Value::Null).await.0,
            "RouterNotHostedByL3Agent"
        );
        assert_eq!(carrying(&api, NOWHERE).await, json!([]));
    })
    .await;
}

#[tokio::test]
async fn a_removed_agent_leaves_its_routers_to_others() {
    TestApi::on_each_engine(|api| async move {
        host(&api, "h1", &[L3, BRIDGE]).await;
        let router = router(&api).await;
        let path = format!("/v2.0/agents/{}", agent(&api, L3, "h1").await);
        api.expect(204, "admin", "DELETE", &path, Value::Null).await;
        assert_eq!(hosts(&api, &router).await, ["", ""]);
        host(&api, "h2", &[L3, BRIDGE]).await;
        crate::background::scheduling::host_arrived(&api.app, "h2").await;
        assert_eq!(hosts(&api, &router).await, ["h2", "h2"]);
    })
    .await;
}
