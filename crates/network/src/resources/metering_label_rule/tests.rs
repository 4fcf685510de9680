//! API tests of metering label rules, on both engines.

use serde_json::{Value, json};

use crate::resources::router::tests::{id, refusal};
use crate::testing::{NOWHERE, TestApi};

const RULES: &str = "/v2.0/metering/metering-label-rules";

async fn label(api: &TestApi) -> String {
    id(&api.create("manager", "/v2.0/metering/metering-labels", "metering_label", json!({})).await)
}

#[tokio::test]
async fn a_rule_is_made_found_and_deleted_with_its_label() {
    TestApi::on_each_engine(|api| async move {
        let label = label(&api).await;
        let object =
            json!({"metering_label_id": label, "direction": "ingress", "remote_ip_prefix": "10.0.0.7/24"});
        let made = api.create("manager", RULES, "metering_label_rule", object).await;
        assert_eq!(
            made,
            json!({
                "id": made["id"], "metering_label_id": label, "direction": "ingress", "excluded": false,
                "remote_ip_prefix": "10.0.0.0/24", "source_ip_prefix": null, "destination_ip_prefix": null,
            })
        );
        let path = format!("{RULES}/{}", id(&made));
        let shown = api.expect(200, "reader", "GET", &path, Value::Null).await;
        assert_eq!(shown, json!({"metering_label_rule": made}));
        let list = format!("{RULES}?metering_label_id={label}&direction=ingress&excluded=false&fields=id");
        let listed = api.expect(200, "reader", "GET", &list, Value::Null).await;
        assert_eq!(listed, json!({"metering_label_rules": [{"id": made["id"]}]}));
        for refused in ["GET", "DELETE"] {
            let refused = api.refused(404, "other", refused, &path, Value::Null).await;
            assert_eq!(refused.0, "MeteringLabelRuleNotFound");
        }
        assert_eq!(api.refused(403, "member", "DELETE", &path, Value::Null).await.0, "PolicyNotAuthorized");
        api.expect(204, "manager", "DELETE", &path, Value::Null).await;
        let object =
            json!({"metering_label_id": label, "direction": "egress", "source_ip_prefix": "10.0.0.0/24"});
        let made = api.create("manager", RULES, "metering_label_rule", object).await;
        let of_label = format!("/v2.0/metering/metering-labels/{label}");
        api.expect(204, "manager", "DELETE", &of_label, Value::Null).await;
        let path = format!("{RULES}/{}", id(&made));
        let gone =
            refusal("MeteringLabelRuleNotFound", format!("Metering label rule {} does not exist", id(&made)));
        assert_eq!(api.refused(404, "manager", "GET", &path, Value::Null).await, gone);
    })
    .await;
}

#[tokio::test]
async fn rules_name_traffic_once() {
    TestApi::on_each_engine(|api| async move {
        let label = label(&api).await;
        let of = |other: Value| {
            let mut object = json!({"metering_label_id": label, "direction": "ingress"});
            object.as_object_mut().expect("an object").extend(other.as_object().expect("an object").clone());
            object
        };
        let refused = async |status, other: Value| {
            let body = json!({"metering_label_rule": of(other)});
            api.refused(status, "manager", "POST", RULES, body).await
        };
        let wide = of(json!({"remote_ip_prefix": "10.0.0.0/16"}));
        let wide = api.create("manager", RULES, "metering_label_rule", wide).await;
        let overlap = format!(
            "Metering label rule with remote_ip_prefix '10.0.7.0/24' overlaps another: {}.",
            id(&wide)
        );
        assert_eq!(
            refused(409, json!({"remote_ip_prefix": "10.0.7.0/24"})).await,
            refusal("MeteringLabelRuleOverlaps", overlap)
        );
        let excluded = of(json!({"remote_ip_prefix": "10.0.7.0/24", "excluded": true}));
        api.create("manager", RULES, "metering_label_rule", excluded).await;
        let ends = of(json!({"source_ip_prefix": "10.0.0.0/24", "destination_ip_prefix": "10.1.0.0/24"}));
        api.create("manager", RULES, "metering_label_rule", ends).await;
        assert_eq!(
            refused(409, json!({"source_ip_prefix": "10.0.0.0/24"})).await.0,
            "MeteringLabelRuleOverlaps"
        );
        assert_eq!(refused(400, json!({})).await.0, "BadRequest");
        let both = json!({"remote_ip_prefix": "10.9.0.0/24", "source_ip_prefix": "10.9.0.0/24"});
        assert_eq!(refused(400, both).await.0, "BadRequest");
        assert_eq!(refused(400, json!({"remote_ip_prefix": "x"})).await.0, "HTTPBadRequest");
        let mixed = json!({"source_ip_prefix": "10.9.0.0/24", "destination_ip_prefix": "fd00::/64"});
        let (kind, text) = refused(400, mixed).await;
        assert_eq!(kind, "BadRequest");
        assert!(
            text.contains("source_ip_prefix and destination_ip_prefix are not of one IP version"),
            "{text}"
        );
        let nowhere = json!({"metering_label_id": NOWHERE, "remote_ip_prefix": "10.9.0.0/24"});
        assert_eq!(refused(404, nowhere).await.0, "MeteringLabelNotFound");
        let body = json!({"metering_label_rule": of(json!({"remote_ip_prefix": "10.9.0.0/24"}))});
        assert_eq!(api.refused(404, "other", "POST", RULES, body.clone()).await.0, "MeteringLabelNotFound");
        assert_eq!(api.refused(403, "member", "POST", RULES, body).await.0, "PolicyNotAuthorized");
    })
    .await;
}
