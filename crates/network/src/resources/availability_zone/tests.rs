//! Availability zones through the API.

use serde_json::{Value, json};

use crate::testing::TestApi;

#[tokio::test]
async fn zones_are_those_of_agents() {
    TestApi::on_each_engine(|api| async move {
        let list = async |token: &str, query: &str| {
            let path = format!("/v2.0/availability_zones{query}");
            api.expect(200, token, "GET", &path, Value::Null).await["availability_zones"].clone()
        };
        assert_eq!(list("member", "").await, json!([]));
        api.agent("DHCP agent", "host-1", "nova").await;
        api.agent("L3 agent", "host-1", "nova").await;
        api.agent("DHCP agent", "host-2", "east").await;
        api.agent("DHCP agent", "host-3", "east").await;
        api.agent("Linux bridge agent", "host-1", "hidden").await;
        api.write(|tx| {
            Box::pin(async move {
                tx.execute("UPDATE agents SET admin_state_up = FALSE WHERE host IN ('host-1', 'host-2')", vec![])
                    .await?;
                Ok(())
            })
        })
        .await;
        let zone = |state: &str, name: &str, resource: &str| json!({"state": state, "name": name, "resource": resource});
        let east = zone("available", "east", "network");
        let expected = json!([east, zone("unavailable", "nova", "network"), zone("unavailable", "nova", "router")]);
        assert_eq!(list("member", "").await, expected);
        assert_eq!(list("reader", "?resource=network&state=available").await, json!([east]));
        assert_eq!(list("reader", "?name=nova&resource=router&fields=name").await, json!([{"name": "nova"}]));
        api.refused(400, "member", "GET", "/v2.0/availability_zones?colour=red", Value::Null).await;
    })
    .await;
}
