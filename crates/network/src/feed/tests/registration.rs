//! Agents register by Hello and stay alive by heartbeats.

use isospin_store_kit::values;
use serde_json::{Value, json};

use super::super::{agents, heartbeats};
use super::{create, hello, id, join, network, port, run, shown};
use crate::testing::TestApi;

async fn list(api: &TestApi, query: &str) -> Vec<Value> {
    let path = format!("/v2.0/agents{query}");
    let mut answer = api.expect(200, "admin", "GET", &path, Value::Null).await;
    answer["agents"].as_array_mut().expect("a list").drain(..).collect()
}

#[tokio::test]
async fn each_role_of_a_host_is_an_agent() {
    TestApi::on_each_engine(|api| async move {
        let mut said = hello("h1", &["l2", "l3", "dhcp", "metadata"], "192.0.2.1");
        said.configurations.insert("l3".to_owned(), json!({"agent_mode": "legacy"}).to_string());
        said.configurations.insert("dhcp".to_owned(), "no JSON".to_owned());
        agents::register(&api.app, said.clone()).await.expect("registered");
        let found = list(&api, "?sort_key=agent_type").await;
        let rows: Vec<_> = found
            .iter()
            .map(|agent| {
                let text = |key: &str| agent[key].as_str().unwrap_or("-").to_owned();
                assert_eq!((&agent["alive"], &agent["admin_state_up"]), (&json!(true), &json!(true)));
                assert_eq!(agent["started_at"], "2023-11-14 22:13:20");
                [text("agent_type"), text("binary"), text("topic"), text("availability_zone")].join("|")
            })
            .collect();
        assert_eq!(
            rows,
            [
                "DHCP agent|neutron-dhcp-agent|dhcp_agent|nova",
                "L3 agent|neutron-l3-agent|l3_agent|nova",
                "Linux bridge agent|neutron-linuxbridge-agent|N/A|-",
                "Metadata agent|neutron-metadata-agent|N/A|-",
            ]
        );
        assert_eq!(found[1]["configurations"]["agent_mode"], "legacy");
        assert_eq!(found[2]["configurations"]["tunneling_ip"], "192.0.2.1");
        assert_eq!(found[2]["configurations"]["bridge_mappings"], json!({"external": "brext"}));

        // Said again, nothing is there twice; what an operator set stays.
        let path = format!("/v2.0/agents/{}", id(&found[1]));
        let body = json!({"agent": {"admin_state_up": false, "description": "rack 1"}});
        api.expect(200, "admin", "PUT", &path, body).await;
        said.availability_zone = "east".to_owned();
        agents::register(&api.app, said).await.expect("registered");
        let again = list(&api, "?sort_key=agent_type").await;
        assert_eq!(again.len(), 4);
        let kept: Vec<_> = ["id", "admin_state_up", "description", "availability_zone"]
            .iter()
            .map(|key| again[1][*key].clone())
            .collect();
        assert_eq!(kept, [found[1]["id"].clone(), json!(false), json!("rack 1"), json!("east")]);
    })
    .await;
}

const NOBODY: [&str; 0] = [];

/// A heartbeat; the hosts that miss an agent.
async fn beat(api: &TestApi, agents: &agents::Registered) -> Vec<String> {
    heartbeats::note(api.store(), vec![agents.clone()]).await.expect("stored")
}

#[tokio::test]
async fn heartbeats_keep_the_agents_of_the_session_alive() {
    TestApi::on_each_engine(|api| async move {
        let all = agents::register(&api.app, hello("h1", &["l2", "l3"], "")).await.expect("registered");
        let old = "UPDATE agents SET heartbeat_timestamp = '2020-01-01 00:00:00'";
        run(api.store(), old, vec![], None).await;
        assert_eq!(list(&api, "?alive=true").await.len(), 0);
        // The next session has one role less.
        let fewer = agents::register(&api.app, hello("h1", &["l2"], "")).await.expect("registered");
        run(api.store(), old, vec![], None).await;
        assert_eq!(beat(&api, &fewer).await, NOBODY);
        let alive = list(&api, "?alive=true").await;
        assert_eq!(alive.len(), 1);
        assert_eq!(alive[0]["agent_type"], "Linux bridge agent");
        assert_eq!(beat(&api, &all).await, NOBODY);
        assert_eq!(list(&api, "?alive=true").await.len(), 2);
        // Removed by an operator: the session is to begin again.
        api.expect(204, "admin", "DELETE", &format!("/v2.0/agents/{}", id(&alive[0])), Value::Null).await;
        assert_eq!(beat(&api, &all).await, ["h1"]);
    })
    .await;
}

#[tokio::test]
async fn only_a_new_tunnel_address_is_told_to_others() {
    TestApi::on_each_engine(|api| async move {
        let version = || *api.store().versions().borrow();
        let register = async |address: &str| {
            let before = version();
            agents::register(&api.app, hello("h1", &["l2"], address)).await.expect("registered");
            version() - before
        };
        assert_eq!(register("").await, 0);
        assert_eq!(register("192.0.2.1").await, 1);
        assert_eq!(register("192.0.2.1").await, 0);
        assert_eq!(register("192.0.2.9").await, 1);
        assert_eq!(register("").await, 1);
    })
    .await;
}

#[tokio::test]
async fn ports_bound_before_their_agent_came_are_wired_when_it_does() {
    TestApi::on_each_engine(|api| async move {
        let network = network(&api, "10.1.0.0/24").await;
        let early = port(&api, &network, "h1").await;
        let elsewhere = port(&api, &network, "h2").await;
        let vif = async |port: &str| shown(&api, "ports", "port", port, "binding:vif_type").await;
        assert_eq!(vif(&early).await, "binding_failed");
        join(&api, "h1", "").await;
        assert_eq!(vif(&early).await, "bridge");
        assert_eq!(shown(&api, "ports", "port", &early, "status").await, "BUILD");
        assert_eq!(vif(&elsewhere).await, "binding_failed");
    })
    .await;
}

#[tokio::test]
async fn n05_a_network_that_cannot_be_served_keeps_no_host_out() {
    TestApi::on_each_engine(|api| async move {
        let full = network(&api, "10.1.0.0/24").await;
        let fine = network(&api, "10.2.0.0/24").await;
        let external = id(&create(&api, "networks", "network", json!({})).await);
        // A pool that promises an address somebody has.
        create(&api, "ports", "port", json!({"network_id": full, "fixed_ips": [{"ip_address": "10.1.0.2"}]}))
            .await;
        run(
            api.store(),
            "UPDATE networks SET availability_zone_hints = 'not a list' WHERE id = $1",
            values![&full],
            None,
        )
        .await;
        join(&api, "h1", "").await;
        let serving = async |network: &str| {
            let path = format!("/v2.0/networks/{network}/dhcp-agents");
            api.expect(200, "admin", "GET", &path, Value::Null).await["agents"].as_array().map_or(0, Vec::len)
        };
        assert_eq!(serving(&fine).await, 1);
        assert_eq!(serving(&external).await, 0);
        assert_eq!(serving(&full).await, 0);
    })
    .await;
}
