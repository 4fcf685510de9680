//! Subnets that get their prefix from a pool.

use std::collections::BTreeSet;

use futures::future::join_all;
use ipnet::IpNet;

use super::*;
use crate::testing::NOWHERE;

#[tokio::test]
async fn a_subnet_gets_the_first_prefix_that_fits() {
    TestApi::on_each_engine(|api| async move {
        let made = pool(&api, "member", &["10.200.0.0/16"], json!({"default_prefixlen": 24})).await;
        let first_network = network(&api, "member").await;
        let first = subnet(&api, "member", &first_network, json!({"subnetpool_id": made["id"]})).await;
        for (key, value) in [
            ("cidr", json!("10.200.0.0/24")),
            ("gateway_ip", json!("10.200.0.1")),
            ("allocation_pools", json!([{"start": "10.200.0.2", "end": "10.200.0.254"}])),
            ("subnetpool_id", made["id"].clone()),
            ("ip_version", json!(4)),
        ] {
            assert_eq!(first[key], value, "{key}");
        }
        assert!(first.get("prefixlen").is_none() && first.get("use_default_subnetpool").is_none());
        let of_length = async |length: u8| {
            let network = network(&api, "member").await;
            let more = json!({"subnetpool_id": made["id"], "prefixlen": length});
            subnet(&api, "member", &network, more).await["cidr"].clone()
        };
        assert_eq!(of_length(26).await, "10.200.1.0/26");
        assert_eq!(of_length(24).await, "10.200.2.0/24");
        assert_eq!(of_length(26).await, "10.200.1.64/26", "gaps are used first");
        let path = format!("/v2.0/subnets?subnetpool_id={}", id(&made));
        let listed = api.expect(200, "member", "GET", &path, Value::Null).await;
        assert_eq!(listed["subnets"].as_array().map(Vec::len), Some(4));
        api.expect(204, "member", "DELETE", &format!("/v2.0/subnets/{}", id(&first)), Value::Null).await;
        assert_eq!(of_length(24).await, "10.200.0.0/24", "what is given back is free again");
    })
    .await;
}

#[tokio::test]
async fn a_named_prefix_must_be_free_in_the_pool() {
    TestApi::on_each_engine(|api| async move {
        let made = pool(&api, "member", &["10.0.0.0/16"], json!({"min_prefixlen": 20, "max_prefixlen": 28})).await;
        let of_pool = |more: Value| {
            let mut object = json!({"subnetpool_id": made["id"]});
            merge(&mut object, more);
            object
        };
        let one = network(&api, "member").await;
        let first = subnet(&api, "member", &one, of_pool(json!({"cidr": "10.0.7.0/24"}))).await;
        assert_eq!((&first["cidr"], &first["gateway_ip"]), (&json!("10.0.7.0/24"), &json!("10.0.7.1")));
        // A gateway without a prefix names the one it is in.
        let two = network(&api, "member").await;
        let second = subnet(&api, "member", &two, of_pool(json!({"gateway_ip": "10.0.9.7", "prefixlen": 24}))).await;
        assert_eq!((&second["cidr"], &second["gateway_ip"]), (&json!("10.0.9.0/24"), &json!("10.0.9.7")));
        let three = network(&api, "member").await;
        let refused = async |status, more: Value| subnet_refused(&api, status, "member", &three, of_pool(more)).await;
        for (cidr, kind) in [
            ("10.0.7.128/25", "SubnetAllocationError"),
            ("10.0.6.0/23", "SubnetAllocationError"),
            ("10.1.0.0/24", "SubnetAllocationError"),
        ] {
            let (found, message) = refused(409, json!({"cidr": cidr})).await;
            assert_eq!(found, kind, "{cidr}");
            assert_eq!(
                message,
                "Failed to allocate subnet: Cannot allocate requested subnet from the available set of prefixes."
            );
        }
        assert_eq!(
            refused(400, json!({"prefixlen": 19})).await,
            (
                "MinPrefixSubnetAllocationError".to_owned(),
                "Unable to allocate subnet with prefix length 19, minimum allowed prefix is 20.".to_owned()
            )
        );
        assert_eq!(
            refused(400, json!({"cidr": "10.0.0.0/29"})).await,
            (
                "MaxPrefixSubnetAllocationError".to_owned(),
                "Unable to allocate subnet with prefix length 29, maximum allowed prefix is 28.".to_owned()
            )
        );
        // Nothing a refused request wanted is gone.
        let made = subnet(&api, "member", &three, of_pool(json!({"cidr": "10.0.0.0/22"}))).await;
        assert_eq!(made["cidr"], "10.0.0.0/22");
    })
    .await;
}

