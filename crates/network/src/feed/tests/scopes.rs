//! Hosts are told the address scopes of subnets, and when they change.

use isospin_feed::proto::Kind;
use isospin_feed::proto::record::Fact;

use super::*;

/// The scope of the subnet, as the host is told.
fn scope_of(told: &Told, subnet: &str) -> String {
    let record = &told[&(Kind::Subnet as i32, subnet.to_owned())];
    match &record.fact {
        Some(Fact::Subnet(fact)) => fact.address_scope_id.clone(),
        other => panic!("no subnet: {other:?}"),
    }
}

#[tokio::test]
async fn subnets_tell_the_scope_of_their_pool() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let api = TestApi::new(engine).await;
        join(&api, "h1", "192.0.2.1").await;
        let scope = create(&api, "address-scopes", "address_scope", json!({"ip_version": 4})).await;
        let pool = json!({"name": "p", "prefixes": ["10.0.0.0/16"], "default_prefixlen": 24});
        let pool = id(&create(&api, "subnetpools", "subnetpool", pool).await);
        let network = id(&create(&api, "networks", "network", json!({})).await);
        let object = json!({"network_id": network, "ip_version": 4, "subnetpool_id": pool});
        let subnet = id(&create(&api, "subnets", "subnet", object).await);
        port(&api, &network, "h1").await;
        assert_eq!(scope_of(&fresh(api.store(), "h1").await, &subnet), "");
        let before = *api.store().versions().borrow();
        let path = format!("/v2.0/subnetpools/{pool}");
        let body = json!({"subnetpool": {"address_scope_id": scope["id"]}});
        api.expect(200, "admin", "PUT", &path, body).await;
        assert_eq!(scope_of(&fresh(api.store(), "h1").await, &subnet), id(&scope));
        let mut session = api.store().reader().await.expect("a reader");
        let noted = session
            .rows(
                "SELECT object_id FROM changes WHERE topic = 'subnet' AND version > $1",
                isospin_store_kit::values![i64::try_from(before).expect("a version")],
            )
            .await
            .expect("rows");
        let noted: Vec<String> = noted.into_iter().map(|row| row.columns().text().expect("an id")).collect();
        assert_eq!(noted, [subnet]);
    }
}
