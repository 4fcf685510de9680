//! What hosts are told to count.

use isospin_feed::proto::record::Fact;
use isospin_feed::proto::{Kind, MeteringLabel, MeteringRule};
use isospin_store_kit::changes;
use serde_json::{Value, json};

use super::{create, fresh, id, join};
use crate::testing::TestApi;

async fn told(api: &TestApi, router: &str) -> Vec<MeteringLabel> {
    let told = fresh(api.store(), "h1").await;
    match told[&(Kind::Router as i32, router.to_owned())].fact.clone() {
        Some(Fact::Router(router)) => router.metering_labels,
        other => panic!("no router: {other:?}"),
    }
}

#[tokio::test]
async fn the_host_of_a_router_is_told_what_counts_under_its_labels() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "h1", "").await;
        let external = id(&create(&api, "networks", "network", json!({"router:external": true})).await);
        let object = json!({"network_id": external, "ip_version": 4, "cidr": "172.24.0.0/24"});
        create(&api, "subnets", "subnet", object).await;
        let gateway = json!({"external_gateway_info": {"network_id": external}});
        let router = id(&create(&api, "routers", "router", gateway).await);
        let label = async |caller: &'static str, object: Value| {
            id(&api.create(caller, "/v2.0/metering/metering-labels", "metering_label", object).await)
        };
        let rule = async |label: &str, object: Value| {
            let mut object = object;
            object["metering_label_id"] = json!(label);
            id(&create(&api, "metering/metering-label-rules", "metering_label_rule", object).await)
        };
        let own = label("admin", json!({"name": "own"})).await;
        let theirs = label("manager", json!({"name": "of another project"})).await;
        assert_eq!(told(&api, &router).await, [MeteringLabel { id: own.clone(), rules: Vec::new() }]);

        let before = *api.store().versions().borrow();
        let inner = rule(&own, json!({"direction": "egress", "remote_ip_prefix": "10.0.0.0/24"})).await;
        let mut session = api.store().reader().await.expect("a session");
        let noted = changes::since(&mut session, before, 100).await.expect("changes");
        assert!(noted.iter().any(|change| change.topic == "router" && change.id == router), "{noted:?}");
        drop(session);
        let object = json!({"direction": "ingress", "remote_ip_prefix": "10.0.0.0/24", "excluded": true});
        rule(&own, object).await;
        let ends = json!({"direction": "ingress", "source_ip_prefix": "192.0.2.0/24",
            "destination_ip_prefix": "10.0.0.7/32"});
        rule(&own, ends).await;
        let mut rules = told(&api, &router).await.remove(0).rules;
        rules.sort_by_key(|rule| (rule.ingress, rule.excluded));
        let plain = MeteringRule::default();
        let expected = [
            MeteringRule { source_prefix: "10.0.0.0/24".to_owned(), ..plain.clone() },
            MeteringRule {
                ingress: true,
                source_prefix: "192.0.2.0/24".to_owned(),
                destination_prefix: "10.0.0.7/32".to_owned(),
                ..plain.clone()
            },
            MeteringRule {
                ingress: true,
                excluded: true,
                destination_prefix: "10.0.0.0/24".to_owned(),
                ..plain
            },
        ];
        assert_eq!(rules, expected);
        api.expect(
            204,
            "admin",
            "DELETE",
            &format!("/v2.0/metering/metering-label-rules/{inner}"),
            Value::Null,
        )
        .await;
        assert_eq!(told(&api, &router).await[0].rules.len(), 2);

        // A shared one counts for all routers.
        let shared = label("admin", json!({"shared": true})).await;
        let labels: Vec<String> = told(&api, &router).await.into_iter().map(|label| label.id).collect();
        assert!(labels.contains(&shared) && labels.contains(&own) && !labels.contains(&theirs), "{labels:?}");
        api.expect(204, "admin", "DELETE", &format!("/v2.0/metering/metering-labels/{own}"), Value::Null)
            .await;
        assert_eq!(told(&api, &router).await, [MeteringLabel { id: shared, rules: Vec::new() }]);
    })
    .await;
}
