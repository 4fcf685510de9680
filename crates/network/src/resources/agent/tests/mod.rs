//! API tests of agents, on both engines.

mod dhcp_networks;
mod l3_routers;
mod list;

use isospin_store_kit::values;
use serde_json::{Value, json};

use crate::background::scheduling::agents::{DHCP, L3};
use crate::testing::{NOWHERE, TestApi};

const BRIDGE: &str = "Linux bridge agent";

/// Agents of three hosts; the id of the one wanted.
async fn agent(api: &TestApi, kind: &'static str, host: &'static str) -> String {
    let path = format!("/v2.0/agents?agent_type={}&host={host}", kind.replace(' ', "%20"));
    let answer = api.expect(200, "admin", "GET", &path, Value::Null).await;
    answer["agents"][0]["id"].as_str().expect("an id").to_owned()
}

/// Registers agents of these kinds on a host; one that wires ports names how.
async fn host(api: &TestApi, host: &'static str, kinds: &[&'static str]) {
    for kind in kinds {
        api.agent(kind, host, if *kind == BRIDGE { "" } else { "nova" }).await;
    }
    api.write(|tx| {
        Box::pin(async move {
            tx.execute("UPDATE agents SET mechanism = 'linuxbridge' WHERE agent_type = $1", values![BRIDGE])
                .await?;
            Ok(())
        })
    })
    .await;
}

async fn shown(api: &TestApi, id: &str) -> Value {
    api.expect(200, "admin", "GET", &format!("/v2.0/agents/{id}"), Value::Null).await["agent"].take()
}

fn id(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn an_agent_is_shown_described_switched_off_and_removed() {
    TestApi::on_each_engine(|api| async move {
        host(&api, "h1", &[DHCP]).await;
        let dhcp = agent(&api, DHCP, "h1").await;
        let found = shown(&api, &dhcp).await;
        let keys: Vec<&str> = found.as_object().expect("an object").keys().map(String::as_str).collect();
        // As a real server shows it.
        assert_eq!(
            keys,
            [
                "id",
                "agent_type",
                "binary",
                "topic",
                "host",
                "admin_state_up",
                "created_at",
                "started_at",
                "heartbeat_timestamp",
                "description",
                "resources_synced",
                "availability_zone",
                "alive",
                "configurations",
            ]
        );
        assert_eq!(found["alive"], true);
        assert_eq!((&found["description"], &found["resources_synced"]), (&Value::Null, &Value::Null));
        assert_eq!(found["configurations"], json!({"networks": 0, "subnets": 0, "ports": 0}));

        let path = format!("/v2.0/agents/{dhcp}");
        let body = json!({"agent": {"admin_state_up": false, "description": "rack 1"}});
        let changed = api.expect(200, "admin", "PUT", &path, body).await["agent"].take();
        assert_eq!((&changed["admin_state_up"], &changed["description"]), (&json!(false), &json!("rack 1")));
        let body = json!({"agent": {"description": null}});
        let changed = api.expect(200, "admin", "PUT", &path, body).await["agent"].take();
        assert_eq!((&changed["admin_state_up"], &changed["description"]), (&json!(false), &Value::Null));
        let (kind, message) = api.refused(400, "admin", "PUT", &path, json!({"agent": {"host": "h2"}})).await;
        assert_eq!(
            (kind.as_str(), message.as_str()),
            ("HTTPBadRequest", "Cannot update read-only attribute host")
        );
        api.refused(400, "admin", "PUT", &path, json!({"agent": {"admin_state_up": "perhaps"}})).await;

        api.expect(204, "admin", "DELETE", &path, Value::Null).await;
        for method in ["GET", "DELETE"] {
            let refusal = api.refused(404, "admin", method, &path, Value::Null).await;
            assert_eq!(refusal, ("AgentNotFound".to_owned(), format!("Agent {dhcp} could not be found.")));
        }
    })
    .await;
}

#[tokio::test]
async fn only_administrators_learn_of_agents() {
    TestApi::on_each_engine(|api| async move {
        host(&api, "h1", &[DHCP, L3]).await;
        let dhcp = agent(&api, DHCP, "h1").await;
        for token in ["member", "reader", "manager", "other", "service"] {
            let answer = api.expect(200, token, "GET", "/v2.0/agents", Value::Null).await;
            assert_eq!(answer, json!({"agents": []}));
            // One that is there is not told from one that is not.
            for id in [dhcp.as_str(), NOWHERE, "no-id"] {
                let path = format!("/v2.0/agents/{id}");
                let hidden = ("HTTPNotFound".to_owned(), "The resource could not be found.".to_owned());
                assert_eq!(api.refused(404, token, "GET", &path, Value::Null).await, hidden);
                let body = json!({"agent": {"admin_state_up": false}});
                assert_eq!(api.refused(404, token, "PUT", &path, body).await, hidden);
                assert_eq!(api.refused(404, token, "DELETE", &path, Value::Null).await, hidden);
                for (what, rule) in [("dhcp-networks", "dhcp-network"), ("l3-routers", "l3-router")] {
                    let path = format!("{path}/{what}");
                    let denied = |rule: String| {
                        ("PolicyNotAuthorized".to_owned(), format!("rule:{rule} is disallowed by policy"))
                    };
                    let list = api.refused(403, token, "GET", &path, Value::Null).await;
                    assert_eq!(list, denied(format!("get_{rule}s")));
                    let add = api.refused(403, token, "POST", &path, json!({})).await;
                    assert_eq!(add, denied(format!("create_{rule}")));
                    let remove =
                        api.refused(403, token, "DELETE", &format!("{path}/{NOWHERE}"), json!({})).await;
                    assert_eq!(remove, denied(format!("delete_{rule}")));
                }
            }
            for path in [format!("networks/{NOWHERE}/dhcp-agents"), format!("routers/{NOWHERE}/l3-agents")] {
                api.refused(403, token, "GET", &format!("/v2.0/{path}"), Value::Null).await;
            }
        }
        assert_eq!(shown(&api, &dhcp).await["admin_state_up"], true);
        for id in [NOWHERE, "no-id"] {
            let refusal = api.refused(404, "admin", "GET", &format!("/v2.0/agents/{id}"), Value::Null).await;
            assert_eq!(refusal.0, "AgentNotFound");
        }
        api.expect(405, "admin", "POST", "/v2.0/agents", json!({"agent": {}})).await;
    })
    .await;
}
