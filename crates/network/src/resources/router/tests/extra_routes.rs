//! Routes beyond what a router is connected to.

use serde_json::{Value, json};

use super::{Lab, attach, network, refusal, remove, router, router_to, shown, subnet};
use crate::Settings;
use crate::testing::TestApi;
use isospin_store_kit::Engine;

fn routes(pairs: &[(&str, &str)]) -> Value {
    let each =
        |(destination, nexthop): &(&str, &str)| json!({"destination": destination, "nexthop": nexthop});
    Value::Array(pairs.iter().map(each).collect())
}

fn body(pairs: &[(&str, &str)]) -> Value {
    json!({"router": {"routes": routes(pairs)}})
}

#[tokio::test]
async fn routes_are_replaced_added_and_removed() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router_to(&api, &lab.external).await;
        attach(&api, &router_id, &lab.subnet).await;
        let url = format!("/v2.0/routers/{router_id}");
        let put = async |path: String, pairs: &[(&str, &str)]| {
            api.expect(200, "member", "PUT", &path, body(pairs)).await["router"].take()
        };
        let (a, b) = (("10.250.0.0/24", "10.7.0.99"), ("10.251.0.0/24", "172.24.0.5"));
        let set = put(url.clone(), &[b, a]).await;
        assert_eq!(set["routes"], routes(&[b, a]));
        assert_eq!(set["revision_number"], 3);
        let c = ("10.250.0.0/24", "10.7.0.98");
        let added = put(format!("{url}/add_extraroutes"), &[a, c]).await;
        assert_eq!(added["routes"], routes(&[b, a, c]));
        let unchanged = put(format!("{url}/add_extraroutes"), &[a, c]).await;
        assert_eq!(unchanged["revision_number"], added["revision_number"]);
        let removed = put(format!("{url}/remove_extraroutes"), &[b, ("10.9.9.0/24", "10.7.0.1")]).await;
        assert_eq!(removed["routes"], routes(&[a, c]));
        assert_eq!(shown(&api, "member", &router_id).await["routes"], routes(&[a, c]));
        let list = api.expect(200, "member", "GET", "/v2.0/routers", Value::Null).await;
        assert_eq!(list["routers"][0]["routes"], routes(&[a, c]));
        let empty = put(url.clone(), &[]).await;
        assert_eq!(empty["routes"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn next_hops_must_be_neighbours() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router(&api, json!({})).await;
        attach(&api, &router_id, &lab.subnet).await;
        let url = format!("/v2.0/routers/{router_id}");
        for (nexthop, reason) in [
            ("10.8.0.9", "the nexthop is not connected with router"),
            ("10.7.0.1", "the nexthop is used by router"),
        ] {
            let message = format!(
                "Invalid format for routes: [{{'destination': '10.9.0.0/24', 'nexthop': '{nexthop}'}}], {reason}"
            );
            let body = body(&[("10.9.0.0/24", nexthop)]);
            let expected = refusal("InvalidRoutes", message);
            assert_eq!(api.refused(400, "member", "PUT", &url, body.clone()).await, expected);
            let add = format!("{url}/add_extraroutes");
            assert_eq!(api.refused(400, "member", "PUT", &add, body).await, expected);
        }
        // A gateway set in the same request counts.
        let both = json!({"router": {"external_gateway_info": {"network_id": lab.external},
            "routes": routes(&[("10.9.0.0/24", "172.24.0.5")])}});
        let set = api.expect(200, "member", "PUT", &url, both).await;
        assert_eq!(set["router"]["routes"], routes(&[("10.9.0.0/24", "172.24.0.5")]));
        assert_eq!(set["router"]["revision_number"], 3);
    })
    .await;
}

