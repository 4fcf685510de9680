//! Pools made, listed, changed and deleted.

use super::*;
use crate::testing::{NOWHERE, OTHER_PROJECT, PROJECT};

#[tokio::test]
async fn a_pool_has_the_shape_clients_know() {
    TestApi::on_each_engine(|api| async move {
        let more = json!({"name": "s-pool", "default_prefixlen": 24, "min_prefixlen": "20"});
        let made = pool(&api, "member", &["10.200.0.1/16"], more).await;
        let expected = json!({
            "id": made["id"], "name": "s-pool", "project_id": PROJECT, "tenant_id": PROJECT,
            "default_prefixlen": "24", "min_prefixlen": "20", "max_prefixlen": "32", "is_default": false,
            "shared": false, "prefixes": ["10.200.0.0/16"], "ip_version": 4, "default_quota": null,
            "address_scope_id": null, "description": "", "tags": [], "revision_number": 1,
            "created_at": made["created_at"], "updated_at": made["updated_at"],
        });
        assert_eq!(made, expected);
        let shown = api.expect(200, "reader", "GET", &url(&made), Value::Null).await;
        assert_eq!(shown["subnetpool"], expected);
        for query in ["name=s-pool", "ip_version=4", "min_prefixlen=20", "is_default=False", "shared=False"] {
            let path = format!("/v2.0/subnetpools?{query}&sort_key=max_prefixlen");
            let listed = api.expect(200, "member", "GET", &path, Value::Null).await;
            assert_eq!(listed["subnetpools"], json!([expected]), "{query}");
        }
        for query in ["ip_version=6", "shared=True", "default_quota=5", "name=other"] {
            let path = format!("/v2.0/subnetpools?{query}");
            let listed = api.expect(200, "member", "GET", &path, Value::Null).await;
            assert_eq!(listed["subnetpools"], json!([]), "{query}");
        }
        let path = format!("{}?fields=prefixes", url(&made));
        let slim = api.expect(200, "member", "GET", &path, Value::Null).await;
        assert_eq!(slim, json!({"subnetpool": {"prefixes": ["10.200.0.0/16"]}}));
    })
    .await;
}

#[tokio::test]
async fn lengths_follow_the_family() {
    TestApi::on_each_engine(|api| async move {
        let lengths = |pool: &Value| {
            ["min_prefixlen", "default_prefixlen", "max_prefixlen"].map(|key| pool[key].clone())
        };
        let four = pool(&api, "member", &["10.0.0.0/8"], json!({})).await;
        assert_eq!(lengths(&four), ["8", "8", "32"]);
        let six = pool(&api, "member", &["2001:db8::/32"], json!({})).await;
        assert_eq!(lengths(&six), ["64", "64", "128"]);
        assert_eq!(six["ip_version"], 6);
        for (prefix, more, message) in [
            (
                "10.0.0.0/8",
                json!({"min_prefixlen": 25, "max_prefixlen": 24}),
                "min_prefixlen=25, max_prefixlen=24",
            ),
            ("10.0.0.0/8", json!({"max_prefixlen": 33}), "max_prefixlen=33, ip_version_max=32"),
            ("10.0.0.0/8", json!({"default_prefixlen": 7}), "default_prefixlen=7, min_prefixlen=8"),
            (
                "10.0.0.0/8",
                json!({"default_prefixlen": 30, "max_prefixlen": 28}),
                "default_prefixlen=30, max_prefixlen=28",
            ),
            ("fd00::/8", json!({"max_prefixlen": 129}), "max_prefixlen=129, ip_version_max=128"),
        ] {
            let (kind, found) = pool_refused(&api, 400, "member", &[prefix], more).await;
            assert_eq!(kind, "IllegalSubnetPoolPrefixBounds");
            assert_eq!(found, format!("Illegal prefix bounds: {message}."));
        }
        let body = json!({"subnetpool": {"max_prefixlen": 20, "default_prefixlen": 24}});
        let (kind, _) = api.refused(400, "member", "PUT", &url(&four), body).await;
        assert_eq!(kind, "IllegalSubnetPoolPrefixBounds");
    })
    .await;
}

