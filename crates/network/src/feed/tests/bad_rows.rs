//! Rows nobody can read: they are set aside, everything else goes on (N05).

use isospin_feed::proto::Kind;
use isospin_store_kit::values;
use serde_json::json;

use super::super::hub;
use super::super::view::{Step, View};
use super::{Told, create, fresh, id, join, network, port, run, tell};
use crate::feed::session::compute;
use crate::testing::TestApi;

fn has(told: &Told, kind: Kind, id: &str) -> bool {
    told.contains_key(&(kind as i32, id.to_owned()))
}

#[tokio::test]
async fn n05_a_bad_row_of_one_tenant_stops_no_others() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "h1", "192.0.2.1").await;
        let bad = network(&api, "10.1.0.0/24").await;
        let good = network(&api, "10.2.0.0/24").await;
        port(&api, &bad, "h1").await;
        let on_good = port(&api, &good, "h1").await;
        let snapshot = compute(api.store(), "h1").await.expect("a snapshot");
        let mut view = View::new("h1");
        let mut told = Told::new();
        tell(&mut told, view.adopt(&snapshot));
        assert!(has(&told, Kind::Network, &bad));

        // Bytes, but less than none.
        let sql = "UPDATE networks SET mtu = -1 WHERE id = $1";
        run(api.store(), sql, values![&bad], Some(("network", bad.clone()))).await;
        let port_sql =
            "UPDATE ports SET allowed_address_pairs = '{not json', extra_dhcp_opts = '7' WHERE id = $1";
        run(api.store(), port_sql, values![&on_good], Some(("port", on_good.clone()))).await;
        let after = port(&api, &good, "h1").await;

        let mut reader = api.store().reader().await.expect("a reader");
        let newest = *api.store().versions().borrow();
        let batch =
            hub::read(&mut reader, snapshot.version, newest, 2000).await.expect("read").expect("changes");
        match view.step(&batch) {
            Step::Tell(difference) => tell(&mut told, difference),
            Step::Recompute => {
                let snapshot = compute(api.store(), "h1").await.expect("a snapshot");
                tell(&mut told, view.adopt(&snapshot));
            }
        }
        assert_eq!(told, fresh(api.store(), "h1").await);
        assert!(!has(&told, Kind::Network, &bad));
        assert!(has(&told, Kind::Network, &good));
        assert!(has(&told, Kind::Port, &on_good));
        assert!(has(&told, Kind::Port, &after));
    })
    .await;
}

#[tokio::test]
async fn n17_a_protocol_nobody_knows_opens_nothing() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "h1", "").await;
        let network = id(&create(&api, "networks", "network", json!({})).await);
        let group = id(&create(&api, "security-groups", "security_group", json!({"name": "g"})).await);
        let object = json!({"network_id": network, "binding:host_id": "h1", "security_groups": [group]});
        create(&api, "ports", "port", object).await;
        let rule = json!({"security_group_id": group, "direction": "ingress", "protocol": "tcp"});
        let rule = id(&create(&api, "security-group-rules", "security_group_rule", rule).await);
        let sql = "UPDATE security_group_rules SET protocol = 'from-a-newer-release' WHERE id = $1";
        run(api.store(), sql, values![&rule], None).await;
        let told = fresh(api.store(), "h1").await;
        let record = &told[&(Kind::SecurityGroupRule as i32, rule)];
        let Some(isospin_feed::proto::record::Fact::SecurityGroupRule(rule)) = &record.fact else {
            panic!("{record:?}")
        };
        // No protocol has this number; "any" would be none at all.
        assert_eq!(rule.protocol, Some(256));
    })
    .await;
}