#[tokio::test]
async fn malformed_routes_are_refused() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let router_id = router(&api, json!({})).await;
        attach(&api, &router_id, &lab.subnet).await;
        let url = format!("/v2.0/routers/{router_id}");
        let route =
            |destination: &str, nexthop: &str| json!([{"destination": destination, "nexthop": nexthop}]);
        let twice = routes(&[("10.9.0.0/24", "10.7.0.9"), ("10.9.0.0/24", "10.7.0.9")]);
        for (routes, reason) in [
            (json!("x"), "Invalid data format for hostroute: 'x'"),
            (json!([7]), "'7' is not a dictionary"),
            (
                json!([{"destination": "10.9.0.0/24"}]),
                "Invalid data format for hostroute: '{\"destination\":\"10.9.0.0/24\"}'",
            ),
            (route("10.9.0.0", "10.7.0.9"), "'10.9.0.0' is not a valid IP subnet"),
            (
                route("10.9.0.5/24", "10.7.0.9"),
                "'10.9.0.5/24' isn't a recognized IP subnet cidr, '10.9.0.0/24' is recommended",
            ),
            (route("10.9.0.0/24", "ten"), "'ten' is not a valid IP address"),
            (route("10.9.0.0/24", "fd00::1"), "'fd00::1' and '10.9.0.0/24' are of different IP versions"),
            (twice, "Duplicate hostroute '{\"destination\":\"10.9.0.0/24\",\"nexthop\":\"10.7.0.9\"}'"),
        ] {
            let message = format!("Invalid input for routes. Reason: {reason}.");
            let body = json!({"router": {"routes": routes}});
            assert_eq!(
                api.refused(400, "member", "PUT", &url, body).await,
                refusal("HTTPBadRequest", message)
            );
        }
        let add = format!("{url}/add_extraroutes");
        let missing = "Failed to parse request. Required attribute 'routes' not specified";
        assert_eq!(
            api.refused(400, "member", "PUT", &add, json!({"router": {}})).await,
            refusal("HTTPBadRequest", missing)
        );
        let other = json!({"router": {"name": "x", "routes": []}});
        assert_eq!(
            api.refused(400, "member", "PUT", &add, other).await,
            refusal("HTTPBadRequest", "Unrecognized attribute(s) 'name'")
        );
    })
    .await;
}

#[tokio::test]
async fn there_is_a_limit_and_interfaces_in_use_stay() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let api = TestApi::with_settings(engine, Settings { max_routes: 2, ..Settings::default() }).await;
        let lab = Lab::new(&api).await;
        let router_id = router(&api, json!({})).await;
        attach(&api, &router_id, &lab.subnet).await;
        let network = network(&api, "member", json!({})).await;
        let free = subnet(&api, "member", &network, json!({"cidr": "10.30.0.0/24"})).await;
        attach(&api, &router_id, &free).await;
        let url = format!("/v2.0/routers/{router_id}");
        let two = [("10.9.0.0/24", "10.7.0.9"), ("10.9.1.0/24", "10.7.0.9")];
        api.expect(200, "member", "PUT", &url, body(&two)).await;
        let message = format!(
            "Unable to complete operation for {router_id}. The number of routes exceeds the maximum 2."
        );
        let third = body(&[("10.9.2.0/24", "10.7.0.9")]);
        assert_eq!(
            api.refused(400, "member", "PUT", &format!("{url}/add_extraroutes"), third).await,
            refusal("RoutesExhausted", message)
        );
        let message = format!(
            "Router interface for subnet {} on router {router_id} cannot be deleted, as it is required by one or \
             more routes. Blocked by route to 10.9.0.0/24 over 10.7.0.9, route to 10.9.1.0/24 over 10.7.0.9.",
            lab.subnet
        );
        assert_eq!(
            api.refused(409, "member", "PUT", &remove(&router_id), json!({"subnet_id": lab.subnet})).await,
            refusal("RouterInterfaceInUseByRoute", message)
        );
        api.expect(200, "member", "PUT", &remove(&router_id), json!({"subnet_id": free})).await;
    }
}
