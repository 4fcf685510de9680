//! Pools in address scopes, and the networks whose subnets are of them.

use super::*;
use crate::testing::NOWHERE;

async fn shown_network(api: &TestApi, id: &str) -> Value {
    api.expect(200, "member", "GET", &format!("/v2.0/networks/{id}"), Value::Null).await["network"].take()
}

#[tokio::test]
async fn a_network_shows_the_scopes_of_its_pools() {
    TestApi::on_each_engine(|api| async move {
        let (four, six) =
            (scope(&api, "member", 4, json!({})).await, scope(&api, "member", 6, json!({})).await);
        let of = |scope: &str| json!({"address_scope_id": scope});
        let pool_four = pool(&api, "member", &["10.0.0.0/16"], of(&four)).await;
        assert_eq!(pool_four["address_scope_id"], json!(four));
        let pool_six = pool(&api, "member", &["2001:db8::/48"], of(&six)).await;
        let network = network(&api, "member").await;
        let scopes = async || {
            let shown = shown_network(&api, &network).await;
            let path = format!("/v2.0/networks?id={network}");
            let listed = api.expect(200, "member", "GET", &path, Value::Null).await;
            assert_eq!(listed["networks"][0], shown);
            (shown["ipv4_address_scope"].clone(), shown["ipv6_address_scope"].clone())
        };
        assert_eq!(scopes().await, (Value::Null, Value::Null));
        subnet(&api, "member", &network, json!({"subnetpool_id": pool_four["id"], "prefixlen": 24})).await;
        assert_eq!(scopes().await, (json!(four), Value::Null));
        subnet(&api, "member", &network, json!({"subnetpool_id": pool_six["id"], "ip_version": 6})).await;
        assert_eq!(scopes().await, (json!(four), json!(six)));
        change(&api, "member", &pool_four, json!({"address_scope_id": null})).await;
        assert_eq!(scopes().await, (Value::Null, json!(six)));
        let path = format!("/v2.0/subnetpools?address_scope_id={six}&fields=id");
        let listed = api.expect(200, "member", "GET", &path, Value::Null).await;
        assert_eq!(listed, json!({"subnetpools": [{"id": pool_six["id"]}]}));
    })
    .await;
}

#[tokio::test]
async fn pools_of_a_scope_do_not_overlap() {
    TestApi::on_each_engine(|api| async move {
        let scope = scope(&api, "member", 4, json!({})).await;
        let of_scope = json!({"address_scope_id": scope});
        let first = pool(&api, "member", &["10.0.0.0/16"], of_scope.clone()).await;
        let second = pool(&api, "member", &["10.1.0.0/16"], of_scope.clone()).await;
        let outside = pool(&api, "member", &["10.0.0.0/8"], json!({})).await;
        let conflict = |fault: &Value| {
            assert_eq!(fault["NeutronError"]["type"], "AddressScopePrefixConflict");
            let message = fault["NeutronError"]["message"].as_str().expect("a message");
            assert!(message.contains(&format!("subnetpool {} with 10.0.0.0/16", id(&first))), "{message}");
        };
        let mut new = json!({"name": "p", "prefixes": ["10.0.7.0/24"]});
        merge(&mut new, of_scope.clone());
        conflict(&api.expect(409, "member", "POST", "/v2.0/subnetpools", json!({"subnetpool": new})).await);
        let join = json!({"subnetpool": of_scope});
        conflict(&api.expect(409, "member", "PUT", &url(&outside), join).await);
        let more = json!({"prefixes": ["10.0.0.0/24"]});
        conflict(&api.expect(409, "member", "PUT", &format!("{}/add_prefixes", url(&second)), more).await);
    })
    .await;
}

#[tokio::test]
async fn a_scope_is_of_the_family_and_visible() {
    TestApi::on_each_engine(|api| async move {
        let six = scope(&api, "member", 6, json!({})).await;
        let foreign = scope(&api, "other", 4, json!({})).await;
        let (kind, _) =
            pool_refused(&api, 400, "member", &["10.0.0.0/8"], json!({"address_scope_id": six})).await;
        assert_eq!(kind, "IllegalSubnetPoolIpVersionAssociationToAddressScope");
        for hidden in [foreign.as_str(), NOWHERE] {
            let more = json!({"address_scope_id": hidden});
            let (kind, _) = pool_refused(&api, 404, "member", &["10.0.0.0/8"], more).await;
            assert_eq!(kind, "AddressScopeNotFound");
        }
        // A shared scope takes pools of others, who cannot change them any more.
        let shared = scope(&api, "admin", 4, json!({"shared": true})).await;
        let made = pool(&api, "member", &["10.0.0.0/8"], json!({"address_scope_id": shared})).await;
        let body = json!({"subnetpool": {"name": "x"}});
        let (kind, message) = api.refused(400, "member", "PUT", &url(&made), body).await;
        assert_eq!(kind, "IllegalSubnetPoolUpdate");
        assert_eq!(
            message,
            format!(
                "Illegal subnetpool update : subnetpool {} cannot be updated when associated with shared address \
                 scope {shared}.",
                id(&made)
            )
        );
        change(&api, "admin", &made, json!({"name": "x"})).await;
    })
    .await;
}

#[tokio::test]
async fn subnets_of_a_network_are_of_one_scope() {
    TestApi::on_each_engine(|api| async move {
        let (one, other) =
            (scope(&api, "member", 4, json!({})).await, scope(&api, "member", 4, json!({})).await);
        let of = |scope: &str| json!({"address_scope_id": scope, "default_prefixlen": 24});
        let first = pool(&api, "member", &["10.0.0.0/16"], of(&one)).await;
        let second = pool(&api, "member", &["10.1.0.0/16"], of(&one)).await;
        let third = pool(&api, "member", &["10.2.0.0/16"], of(&other)).await;
        let network = network(&api, "member").await;
        subnet(&api, "member", &network, json!({"subnetpool_id": first["id"]})).await;
        let beside = subnet(&api, "member", &network, json!({"subnetpool_id": second["id"]})).await;
        let (kind, _) =
            subnet_refused(&api, 400, "member", &network, json!({"subnetpool_id": third["id"]})).await;
        assert_eq!(kind, "NetworkAddressScopeAffinityError");
        // Neither pool can leave the scope alone.
        for scope in [json!(other), json!(null)] {
            let body = json!({"subnetpool": {"address_scope_id": scope}});
            let refused = api.expect(400, "member", "PUT", &url(&first), body).await;
            assert_eq!(refused["NeutronError"]["type"], "NetworkAddressScopeAffinityError");
            let message = refused["NeutronError"]["message"].as_str().expect("a message");
            assert!(message.ends_with(&format!("Blocked by subnet {}.", id(&beside))), "{message}");
        }
        change(&api, "member", &first, json!({"name": "stays"})).await;
        change(&api, "member", &third, json!({"address_scope_id": null})).await;
    })
    .await;
}
