//! Lists of agents: filters, order, pages, and what each serves.

use isospin_store_kit::values;
use serde_json::{Value, json};

use super::{BRIDGE, DHCP, L3, agent, host, id, shown};
use crate::testing::TestApi;

/// Hosts of the agents a query finds.
async fn hosts(api: &TestApi, query: &str) -> Vec<String> {
    let answer = api.expect(200, "admin", "GET", &format!("/v2.0/agents?{query}"), Value::Null).await;
    let agents = answer["agents"].as_array().expect("a list");
    agents.iter().map(|agent| agent["host"].as_str().expect("a host").to_owned()).collect()
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    TestApi::on_each_engine(|api| async move {
        for name in ["h2", "h1", "h3"] {
            host(&api, name, &[DHCP, BRIDGE]).await;
        }
        api.write(|tx| {
            Box::pin(async move {
                let sql = "UPDATE agents SET heartbeat_timestamp = '2020-01-01 00:00:00', admin_state_up = FALSE \
                           WHERE host = $1";
                tx.execute(sql, values!["h2"]).await?;
                Ok(())
            })
        })
        .await;
        let dhcp = "agent_type=DHCP%20agent&sort_key=host";
        assert_eq!(hosts(&api, dhcp).await, ["h1", "h2", "h3"]);
        assert_eq!(hosts(&api, "agent_type=DHCP%20Agent&sort_key=host").await, ["h1", "h2", "h3"]);
        assert_eq!(hosts(&api, &format!("{dhcp}&sort_dir=desc")).await, ["h3", "h2", "h1"]);
        assert_eq!(hosts(&api, &format!("{dhcp}&alive=true")).await, ["h1", "h3"]);
        assert_eq!(hosts(&api, &format!("{dhcp}&alive=False")).await, ["h2"]);
        assert_eq!(hosts(&api, &format!("{dhcp}&alive=true&alive=false")).await, ["h1", "h2", "h3"]);
        assert_eq!(hosts(&api, &format!("{dhcp}&admin_state_up=false")).await, ["h2"]);
        assert_eq!(hosts(&api, "host=h1&sort_key=agent_type").await, ["h1", "h1"]);
        assert_eq!(hosts(&api, "binary=isospin&host=h3").await.len(), 2);
        assert_eq!(hosts(&api, "availability_zone=nova&sort_key=host").await, ["h1", "h2", "h3"]);
        assert_eq!(hosts(&api, &format!("{dhcp}&sort_key=alive&sort_dir=asc&sort_dir=asc")).await[0], "h1");
        assert_eq!(hosts(&api, "agent_type=DHCP%20agent&sort_key=alive").await[0], "h2");
        assert_eq!(hosts(&api, "host=nowhere").await, Vec::<String>::new());
        api.refused(400, "admin", "GET", "/v2.0/agents?alive=perhaps", Value::Null).await;
        api.refused(400, "admin", "GET", "/v2.0/agents?configurations=x", Value::Null).await;
        api.refused(400, "admin", "GET", "/v2.0/agents?sort_key=availability_zone", Value::Null).await;

        let first = api.expect(200, "admin", "GET", &format!("/v2.0/agents?{dhcp}&limit=2"), Value::Null).await;
        assert_eq!(first["agents_links"][0]["rel"], "next");
        let marker = id(&first["agents"][1]);
        assert_eq!(hosts(&api, &format!("{dhcp}&limit=2&marker={marker}")).await, ["h3"]);
        let unknown = format!("/v2.0/agents?limit=2&marker={}", crate::testing::NOWHERE);
        assert_eq!(api.refused(404, "admin", "GET", &unknown, Value::Null).await.0, "AgentNotFound");
        let some = api.expect(200, "admin", "GET", "/v2.0/agents?host=h2&fields=alive", Value::Null).await;
        assert_eq!(some, json!({"agents": [{"alive": false}, {"alive": false}]}));
    })
    .await;
}

#[tokio::test]
async fn agents_tell_how_much_they_serve() {
    TestApi::on_each_engine(|api| async move {
        host(&api, "h1", &[DHCP, L3, BRIDGE]).await;
        host(&api, "h2", &[BRIDGE]).await;
        let external = json!({"router:external": true});
        let external = id(&api.create("admin", "/v2.0/networks", "network", external).await);
        let object =
            json!({"network_id": external, "ip_version": 4, "cidr": "172.24.0.0/24", "enable_dhcp": false});
        api.create("admin", "/v2.0/subnets", "subnet", object).await;
        let inner = id(&api.create("member", "/v2.0/networks", "network", json!({})).await);
        let mut subnets = Vec::new();
        for cidr in ["10.1.0.0/24", "10.2.0.0/24"] {
            let object = json!({"network_id": inner, "ip_version": 4, "cidr": cidr});
            subnets.push(id(&api.create("member", "/v2.0/subnets", "subnet", object).await));
        }
        let port = id(&api.create("member", "/v2.0/ports", "port", json!({"network_id": inner})).await);
        let gateway = json!({"external_gateway_info": {"network_id": external}});
        let router = id(&api.create("member", "/v2.0/routers", "router", gateway).await);
        for subnet in &subnets {
            let path = format!("/v2.0/routers/{router}/add_router_interface");
            api.expect(200, "member", "PUT", &path, json!({"subnet_id": subnet})).await;
        }
        let object = json!({"floating_network_id": external, "port_id": port});
        api.create("member", "/v2.0/floatingips", "floatingip", object).await;
        api.write(|tx| {
            Box::pin(async move {
                tx.execute("UPDATE ports SET status = 'ACTIVE' WHERE binding_host = 'h1'", vec![]).await?;
                Ok(())
            })
        })
        .await;
        let of =
            async |kind, name| shown(&api, &agent(&api, kind, name).await).await["configurations"].take();
        // The DHCP server's, two of the router, the instance's.
        assert_eq!(of(DHCP, "h1").await, json!({"networks": 1, "subnets": 2, "ports": 4}));
        assert_eq!(
            of(L3, "h1").await,
            json!({"routers": 1, "ex_gw_ports": 1, "interfaces": 2, "floating_ips": 1})
        );
        assert_eq!(of(BRIDGE, "h1").await, json!({"devices": 4}));
        assert_eq!(of(BRIDGE, "h2").await, json!({"devices": 0}));
        let listed = api
            .expect(200, "admin", "GET", "/v2.0/agents?host=h1&agent_type=DHCP%20agent", Value::Null)
            .await;
        assert_eq!(listed["agents"][0]["configurations"]["ports"], 4);
    })
    .await;
}