#[tokio::test]
async fn requests_that_cannot_be_meant_are_refused() {
    TestApi::on_each_engine(|api| async move {
        let made = pool(&api, "member", &["10.0.0.0/16"], json!({"default_prefixlen": 24})).await;
        let network = network(&api, "member").await;
        let pool_id = &made["id"];
        for (more, message) in [
            (json!({}), "a subnetpool must be specified in the absence of a cidr"),
            (json!({"prefixlen": 24}), "a subnetpool must be specified in the absence of a cidr"),
            (
                json!({"cidr": "10.0.0.0/24", "prefixlen": 24, "subnetpool_id": pool_id}),
                "cidr and prefixlen must not be supplied together",
            ),
            (
                json!({"use_default_subnetpool": true, "subnetpool_id": pool_id}),
                "subnetpool_id and use_default_subnetpool cannot both be specified",
            ),
            (json!({"use_default_subnetpool": true}), "No default subnetpool found for IPv4"),
            (
                json!({"subnetpool_id": pool_id, "ip_version": 6}),
                "Cannot allocate IPv6 subnet from IPv4 subnet pool",
            ),
            (
                json!({"subnetpool_id": pool_id, "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.9"}]}),
                "allocation_pools allowed only for specific subnet requests",
            ),
        ] {
            let found = subnet_refused(&api, 400, "member", &network, more).await;
            assert_eq!(found, ("BadRequest".to_owned(), format!("Bad subnets request: {message}.")));
        }
        let (kind, _) = subnet_refused(&api, 404, "member", &network, json!({"subnetpool_id": NOWHERE})).await;
        assert_eq!(kind, "SubnetPoolNotFound");
        let delegated = json!({"subnetpool_id": "prefix_delegation", "ip_version": 6});
        let (_, message) = subnet_refused(&api, 400, "member", &network, delegated).await;
        assert!(message.contains("'prefix_delegation' is not supported"), "{message}");
        let (kind, _) = subnet_refused(
            &api, 400, "member", &network, json!({"subnetpool_id": pool_id, "gateway_ip": "fd00::1"}),
        )
        .await;
        assert_eq!(kind, "InvalidInput");
    })
    .await;
}

#[tokio::test]
async fn the_default_pool_of_the_family_is_used_on_demand() {
    TestApi::on_each_engine(|api| async move {
        let default = json!({"is_default": true, "default_prefixlen": 64});
        let six = pool(&api, "admin", &["2001:db8::/48"], default).await;
        let network = network(&api, "member").await;
        let wanted = json!({"use_default_subnetpool": true, "ip_version": 6});
        let (_, message) = subnet_refused(&api, 400, "member", &network, wanted.clone()).await;
        assert_eq!(message, "Bad subnets request: No default subnetpool found for IPv6.", "it is not shared");
        let entry = json!({"object_type": "subnetpool", "object_id": six["id"], "action": "access_as_shared",
            "target_tenant": "*"});
        api.create("admin", "/v2.0/rbac-policies", "rbac_policy", entry).await;
        let made = subnet(&api, "member", &network, wanted).await;
        for (key, value) in [
            ("cidr", json!("2001:db8::/64")),
            ("gateway_ip", json!("2001:db8::1")),
            ("subnetpool_id", six["id"].clone()),
            ("allocation_pools", json!([{"start": "2001:db8::2", "end": "2001:db8::ffff:ffff:ffff:ffff"}])),
        ] {
            assert_eq!(made[key], value, "{key}");
        }
    })
    .await;
}

