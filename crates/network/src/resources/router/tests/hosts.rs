//! Which host carries a router.

use isospin_store_kit::values;
use serde_json::json;

use super::{Lab, attach, network, ports_of, router, router_to, shown, subnet};
use crate::background::scheduling::routers::{schedule_router, schedule_unhosted};
use crate::testing::TestApi;

/// Registers the agents of a host, as the feed does: one that routes, one that wires.
async fn join(api: &TestApi, host: &'static str, zone: &'static str, heartbeat: &'static str) {
    api.write(move |tx| {
        Box::pin(async move {
            for (kind, mechanism) in [("L3 agent", ""), ("Linux bridge agent", "linuxbridge")] {
                tx.execute(
                    "INSERT INTO agents (id, agent_type, \"binary\", topic, host, admin_state_up, \
                     availability_zone, configurations, mechanism, tunnel_ip, created_at, started_at, \
                     heartbeat_timestamp) VALUES ($1, $2, 'b', 't', $3, TRUE, $4, '{}', $5, '', $6, $6, $6)",
                    values![uuid::Uuid::new_v4(), kind, host, zone, mechanism, heartbeat],
                )
                .await?;
            }
            Ok(())
        })
    })
    .await;
}

const ALIVE: &str = "2999-01-01 00:00:00";
const DEAD: &str = "2001-01-01 00:00:00";

#[tokio::test]
async fn the_first_port_brings_a_router_to_a_live_agent() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        join(&api, "dead", "nova", DEAD).await;
        join(&api, "alive", "nova", ALIVE).await;
        let router_id = router(&api, json!({})).await;
        assert_eq!(shown(&api, "member", &router_id).await["availability_zones"], json!([]));
        attach(&api, &router_id, &lab.subnet).await;
        assert_eq!(shown(&api, "member", &router_id).await["availability_zones"], json!(["nova"]));
        assert_eq!(ports_of(&api, &router_id).await[0]["binding:host_id"], "alive");

        let gateway = router_to(&api, &lab.external).await;
        assert_eq!(ports_of(&api, &gateway).await[0]["binding:host_id"], "alive");
        assert_eq!(shown(&api, "member", &gateway).await["availability_zones"], json!(["nova"]));
    })
    .await;
}

#[tokio::test]
async fn routers_spread_over_agents_and_keep_to_their_zones() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        join(&api, "host-a", "east", ALIVE).await;
        join(&api, "host-b", "west", ALIVE).await;
        let mut hosts = Vec::new();
        for _ in 0..4 {
            let router_id = router_to(&api, &lab.external).await;
            hosts.push(ports_of(&api, &router_id).await[0]["binding:host_id"].clone());
        }
        hosts.sort_by_key(ToString::to_string);
        assert_eq!(hosts, ["host-a", "host-a", "host-b", "host-b"]);
        for _ in 0..3 {
            let object = json!({"availability_zone_hints": ["west"],
                "external_gateway_info": {"network_id": lab.external}});
            let router_id = router(&api, object).await;
            let found = shown(&api, "member", &router_id).await;
            assert_eq!(found["availability_zones"], json!(["west"]));
            assert_eq!(found["availability_zone_hints"], json!(["west"]));
        }
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_joins_later_takes_the_routers_nobody_carries() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let waiting = router_to(&api, &lab.external).await;
        attach(&api, &waiting, &lab.subnet).await;
        let portless = router(&api, json!({})).await;
        for port in ports_of(&api, &waiting).await {
            assert_eq!(port["binding:host_id"], "");
        }
        join(&api, "late", "nova", ALIVE).await;
        let app = api.app.clone();
        api.write(move |tx| {
            Box::pin(async move {
                assert_eq!(schedule_unhosted(tx, &app, "unknown").await?, 0);
                assert_eq!(schedule_unhosted(tx, &app, "late").await?, 1);
                assert_eq!(schedule_unhosted(tx, &app, "late").await?, 0);
                Ok(())
            })
        })
        .await;
        let ports = ports_of(&api, &waiting).await;
        assert_eq!(ports.len(), 2);
        assert!(ports.iter().all(|port| port["binding:host_id"] == "late"), "{ports:?}");
        assert_eq!(shown(&api, "member", &waiting).await["availability_zones"], json!(["nova"]));
        assert_eq!(shown(&api, "member", &portless).await["availability_zones"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn a_router_without_host_gets_one_with_its_next_port() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router_to(&api, &lab.external).await;
        let stored: isospin_types::RouterId = router_id.parse().expect("an id");
        let app = api.app.clone();
        // Nobody is there yet.
        api.write(move |tx| Box::pin(async move { schedule_router(tx, &app, stored).await })).await;
        assert_eq!(ports_of(&api, &router_id).await[0]["binding:host_id"], "");
        join(&api, "late", "nova", ALIVE).await;
        attach(&api, &router_id, &lab.subnet).await;
        let ports = ports_of(&api, &router_id).await;
        assert_eq!(ports.len(), 2);
        assert!(ports.iter().all(|port| port["binding:host_id"] == "late"), "{ports:?}");
        // Once somewhere, it stays.
        join(&api, "another", "nova", ALIVE).await;
        let network = network(&api, "member", json!({})).await;
        let third = subnet(&api, "member", &network, json!({"cidr": "10.40.0.0/24"})).await;
        attach(&api, &router_id, &third).await;
        let ports = ports_of(&api, &router_id).await;
        assert!(ports.iter().all(|port| port["binding:host_id"] == "late"), "{ports:?}");
    })
    .await;
}
