//! Adding and removing prefixes.

use super::*;

async fn asked(api: &TestApi, pool: &Value, action: &str, prefixes: Value) -> Value {
    let path = format!("{}/{action}", url(pool));
    api.expect(200, "member", "PUT", &path, json!({"prefixes": prefixes})).await["prefixes"].take()
}

#[tokio::test]
async fn prefixes_come_and_go() {
    TestApi::on_each_engine(|api| async move {
        let made = pool(&api, "member", &["10.200.0.0/16"], json!({"default_prefixlen": 24})).await;
        assert_eq!(
            asked(&api, &made, "add_prefixes", json!(["10.201.0.0/16"])).await,
            json!(["10.200.0.0/15"])
        );
        assert_eq!(
            asked(&api, &made, "add_prefixes", json!(["10.201.0.0/16"])).await,
            json!(["10.200.0.0/15"])
        );
        assert_eq!(
            asked(&api, &made, "remove_prefixes", json!(["10.201.0.0/16"])).await,
            json!(["10.200.0.0/16"])
        );
        assert_eq!(
            asked(&api, &made, "remove_prefixes", json!(["10.0.0.0/16"])).await,
            json!(["10.200.0.0/16"]),
            "what is not there goes without saying"
        );
        assert_eq!(
            asked(&api, &made, "remove_prefixes", json!(["10.200.0.0/18"])).await,
            json!(["10.200.64.0/18", "10.200.128.0/17"])
        );
        let network = network(&api, "member").await;
        let taken = subnet(&api, "member", &network, json!({"subnetpool_id": made["id"]})).await;
        assert_eq!(taken["cidr"], "10.200.64.0/24");
        let shown = api.expect(200, "member", "GET", &url(&made), Value::Null).await;
        assert_eq!(shown["subnetpool"]["revision_number"], 4, "two of five changed nothing");
    })
    .await;
}

#[tokio::test]
async fn prefixes_of_subnets_stay() {
    TestApi::on_each_engine(|api| async move {
        let made = pool(&api, "member", &["10.0.0.0/16"], json!({"default_prefixlen": 24})).await;
        let network = network(&api, "member").await;
        let taken = subnet(&api, "member", &network, json!({"subnetpool_id": made["id"]})).await;
        let path = format!("{}/remove_prefixes", url(&made));
        for prefix in ["10.0.0.0/24", "10.0.0.128/25", "10.0.0.0/8"] {
            let body = json!({"prefixes": [prefix]});
            let refused = api.expect(400, "member", "PUT", &path, body).await;
            let fault = &refused["NeutronError"];
            assert_eq!(fault["type"], "IllegalSubnetPoolPrefixUpdate");
            assert_eq!(
                fault["message"],
                format!(
                    "Illegal update to prefixes: One or more the prefixes to be removed is in use by a subnet. \
                     Blocked by subnet {}.",
                    id(&taken)
                ),
                "{prefix}"
            );
        }
        let left = asked(&api, &made, "remove_prefixes", json!(["10.0.1.0/24"])).await;
        assert_eq!(left[0], "10.0.0.0/24");
    })
    .await;
}

#[tokio::test]
async fn bodies_of_the_actions_are_checked() {
    TestApi::on_each_engine(|api| async move {
        let made = pool(&api, "member", &["10.0.0.0/16"], json!({})).await;
        for action in ["add_prefixes", "remove_prefixes"] {
            let path = format!("{}/{action}", url(&made));
            for body in [
                json!({}),
                json!([]),
                json!({"prefixes": []}),
                json!({"prefixes": "10.0.0.0/8"}),
                json!({"prefixes": null}),
                json!({"prefixes": ["10.0.0.0"]}),
                json!({"prefixes": ["10.0.0.0/8"], "force": true}),
                json!({"subnetpool": {"prefixes": ["10.0.0.0/8"]}}),
            ] {
                api.refused(400, "member", "PUT", &path, body).await;
            }
        }
        let path = format!("{}/add_prefixes", url(&made));
        let (kind, _) = api.refused(400, "member", "PUT", &path, json!({"prefixes": ["fd00::/8"]})).await;
        assert_eq!(kind, "PrefixVersionMismatch");
        // All gone, and others instead.
        assert_eq!(asked(&api, &made, "remove_prefixes", json!(["10.0.0.0/16"])).await, json!([]));
        let network = network(&api, "member").await;
        let wanted = json!({"subnetpool_id": made["id"], "prefixlen": 24});
        let (kind, message) = subnet_refused(&api, 409, "member", &network, wanted).await;
        assert_eq!(kind, "SubnetAllocationError");
        assert_eq!(
            message,
            "Failed to allocate subnet: Insufficient prefix space to allocate subnet size /24."
        );
        assert_eq!(
            asked(&api, &made, "add_prefixes", json!(["172.16.0.0/12"])).await,
            json!(["172.16.0.0/12"])
        );
    })
    .await;
}
