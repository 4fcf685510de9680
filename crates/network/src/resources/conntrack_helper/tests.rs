//! API tests of conntrack helpers, on both engines.

use serde_json::{Value, json};

use crate::resources::router::tests::{id, refusal, router, shown};
use crate::testing::TestApi;

fn all(router: &str) -> String {
    format!("/v2.0/routers/{router}/conntrack_helpers")
}

async fn tftp(api: &TestApi, router: &str) -> Value {
    let object = json!({"protocol": "udp", "port": 69, "helper": "tftp"});
    api.create("member", &all(router), "conntrack_helper", object).await
}

#[tokio::test]
async fn a_helper_is_made_shown_changed_and_deleted() {
    TestApi::on_each_engine(|api| async move {
        let router = router(&api, json!({})).await;
        assert_eq!(shown(&api, "member", &router).await["conntrack_helpers"], json!([]));
        let made = tftp(&api, &router).await;
        assert_eq!(made, json!({"id": made["id"], "protocol": "udp", "port": 69, "helper": "tftp"}));
        let path = format!("{}/{}", all(&router), id(&made));
        assert_eq!(
            api.expect(200, "reader", "GET", &path, Value::Null).await,
            json!({"conntrack_helper": made})
        );
        let of_router = shown(&api, "member", &router).await;
        assert_eq!(
            of_router["conntrack_helpers"],
            json!([{"protocol": "udp", "port": 69, "helper": "tftp"}])
        );
        assert_eq!(of_router["revision_number"], 2);
        let put = async |object: Value| {
            let body = json!({"conntrack_helper": object});
            api.expect(200, "member", "PUT", &path, body).await["conntrack_helper"].take()
        };
        assert_eq!(put(json!({"port": 69})).await, made);
        assert_eq!(shown(&api, "member", &router).await["revision_number"], 2, "nothing has changed");
        assert_eq!(put(json!({"port": "6969"})).await["port"], 6969);
        let list = format!("{}?helper=tftp&port=6969&fields=port", all(&router));
        let listed = api.expect(200, "reader", "GET", &list, Value::Null).await;
        assert_eq!(listed, json!({"conntrack_helpers": [{"port": 6969}]}));
        let routers =
            api.expect(200, "member", "GET", "/v2.0/routers?fields=conntrack_helpers", Value::Null).await;
        assert_eq!(routers["routers"][0]["conntrack_helpers"][0]["port"], 6969);
        api.expect(204, "member", "DELETE", &path, Value::Null).await;
        let gone =
            refusal("ConntrackHelperNotFound", format!("Conntrack Helper {} could not be found.", id(&made)));
        assert_eq!(api.refused(404, "member", "DELETE", &path, Value::Null).await, gone);
        tftp(&api, &router).await;
        api.expect(204, "member", "DELETE", &format!("/v2.0/routers/{router}"), Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn helpers_are_known_read_their_protocol_and_are_there_once() {
    TestApi::on_each_engine(|api| async move {
        let router = router(&api, json!({})).await;
        tftp(&api, &router).await;
        let refused = async |protocol: &str, port: i64, helper: &str| {
            let object = json!({"protocol": protocol, "port": port, "helper": helper});
            let body = json!({"conntrack_helper": object});
            api.refused(400, "member", "POST", &all(&router), body).await
        };
        let unknown = "Conntrack Helper x is not allowed.";
        assert_eq!(refused("udp", 69, "x").await, refusal("ConntrackHelperNotAllowed", unknown));
        let wrong = "Conntrack Helper sip does not support: sctp. Supported protocols are: udp, tcp";
        assert_eq!(refused("sctp", 5060, "sip").await, refusal("InvalidProtocolForHelper", wrong));
        let (kind, message) = refused("udp", 69, "tftp").await;
        assert_eq!(kind, "BadRequest");
        assert!(message.contains("A duplicate conntrack helper entry"), "{message}");
        assert_eq!(refused("udp", 0, "tftp").await.0, "HTTPBadRequest");
        assert_eq!(refused("gre", 1, "pptp").await.0, "HTTPBadRequest");
    })
    .await;
}

#[tokio::test]
async fn n26_helpers_are_reached_through_their_own_router_only() {
    TestApi::on_each_engine(|api| async move {
        let owner = router(&api, json!({})).await;
        let own = tftp(&api, &owner).await;
        let another = router(&api, json!({})).await;
        let foreign = id(&api.create("other", "/v2.0/routers", "router", json!({})).await);
        let body = json!({"conntrack_helper": {"port": 70}});
        for (method, body) in [("GET", Value::Null), ("PUT", body), ("DELETE", Value::Null)] {
            let wrong = format!("{}/{}", all(&another), id(&own));
            let refused = api.refused(404, "member", method, &wrong, body.clone()).await;
            assert_eq!(refused.0, "ConntrackHelperNotFound", "{method}");
            let under_own = format!("{}/{}", all(&foreign), id(&own));
            let refused = api.refused(404, "other", method, &under_own, body.clone()).await;
            assert_eq!(refused.0, "ConntrackHelperNotFound", "{method}");
            let right = format!("{}/{}", all(&owner), id(&own));
            let refused = api.refused(404, "other", method, &right, body.clone()).await;
            assert_eq!(refused.0, "RouterNotFound", "{method}");
            if method != "GET" {
                let refused = api.refused(403, "reader", method, &right, body).await;
                assert_eq!(refused.0, "PolicyNotAuthorized", "{method}");
            }
        }
        assert_eq!(api.refused(404, "other", "GET", &all(&owner), Value::Null).await.0, "RouterNotFound");
    })
    .await;
}
