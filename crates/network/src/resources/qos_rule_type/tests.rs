//! Rule types through the API.

use isospin_store_kit::Engine;
use serde_json::{Value, json};

use crate::testing::TestApi;

async fn types(api: &TestApi, query: &str) -> Value {
    api.expect(200, "reader", "GET", &format!("/v2.0/qos/rule-types{query}"), Value::Null).await["rule_types"]
        .take()
}

#[tokio::test]
async fn types_are_those_the_drivers_carry_out() {
    let api = TestApi::new(Engine::Sqlite).await;
    let offered =
        json!([{"type": "bandwidth_limit"}, {"type": "dscp_marking"}, {"type": "packet_rate_limit"}]);
    assert_eq!(types(&api, "").await, offered);
    assert_eq!(types(&api, "?all_supported=true").await, offered);
    assert_eq!(types(&api, "?type=dscp_marking").await, json!([{"type": "dscp_marking"}]));
    let all = types(&api, "?all_rules=True").await;
    assert_eq!(all.as_array().map(Vec::len), Some(5));
    let (kind, _) =
        api.refused(400, "reader", "GET", "/v2.0/qos/rule_types?all_rules=maybe", Value::Null).await;
    assert_eq!(kind, "InvalidInput");
}

#[tokio::test]
async fn details_are_for_administrators() {
    let api = TestApi::new(Engine::Sqlite).await;
    let path = "/v2.0/qos/rule-types/bandwidth_limit";
    let shown = api.expect(200, "admin", "GET", path, Value::Null).await;
    let driver = |name: &str| {
        json!({"name": name, "supported_parameters": [
            {"parameter_name": "max_kbps", "parameter_type": "range",
             "parameter_values": {"start": 0, "end": 2_147_483_647}},
            {"parameter_name": "max_burst_kbps", "parameter_type": "range",
             "parameter_values": {"start": 0, "end": 2_147_483_647}},
            {"parameter_name": "direction", "parameter_type": "choices",
             "parameter_values": ["ingress", "egress"]},
        ]})
    };
    let drivers = json!([driver("openvswitch"), driver("linuxbridge")]);
    assert_eq!(shown["rule_type"], json!({"type": "bandwidth_limit", "drivers": drivers}));
    let shown = api.expect(200, "admin", "GET", "/v2.0/qos/rule-types/minimum_bandwidth", Value::Null).await;
    assert_eq!(shown["rule_type"]["drivers"], json!([]));
    api.expect(404, "admin", "GET", "/v2.0/qos/rule-types/no_such", Value::Null).await;
    let (kind, _) = api.refused(403, "member", "GET", path, Value::Null).await;
    assert_eq!(kind, "NotAuthorized");
}