#[tokio::test]
async fn each_project_gets_its_share() {
    TestApi::on_each_engine(|api| async move {
        let share = json!({"default_quota": 512, "default_prefixlen": 24});
        let four = pool(&api, "member", &["10.0.0.0/16"], share).await;
        let take = async |more: Value| {
            let network = network(&api, "member").await;
            let body = json!({"subnet": subnet_body(&network, more)});
            let (status, _, json) = api.request("member", "POST", "/v2.0/subnets", body).await;
            (status, json["NeutronError"]["type"].as_str().unwrap_or_default().to_owned())
        };
        let of_four = |length: u8| json!({"subnetpool_id": four["id"], "prefixlen": length});
        assert_eq!(take(of_four(24)).await.0, 201);
        assert_eq!(take(of_four(25)).await.0, 201);
        assert_eq!(take(of_four(24)).await, (409, "SubnetPoolQuotaExceeded".to_owned()));
        assert_eq!(take(of_four(25)).await.0, 201);
        assert_eq!(take(of_four(32)).await.0, 409);
        // IPv6 is counted in /64s, longer prefixes in parts of one.
        let six = pool(&api, "member", &["2001:db8::/48"], json!({"default_quota": 1})).await;
        let of_six = |length: u8| json!({"subnetpool_id": six["id"], "prefixlen": length, "ip_version": 6});
        assert_eq!(take(of_six(65)).await.0, 201);
        assert_eq!(take(of_six(64)).await.0, 409);
        assert_eq!(take(of_six(65)).await.0, 201);
        assert_eq!(take(of_six(80)).await.0, 409);
    })
    .await;
}

#[tokio::test]
async fn subnets_of_a_network_are_of_one_pool() {
    TestApi::on_each_engine(|api| async move {
        let options = json!({"default_prefixlen": 24});
        let one = pool(&api, "member", &["10.0.0.0/16"], options.clone()).await;
        let two = pool(&api, "member", &["10.1.0.0/16"], options).await;
        let six = pool(&api, "member", &["fd00::/48"], json!({})).await;
        let network = network(&api, "member").await;
        subnet(&api, "member", &network, json!({"subnetpool_id": one["id"]})).await;
        subnet(&api, "member", &network, json!({"subnetpool_id": one["id"]})).await;
        subnet(&api, "member", &network, json!({"subnetpool_id": six["id"], "ip_version": 6})).await;
        for more in [json!({"subnetpool_id": two["id"]}), json!({"cidr": "192.168.0.0/24"})] {
            let found = subnet_refused(&api, 400, "member", &network, more).await;
            assert_eq!(
                found,
                (
                    "NetworkSubnetPoolAffinityError".to_owned(),
                    "Subnets hosted on the same network must be allocated from the same subnet pool."
                        .to_owned()
                )
            );
        }
        let without = super::network(&api, "member").await;
        subnet(&api, "member", &without, json!({"cidr": "192.168.0.0/24"})).await;
        let (kind, _) =
            subnet_refused(&api, 400, "member", &without, json!({"subnetpool_id": two["id"]})).await;
        assert_eq!(kind, "NetworkSubnetPoolAffinityError");
    })
    .await;
}

/// Requests at the same time never get prefixes that overlap, and get all there are.
#[tokio::test]
async fn many_at_once_get_each_their_own() {
    TestApi::on_each_engine(|api| async move {
        let made = pool(&api, "admin", &["10.0.0.0/22"], json!({"default_prefixlen": 26})).await;
        let networks = join_all((0..20).map(|_| network(&api, "admin"))).await;
        let requests = networks.iter().map(|network| {
            let body = json!({"subnet": subnet_body(network, json!({"subnetpool_id": made["id"]}))});
            api.request("admin", "POST", "/v2.0/subnets", body)
        });
        let answers = join_all(requests).await;
        let got: Vec<IpNet> = answers
            .iter()
            .filter(|(status, ..)| *status == 201)
            .map(|(_, _, json)| {
                json["subnet"]["cidr"].as_str().and_then(|text| text.parse().ok()).expect("a cidr")
            })
            .collect();
        assert_eq!(got.len(), 16, "the whole pool");
        assert_eq!(got.iter().collect::<BTreeSet<_>>().len(), 16);
        assert!(answers.iter().filter(|(status, ..)| *status != 201).all(|(status, _, json)| {
            *status == 409 && json["NeutronError"]["type"] == "SubnetAllocationError"
        }));
    })
    .await;
}