#[tokio::test]
async fn prefixes_are_of_one_family_and_compact() {
    TestApi::on_each_engine(|api| async move {
        let made =
            pool(&api, "member", &["10.1.0.0/16", "10.0.0.0/16", "10.0.3.0/24", "10.4.0.0/16"], json!({}))
                .await;
        assert_eq!(made["prefixes"], json!(["10.0.0.0/15", "10.4.0.0/16"]));
        for (prefixes, kind) in [
            (vec![], "EmptySubnetPoolPrefixList"),
            (vec!["10.0.0.0/8", "fd00::/8"], "PrefixVersionMismatch"),
            (vec!["10.0.0.0/8", "10.0.0.1/8"], "HTTPBadRequest"),
            (vec!["10.0.0.0/33"], "HTTPBadRequest"),
            (vec!["::/64"], "HTTPBadRequest"),
            (vec!["::ffff:10.0.0.0/104"], "HTTPBadRequest"),
        ] {
            let (found, _) = pool_refused(&api, 400, "member", &prefixes, json!({})).await;
            assert_eq!(found, kind, "{prefixes:?}");
        }
        for body in
            [json!({"prefixes": ["10.0.0.0/8"]}), json!({"name": "x"}), json!({"name": " ", "prefixes": []})]
        {
            api.refused(400, "member", "POST", "/v2.0/subnetpools", json!({"subnetpool": body})).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_put_changes_what_it_names() {
    TestApi::on_each_engine(|api| async move {
        let made = pool(&api, "member", &["10.0.0.0/16"], json!({"default_quota": 4})).await;
        let wanted = json!({
            "name": "renamed", "description": "d", "default_prefixlen": 26, "min_prefixlen": 20,
            "max_prefixlen": 28, "default_quota": null, "prefixes": ["10.0.0.0/16", "10.1.0.0/16"],
        });
        let changed = change(&api, "member", &made, wanted.clone()).await;
        for (key, value) in [
            ("name", json!("renamed")),
            ("description", json!("d")),
            ("default_prefixlen", json!("26")),
            ("min_prefixlen", json!("20")),
            ("max_prefixlen", json!("28")),
            ("default_quota", json!(null)),
            ("prefixes", json!(["10.0.0.0/15"])),
            ("revision_number", json!(2)),
        ] {
            assert_eq!(changed[key], value, "{key}");
        }
        assert_eq!(change(&api, "member", &made, wanted).await, changed, "a repetition changes nothing");
        let (kind, message) = api
            .refused(400, "member", "PUT", &url(&made), json!({"subnetpool": {"prefixes": ["10.0.0.0/16"]}}))
            .await;
        assert_eq!(kind, "IllegalSubnetPoolPrefixUpdate");
        assert_eq!(
            message,
            "Illegal update to prefixes: Existing prefixes must be a subset of the new prefixes."
        );
        for read_only in
            [json!({"shared": true}), json!({"ip_version": 6}), json!({"project_id": OTHER_PROJECT})]
        {
            api.refused(400, "member", "PUT", &url(&made), json!({"subnetpool": read_only})).await;
        }
        let stale = [("if-match", "revision_number=1")];
        let body = json!({"subnetpool": {"name": "x"}}).to_string().into_bytes();
        let (status, ..) = api.send("member", "PUT", &url(&made), &stale, body).await;
        assert_eq!(status, 412);
    })
    .await;
}

#[tokio::test]
async fn one_pool_of_a_family_is_the_default() {
    TestApi::on_each_engine(|api| async move {
        let default = json!({"is_default": true});
        pool_refused(&api, 403, "member", &["10.0.0.0/8"], default.clone()).await;
        let four = pool(&api, "admin", &["10.0.0.0/8"], default.clone()).await;
        pool(&api, "admin", &["fd00::/8"], default.clone()).await;
        let (kind, message) = pool_refused(&api, 400, "admin", &["11.0.0.0/8"], default.clone()).await;
        assert_eq!(kind, "InvalidInput");
        assert_eq!(
            message,
            "Invalid input for operation: A default subnetpool for this IP family has already been set. Only one \
             default may exist per IP family."
        );
        let other = pool(&api, "admin", &["11.0.0.0/8"], json!({})).await;
        let body = json!({"subnetpool": default});
        api.refused(400, "admin", "PUT", &url(&other), body.clone()).await;
        change(&api, "admin", &four, json!({"is_default": false})).await;
        api.expect(200, "admin", "PUT", &url(&other), body.clone()).await;
        api.expect(200, "admin", "PUT", &url(&other), body).await;
    })
    .await;
}

/// N08: the rule of an attribute is asked for whatever its value.
#[tokio::test]
async fn n08_a_member_does_not_name_the_default_flag() {
    TestApi::on_each_engine(|api| async move {
        let mine = pool(&api, "member", &["12.0.0.0/8"], json!({})).await;
        let body = json!({"subnetpool": {"is_default": false}});
        api.refused(403, "member", "PUT", &url(&mine), body).await;
    })
    .await;
}

#[tokio::test]
async fn a_pool_with_subnets_stays() {
    TestApi::on_each_engine(|api| async move {
        let made = pool(&api, "member", &["10.0.0.0/16"], json!({"default_prefixlen": 24})).await;
        let network = network(&api, "member").await;
        let subnet = subnet(&api, "member", &network, json!({"subnetpool_id": made["id"]})).await;
        let body = api.expect(400, "member", "DELETE", &url(&made), Value::Null).await;
        assert_eq!(body["NeutronError"]["type"], "SubnetPoolDeleteError");
        assert_eq!(
            body["NeutronError"]["message"],
            format!(
                "Unable to delete subnet pool: Subnet pool has existing allocations. Blocked by subnet {}.",
                id(&subnet)
            )
        );
        // A network takes its subnets along, and they give their prefixes back.
        api.expect(204, "member", "DELETE", &format!("/v2.0/networks/{network}"), Value::Null).await;
        api.expect(204, "member", "DELETE", &url(&made), Value::Null).await;
        let (kind, message) = api.refused(404, "member", "GET", &url(&made), Value::Null).await;
        assert_eq!(kind, "SubnetPoolNotFound");
        assert_eq!(message, format!("Subnet pool {} could not be found.", id(&made)));
    })
    .await;
}

#[tokio::test]
async fn pools_are_their_projects_own() {
    TestApi::on_each_engine(|api| async move {
        let made = pool(&api, "member", &["10.0.0.0/16"], json!({})).await;
        let requests = |pool: &str| {
            let base = format!("/v2.0/subnetpools/{pool}");
            let prefixes = json!({"prefixes": ["10.9.0.0/16"]});
            [
                ("GET", base.clone(), Value::Null),
                ("PUT", base.clone(), json!({"subnetpool": {"name": "x"}})),
                ("DELETE", base.clone(), Value::Null),
                ("PUT", format!("{base}/add_prefixes"), prefixes.clone()),
                ("PUT", format!("{base}/remove_prefixes"), prefixes),
                ("PUT", format!("{base}/onboard_network_subnets"), json!({"network_id": NOWHERE})),
            ]
        };
        for wrong in [NOWHERE, "no-uuid"] {
            for (method, path, body) in requests(wrong) {
                api.refused(404, "member", method, &path, body).await;
            }
        }
        for (method, path, body) in requests(&id(&made)) {
            let (kind, _) = api.refused(404, "other", method, &path, body.clone()).await;
            assert_eq!(kind, "SubnetPoolNotFound");
            if method != "GET" {
                api.refused(403, "reader", method, &path, body).await;
            }
        }
        api.refused(
            403,
            "reader",
            "POST",
            "/v2.0/subnetpools",
            json!({"subnetpool": {"name": "x", "prefixes": ["10.0.0.0/8"]}}),
        )
        .await;
        let listed = api.expect(200, "other", "GET", "/v2.0/subnetpools", Value::Null).await;
        assert_eq!(listed, json!({"subnetpools": []}));
        let listed = api.expect(200, "admin", "GET", "/v2.0/subnetpools", Value::Null).await;
        assert_eq!(listed["subnetpools"][0]["id"], made["id"]);
    })
    .await;
}

/// N24: tags are the pool's, for those who may change it.
#[tokio::test]
async fn n24_tags_follow_the_pool() {
    TestApi::on_each_engine(|api| async move {
        let made = pool(&api, "member", &["10.0.0.0/16"], json!({})).await;
        let tags = format!("{}/tags", url(&made));
        api.expect(200, "member", "PUT", &tags, json!({"tags": ["red"]})).await;
        api.refused(404, "other", "PUT", &tags, json!({"tags": ["blue"]})).await;
        let listed =
            api.expect(200, "member", "GET", "/v2.0/subnetpools?tags=red&fields=tags", Value::Null).await;
        assert_eq!(listed, json!({"subnetpools": [{"tags": ["red"]}]}));
    })
    .await;
}

#[tokio::test]
async fn pools_are_counted_and_made_in_bulk() {
    TestApi::on_each_engine(|api| async move {
        let quota = format!("/v2.0/quotas/{PROJECT}");
        let limit = api.expect(200, "member", "GET", &quota, Value::Null).await;
        assert_eq!(limit["quota"]["subnetpool"], -1);
        api.expect(200, "admin", "PUT", &quota, json!({"quota": {"subnetpool": 2}})).await;
        let one = |name: &str| json!({"name": name, "prefixes": ["10.0.0.0/8"]});
        let three = json!({"subnetpools": [one("a"), one("b"), one("c")]});
        let (kind, _) = api.refused(409, "member", "POST", "/v2.0/subnetpools", three).await;
        assert_eq!(kind, "OverQuota");
        let two = json!({"subnetpools": [one("a"), one("b")]});
        let made = api.expect(201, "member", "POST", "/v2.0/subnetpools", two).await;
        assert_eq!(made["subnetpools"][1]["name"], "b");
        api.expect(204, "member", "DELETE", &url(&made["subnetpools"][0]), Value::Null).await;
        pool(&api, "member", &["10.0.0.0/8"], json!({})).await;
    })
    .await;
}
