//! Subnets that join a pool.

use super::*;
use crate::testing::NOWHERE;

async fn onboard(api: &TestApi, token: &str, pool: &Value, network: &str) -> Value {
    let path = format!("{}/onboard_network_subnets", url(pool));
    api.expect(200, token, "PUT", &path, json!({"network_id": network})).await
}

async fn refused(api: &TestApi, status: u16, token: &str, pool: &Value, body: Value) -> (String, String) {
    let path = format!("{}/onboard_network_subnets", url(pool));
    api.refused(status, token, "PUT", &path, body).await
}

#[tokio::test]
async fn subnets_of_the_family_join_with_their_prefixes() {
    TestApi::on_each_engine(|api| async move {
        let made = pool(&api, "member", &["10.0.0.0/16"], json!({"default_prefixlen": 24})).await;
        let network = network(&api, "member").await;
        let inside = subnet(&api, "member", &network, json!({"cidr": "10.0.0.0/24"})).await;
        let outside = subnet(&api, "member", &network, json!({"cidr": "10.1.0.0/24"})).await;
        let six = subnet(&api, "member", &network, json!({"cidr": "fd00::/64", "ip_version": 6})).await;
        let mut joined = onboard(&api, "member", &made, &network).await;
        // Equally old ones come in the order of their ids.
        joined.as_array_mut().expect("a list").sort_by_key(|subnet| subnet["cidr"].to_string());
        assert_eq!(
            joined,
            json!([
                {"id": inside["id"], "cidr": "10.0.0.0/24"},
                {"id": outside["id"], "cidr": "10.1.0.0/24"},
            ])
        );
        let shown = api.expect(200, "member", "GET", &url(&made), Value::Null).await;
        assert_eq!(shown["subnetpool"]["prefixes"], json!(["10.0.0.0/16", "10.1.0.0/24"]));
        for (subnet, pool, revision) in
            [(&inside, &made["id"], 2), (&outside, &made["id"], 2), (&six, &Value::Null, 1)]
        {
            let path = format!("/v2.0/subnets/{}", id(subnet));
            let shown = api.expect(200, "member", "GET", &path, Value::Null).await;
            assert_eq!(&shown["subnet"]["subnetpool_id"], pool);
            assert_eq!(shown["subnet"]["revision_number"], revision);
        }
        // Their prefixes are taken, and free again when they go.
        let next = super::network(&api, "member").await;
        let next = subnet(&api, "member", &next, json!({"subnetpool_id": made["id"]})).await;
        assert_eq!(next["cidr"], "10.0.1.0/24");
        api.expect(204, "member", "DELETE", &format!("/v2.0/networks/{network}"), Value::Null).await;
        for (prefixlen, expected) in [(24, "10.0.0.0/24"), (24, "10.1.0.0/24")] {
            let network = super::network(&api, "member").await;
            let more = json!({"subnetpool_id": made["id"], "prefixlen": prefixlen});
            assert_eq!(subnet(&api, "member", &network, more).await["cidr"], expected);
        }
    })
    .await;
}

#[tokio::test]
async fn what_the_pool_has_given_away_cannot_join() {
    TestApi::on_each_engine(|api| async move {
        let made = pool(&api, "member", &["10.0.0.0/16"], json!({"default_prefixlen": 24})).await;
        let of_pool = network(&api, "member").await;
        subnet(&api, "member", &of_pool, json!({"subnetpool_id": made["id"]})).await;
        let other = network(&api, "member").await;
        let same = subnet(&api, "member", &other, json!({"cidr": "10.0.0.0/25"})).await;
        let (kind, message) = refused(&api, 400, "member", &made, json!({"network_id": other})).await;
        assert_eq!(kind, "IllegalSubnetPoolUpdate");
        assert_eq!(
            message,
            format!(
                "Illegal subnetpool update : Onboarding subnet {}: 10.0.0.0/25 conflicts with allocated prefixes in \
                 subnet pool {}.",
                id(&same),
                id(&made)
            )
        );
        for (body, status) in [
            (json!({}), 400),
            (json!({"network_id": "x"}), 400),
            (json!({"network_id": NOWHERE}), 404),
            (json!({"network_id": other, "ip_version": 6}), 400),
            (json!({"network_id": other, "more": 1}), 400),
        ] {
            refused(&api, status, "member", &made, body).await;
        }
        let empty = network(&api, "member").await;
        assert_eq!(onboard(&api, "member", &made, &empty).await, json!([]));
    })
    .await;
}

#[tokio::test]
async fn subnets_move_from_pool_to_pool() {
    TestApi::on_each_engine(|api| async move {
        let old = pool(&api, "member", &["10.0.0.0/24"], json!({"default_prefixlen": 24})).await;
        let new = pool(&api, "member", &["10.9.0.0/16"], json!({})).await;
        let network = network(&api, "member").await;
        let moved = subnet(&api, "member", &network, json!({"subnetpool_id": old["id"]})).await;
        onboard(&api, "member", &new, &network).await;
        let path = format!("/v2.0/subnets/{}", id(&moved));
        let shown = api.expect(200, "member", "GET", &path, Value::Null).await;
        assert_eq!(shown["subnet"]["subnetpool_id"], new["id"]);
        let again = super::network(&api, "member").await;
        let again = subnet(&api, "member", &again, json!({"subnetpool_id": old["id"]})).await;
        assert_eq!(again["cidr"], "10.0.0.0/24", "the old pool has it back");
    })
    .await;
}

/// A network somebody may use is not one whose subnets they may move.
#[tokio::test]
async fn only_owners_of_the_network_onboard_its_subnets() {
    TestApi::on_each_engine(|api| async move {
        let mine = pool(&api, "member", &["10.0.0.0/16"], json!({})).await;
        let hidden = network(&api, "other").await;
        let (kind, _) = refused(&api, 404, "member", &mine, json!({"network_id": hidden})).await;
        assert_eq!(kind, "NetworkNotFound");
        let shared = id(&api.create("admin", "/v2.0/networks", "network", json!({"shared": true})).await);
        subnet(&api, "admin", &shared, json!({"cidr": "10.0.0.0/24"})).await;
        let found = refused(&api, 403, "member", &mine, json!({"network_id": shared})).await;
        assert_eq!(found, ("NotAuthorized".to_owned(), "Not authorized.".to_owned()));
        assert_eq!(onboard(&api, "admin", &mine, &shared).await.as_array().map(Vec::len), Some(1));
    })
    .await;
}
