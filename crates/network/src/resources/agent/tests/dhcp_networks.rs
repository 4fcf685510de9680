//! Networks on DHCP agents.

use serde_json::{Value, json};

use super::{DHCP, L3, agent, host, id};
use crate::testing::{NOWHERE, TestApi};

/// Hosts that serve the network, as its agents say.
async fn serving(api: &TestApi, network: &str) -> Vec<String> {
    let path = format!("/v2.0/networks/{network}/dhcp-agents");
    let answer = api.expect(200, "admin", "GET", &path, Value::Null).await;
    let agents = answer["agents"].as_array().expect("a list");
    agents.iter().map(|agent| agent["host"].as_str().expect("a host").to_owned()).collect()
}

/// Hosts of the ports DHCP is served from.
async fn ports(api: &TestApi, network: &str) -> Vec<String> {
    let path = format!("/v2.0/ports?network_id={network}&device_owner=network:dhcp");
    let answer = api.expect(200, "admin", "GET", &path, Value::Null).await;
    let ports = answer["ports"].as_array().expect("a list");
    let mut hosts: Vec<_> =
        ports.iter().map(|port| port["binding:host_id"].as_str().expect("a host").to_owned()).collect();
    hosts.sort();
    hosts
}

async fn network(api: &TestApi) -> String {
    let network = id(&api.create("member", "/v2.0/networks", "network", json!({"name": "n"})).await);
    let object = json!({"network_id": network, "ip_version": 4, "cidr": "10.1.0.0/24"});
    api.create("member", "/v2.0/subnets", "subnet", object).await;
    network
}

#[tokio::test]
async fn networks_are_put_on_agents_and_taken_away() {
    TestApi::on_each_engine(|api| async move {
        host(&api, "h1", &[DHCP]).await;
        let network = network(&api).await;
        assert_eq!(serving(&api, &network).await, ["h1"]);
        host(&api, "h2", &[DHCP]).await;
        let (first, second) = (agent(&api, DHCP, "h1").await, agent(&api, DHCP, "h2").await);
        let path = |agent: &str| format!("/v2.0/agents/{agent}/dhcp-networks");
        let list = async |agent: &str| api.expect(200, "admin", "GET", &path(agent), Value::Null).await;
        let body = json!({"network_id": network});

        assert_eq!(api.expect(201, "admin", "POST", &path(&second), body.clone()).await, Value::Null);
        assert_eq!(serving(&api, &network).await, ["h1", "h2"]);
        assert_eq!(ports(&api, &network).await, ["h1", "h2"]);
        let listed = list(&second).await;
        assert_eq!(listed["networks"][0]["id"], network);
        assert_eq!(listed["networks"][0]["name"], "n");
        assert_eq!(listed["networks"].as_array().map(Vec::len), Some(1));
        let again = api.refused(409, "admin", "POST", &path(&second), body.clone()).await;
        let message = format!("The network {network} has been already hosted by the DHCP Agent {second}.");
        assert_eq!(again, ("NetworkHostedByDHCPAgent".to_owned(), message));

        // Clients send the id again in the body.
        let one = format!("{}/{network}", path(&first));
        api.expect(204, "admin", "DELETE", &one, body.clone()).await;
        assert_eq!(serving(&api, &network).await, ["h2"]);
        assert_eq!(ports(&api, &network).await, ["h2"]);
        assert_eq!(list(&first).await, json!({"networks": []}));
        let gone = api.refused(409, "admin", "DELETE", &one, Value::Null).await;
        let message = format!("The network {network} is not hosted by the DHCP agent {first}.");
        assert_eq!(gone, ("NetworkNotHostedByDhcpAgent".to_owned(), message));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_put_on_an_agent_is_refused() {
    TestApi::on_each_engine(|api| async move {
        host(&api, "h1", &[DHCP, L3]).await;
        let (dhcp, l3) = (agent(&api, DHCP, "h1").await, agent(&api, L3, "h1").await);
        let network = id(&api.create("member", "/v2.0/networks", "network", json!({})).await);
        let path = |agent: &str| format!("/v2.0/agents/{agent}/dhcp-networks");
        let refused = async |status, agent: &str, body: Value| {
            api.refused(status, "admin", "POST", &path(agent), body).await
        };
        let body = json!({"network_id": network});
        let invalid = |agent: &str| {
            let message = format!("Agent {agent} is not a valid DHCP Agent or has been disabled");
            ("InvalidDHCPAgent".to_owned(), message)
        };
        assert_eq!(refused(404, &l3, body.clone()).await, invalid(&l3));
        assert_eq!(refused(404, NOWHERE, body.clone()).await.0, "AgentNotFound");
        assert_eq!(refused(404, &dhcp, json!({"network_id": NOWHERE})).await.0, "NetworkNotFound");
        assert_eq!(refused(404, &dhcp, json!({"network_id": "x"})).await.0, "NetworkNotFound");
        for wrong in [json!({}), json!({"network_id": 7}), json!([network])] {
            assert_eq!(refused(400, &dhcp, wrong).await.0, "HTTPBadRequest");
        }
        let off = json!({"agent": {"admin_state_up": false}});
        api.expect(200, "admin", "PUT", &format!("/v2.0/agents/{dhcp}"), off).await;
        assert_eq!(refused(404, &dhcp, body).await, invalid(&dhcp));
        for agent in [&l3, &dhcp] {
            let one = format!("{}/{network}", path(agent));
            let refusal = api.refused(409, "admin", "DELETE", &one, Value::Null).await;
            assert_eq!(refusal.0, "NetworkNotHostedByDhcpAgent");
        }
        assert_eq!(api.expect(200, "admin", "GET", &path(&l3), Value::Null).await, json!({"networks": []}));
        assert_eq!(serving(&api, &network).await, Vec::<String>::new());
        assert_eq!(serving(&api, NOWHERE).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn a_network_without_subnets_is_served_when_it_has_one() {
    TestApi::on_each_engine(|api| async move {
        host(&api, "h1", &[DHCP]).await;
        host(&api, "h2", &[DHCP]).await;
        let second = agent(&api, DHCP, "h2").await;
        let network = id(&api.create("member", "/v2.0/networks", "network", json!({})).await);
        let path = format!("/v2.0/agents/{second}/dhcp-networks");
        api.expect(201, "admin", "POST", &path, json!({"network_id": network})).await;
        assert_eq!(serving(&api, &network).await, ["h2"]);
        assert_eq!(ports(&api, &network).await, Vec::<String>::new());
        let object = json!({"network_id": network, "ip_version": 4, "cidr": "10.1.0.0/24"});
        api.create("member", "/v2.0/subnets", "subnet", object).await;
        assert_eq!(ports(&api, &network).await, ["h2"]);
    })
    .await;
}

#[tokio::test]
async fn a_removed_agent_leaves_its_networks_to_others() {
    TestApi::on_each_engine(|api| async move {
        host(&api, "h1", &[DHCP]).await;
        let network = network(&api).await;
        let path = format!("/v2.0/agents/{}", agent(&api, DHCP, "h1").await);
        api.expect(204, "admin", "DELETE", &path, Value::Null).await;
        assert_eq!(serving(&api, &network).await, Vec::<String>::new());
        assert_eq!(ports(&api, &network).await, Vec::<String>::new());
        host(&api, "h2", &[DHCP]).await;
        crate::background::scheduling::host_arrived(&api.app, "h2").await;
        assert_eq!(ports(&api, &network).await, ["h2"]);
    })
    .await;
}
